//! Bodies of requests and answers that tell when they end.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};

/// The body of an answer, and what is held until it was sent or given up.
pub(crate) struct Held<T> {
    body: Body,
    _held: T,
}

/// The body of a request, and what is done once it is whole.
pub(crate) struct Awaited<F> {
    body: Incoming,
    then: Option<F>,
}

impl<T: Send + Unpin + 'static> Held<T> {
    /// The same body, with that held.
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
