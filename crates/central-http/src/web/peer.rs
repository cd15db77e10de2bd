//! What a request knows of the connection that it arrived on.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio_util::sync::CancellationToken;

/// The client's address: the one that a trusted proxy reports, or else the connection's peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Token that ends the connection that a request arrived on.
#[derive(Clone, Debug)]
pub(crate) struct Ending(pub(crate) CancellationToken);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(extension(parts))
    }
}

impl<S: Sync> FromRequestParts<S> for Ending {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(extension(parts))
    }
}

fn extension<T: Clone + Send + Sync + 'static>(parts: &Parts) -> T {
    parts.extensions.get::<T>().cloned().expect("`http1` tells it of every request")
}
