//! Extractors that state in a handler's signature the permission that it needs.

use std::convert::Infallible;
use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use operators::Permission;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;

/// An authenticated caller who has the permission `P`.
pub(crate) struct Allowed<P>(pub(crate) Caller, pub(crate) PhantomData<P>);

/// A permission as a type.
pub(crate) trait Permitted {
    const PERMISSION: Permission;
}

macro_rules! permitted {
    ($($permission:ident),+) => {$(
        pub(crate) struct $permission;

        impl Permitted for $permission {
            const PERMISSION: Permission = Permission::$permission;
        }
    )+};
}

permitted!(
    CopyLedger,
    ManageAgencies,
    ManageOperators,
    ReadAudit,
    ReadWinners,
    RunDraws,
    ViewBoard
);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let who = parts.extensions.get::<Self>().cloned();
        Ok(who.expect("a handler that asks who it is stands behind `authenticate`"))
    }
}

impl<S: Sync, P: Permitted> FromRequestParts<S> for Allowed<P> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Ok(who) = Caller::from_request_parts(parts, state).await;
        who.must(P::PERMISSION)?;
        Ok(Self(who, PhantomData))
    }
}
