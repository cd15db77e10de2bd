//! Bodies of requests and answers that report when they end.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

/// An answer's body, with a value that is held until the body was sent or dropped.
pub(crate) struct Held<T> {
    body: Body,
    _held: T,
}

/// A request's body, with a function that is called once the body has arrived in full.
pub(crate) struct Awaited<F> {
    body: Incoming,
    then: Option<F>,
}

impl<T: Send + Unpin + 'static> Held<T> {
    /// Wraps the body so that it holds the value.
    pub(crate) fn by(body: Body, held: T) -> Body {
        Body::new(Self { body, _held: held })
    }
}

impl<T: Unpin> HttpBody for Held<T> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<F: FnOnce()> Awaited<F> {
    pub(crate) fn new(body: Incoming, then: F) -> Self {
        let mut awaited = Self { body, then: Some(then) };
        awaited.look();
        awaited
    }

    fn look(&mut self) {
        if self.body.is_end_stream()
            && let Some(then) = self.then.take()
        {
            then();
        }
    }
}

impl<F: FnOnce() + Unpin> HttpBody for Awaited<F> {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.look();
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
