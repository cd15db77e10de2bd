//! An authenticated caller and their permissions.

use lottery::{Actor, Label, Timestamp};
use operators::{Digest, Name, Operator, People, Permission, Role, Secret, TokenId};

use crate::access::refusal::Refusal;

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: Name,
    /// The operator's generation at authentication; a newer one invalidates sessions and tokens.
    pub(crate) generation: u32,
    pub(crate) role: Role,
    pub(crate) by: Credential,
}

/// The credential that the caller authenticated with.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Session(Secret),
    Token { id: TokenId, label: String },
}

impl Caller {
    /// Rejects callers who are not among these operators, or lack the permission.
    pub(crate) fn must_be_among(
        &self,
        people: &People,
        now: Timestamp,
        needed: Option<Permission>,
    ) -> Result<(), Refusal> {
        let operator = known(people, &self.name, self.generation).ok_or_else(over)?;
        let role = match &self.by {
            Credential::Session(_) => operator.role,
            Credential::Token { id, .. } => people.bearer_of(*id, now.0).ok_or_else(over)?.role,
        };
        needed.map_or(Ok(()), |needed| role_must(role, needed))
    }

    /// Rejects callers whose role lacks the permission.
    pub(crate) fn must(&self, permission: Permission) -> Result<(), Refusal> {
        role_must(self.role, permission)
    }

    /// Returns whether the caller's role has the permission.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        permission.is_held_by(self.role)
    }

    /// Returns the caller's session; rejects tokens.
    pub(crate) fn session(&self) -> Result<&Secret, Refusal> {
        match &self.by {
            Credential::Session(secret) => Ok(secret),
            Credential::Token { .. } => Err(Refusal::session_needed()),
        }
    }

    /// Returns the digest of the caller's session; `None` for tokens.
    pub(crate) fn session_digest(&self) -> Option<Digest> {
        self.session().ok().map(Secret::digest)
    }

    /// Returns the caller as it is written to the audit log.
    pub(crate) fn actor(&self) -> Actor {
        let owner = self.name.label();
        match &self.by {
            Credential::Session(_) => Actor::Operator(owner),
            Credential::Token { id, label } => {
                Actor::Token { owner, number: id.0, label: Label::nearest(label) }
            }
        }
    }
}

/// Returns the operator of this name, unless disabled or changed since that generation.
pub(crate) fn known<'a>(people: &'a People, name: &Name, generation: u32) -> Option<&'a Operator> {
    people.operator(name).filter(|it| !it.disabled && it.generation == generation)
}

/// Returns the refusal for a session or token that has ended.
pub(crate) fn over() -> Refusal {
    Refusal::not_authenticated("the session or the token has ended")
}

fn role_must(role: Role, permission: Permission) -> Result<(), Refusal> {
    if permission.is_held_by(role) { Ok(()) } else { Err(Refusal::Permission(permission)) }
}
