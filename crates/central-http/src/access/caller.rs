//! Who asks, once that is known, and what they may.

use lottery::{Actor, Label, Timestamp};
use operators::{Name, Operator, People, Permission, Role, Secret, TokenId};

use crate::access::refusal::Refusal;

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: Name,
    /// The operator's when the caller was identified; a later one ends sessions and tokens.
    pub(crate) generation: u32,
    pub(crate) role: Role,
    pub(crate) by: Credential,
}

/// How they showed it.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    Session(Secret),
    Token { id: TokenId, label: String },
}

impl Caller {
    /// Refuses callers who are not among these people, or may not do this.
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

    /// Refuses callers whose role is not enough for this.
    pub(crate) fn must(&self, permission: Permission) -> Result<(), Refusal> {
        role_must(self.role, permission)
    }

    /// Whether the caller's role is enough for this.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        permission.is_held_by(self.role)
    }

    /// The caller's session; refuses tokens.
    pub(crate) fn session(&self) -> Result<&Secret, Refusal> {
        match &self.by {
            Credential::Session(secret) => Ok(secret),
            Credential::Token { .. } => Err(Refusal::session_needed()),
        }
    }

    /// The caller, as put on record.
    pub(crate) fn actor(&self) -> Actor {
        let owner = label_of(&self.name);
        match &self.by {
            Credential::Session(_) => Actor::Operator(owner),
            Credential::Token { id, label } => {
                Actor::Token { owner, number: id.0, label: Label::nearest(label) }
            }
        }
    }
}

/// The operator of this name, unless disabled or changed since.
pub(crate) fn known<'a>(people: &'a People, name: &Name, generation: u32) -> Option<&'a Operator> {
    people.operator(name).filter(|it| !it.disabled && it.generation == generation)
}

/// The caller's session or token has ended.
pub(crate) fn over() -> Refusal {
    Refusal::not_authenticated("the session or the token is over")
}

/// An operator's name, as it is put on record.
pub(crate) fn label_of(name: &Name) -> Label {
    Label::new(name.as_str()).expect("an operator's name is a short word")
}

fn role_must(role: Role, permission: Permission) -> Result<(), Refusal> {
    if permission.is_held_by(role) { Ok(()) } else { Err(Refusal::Permission(permission)) }
}
