//! Operators and their tokens as a value, and the rules of changing them.
//!
//! Times are milliseconds since the Unix epoch, by the clock of whoever calls.

use std::collections::BTreeMap;
use std::fmt;

use lottery::text::{self, Look, TextFault};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{LABEL_LEN_MAX, OPERATORS_MAX, TOKEN_DAYS_MAX, TOKENS_PER_OPERATOR_MAX};
use crate::permission::covers;
use crate::{Digest, Name, PasswordHash, Role, role_name};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// All the operators, and their tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub(crate) operators: BTreeMap<Name, Operator>,
    pub(crate) tokens: BTreeMap<TokenId, Token>,
    /// The number of the last token, of those that are gone too.
    pub(crate) last_token: u32,
    /// How often they were changed.
    pub(crate) version: u64,
}

/// Somebody who runs the lottery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// What they are for.
    #[serde(with = "role_name")]
    pub role: Role,
    /// Not let in for now.
    pub disabled: bool,
    /// Goes up when the password changes or the operator is disabled: what was begun before ends.
    pub generation: u32,
    /// What is kept of the password.
    pub password: PasswordHash,
}

/// A token's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u32);

/// What lets a program act for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// For whom.
    pub owner: Name,
    /// What it is for, in its owner's words.
    pub label: String,
    /// As what. Never more than its owner may.
    #[serde(with = "role_name")]
    pub role: Role,
    /// When it was given.
    pub created_ms: u64,
    /// From when on it is worth nothing.
    pub expires_ms: u64,
    /// Taken back.
    pub revoked: bool,
    /// What is kept of the secret.
    pub digest: Digest,
}

/// A token asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenGrant {
    /// For whom.
    pub owner: Name,
    /// What it is for.
    pub label: String,
    /// As what.
    pub role: Role,
    /// For how many days from now.
    pub days: u32,
}

/// Whom a token lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The token.
    pub token: TokenId,
    /// What it is for.
    pub label: String,
    /// Its owner.
    pub name: Name,
    /// The owner's generation.
    pub generation: u32,
    /// As what.
    pub role: Role,
}

/// Why people were not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PeopleError {
    /// The name is taken.
    #[error("there is already an operator '{0}'")]
    Exists(Name),
    /// The name would be taken for another's.
    #[error("the name looks the same as that of the operator '{0}'; give another name")]
    LooksLike(Name),
    /// Nobody has the name.
    #[error("there is no operator '{0}'")]
    Unknown(Name),
    /// Nobody could enable anybody again.
    #[error("'{0}' is the last admin who is not disabled; add or enable another one first")]
    LastAdmin(Name),
    /// More than [`OPERATORS_MAX`].
    #[error("there are {OPERATORS_MAX} operators already, which is the most")]
    TooMany,
    /// Who is disabled gets no token.
    #[error("'{0}' is disabled; enable them first")]
    Disabled(Name),
    /// A token that could do more than its owner.
    #[error("a token of '{owner}', who is {has}, can't be for the role {asked}")]
    RoleAboveOwner {
        /// Whose.
        owner: Name,
        /// What the owner is.
        has: Role,
        /// What was asked for.
        asked: Role,
    },
    /// A label that says nothing, or too much.
    #[error("a token's label {0}")]
    Label(TextFault),
    /// A life that is none, or too long.
    #[error("a token lives 1 to {TOKEN_DAYS_MAX} days")]
    Days,
    /// More than [`TOKENS_PER_OPERATOR_MAX`].
    #[error("'{0}' has {TOKENS_PER_OPERATOR_MAX} tokens, which is the most; revoke one first")]
    TooManyTokens(Name),
    /// No such token.
    #[error("there is no token {0}")]
    UnknownToken(TokenId),
    /// The last number was given: only a file that somebody wrote by hand comes so far.
    #[error("operators.json says that all numbers of tokens were given; restore it from a copy")]
    NoTokenNumber,
}

impl People {
    /// How often they were changed: what tells the people of one moment from those of another.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The operator of a name.
    #[must_use]
    pub fn operator(&self, name: &Name) -> Option<&Operator> {
        self.operators.get(name)
    }

    /// All operators, by name.
    pub fn operators(&self) -> impl Iterator<Item = (&Name, &Operator)> {
        self.operators.iter()
    }

    /// All tokens that are remembered, in the order in which they were given.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Token)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// A token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.get(&id)
    }

    /// Whom the token with this digest lets in now.
    #[must_use]
    pub fn bearer(&self, digest: &Digest, now_ms: u64) -> Option<Bearer> {
        let (id, _) = self.tokens.iter().find(|(_, token)| token.digest == *digest)?;
        self.bearer_of(*id, now_ms)
    }

    /// Whom the token of this number lets in now.
    #[must_use]
    pub fn bearer_of(&self, id: TokenId, now_ms: u64) -> Option<Bearer> {
        let token = self.tokens.get(&id)?;
        let owner = self.operators.get(&token.owner)?;
        let lets_in = token.is_live(now_ms) && !owner.disabled && covers(owner.role, token.role);
        lets_in.then(|| Bearer {
            token: id,
            label: token.label.clone(),
            name: token.owner.clone(),
            generation: owner.generation,
            role: token.role,
        })
    }

    /// Adds an operator.
    ///
    /// # Errors
    /// When the name is taken or looks the same as another's, or there are too many.
    pub fn add(
        &mut self,
        name: Name,
        role: Role,
        password: PasswordHash,
    ) -> Result<(), PeopleError> {
        if self.operators.contains_key(&name) {
            return Err(PeopleError::Exists(name));
        }
        let look = Look::of(name.as_str());
        if let Some(other) = self.operators.keys().find(|it| Look::of(it.as_str()) == look) {
            return Err(PeopleError::LooksLike(other.clone()));
        }
        if self.operators.len() >= OPERATORS_MAX {
            return Err(PeopleError::TooMany);
        }
        let operator = Operator { role, disabled: false, generation: 0, password };
        self.operators.insert(name, operator);
        Ok(())
    }

    /// Gives an operator another password, and ends what they began.
    ///
    /// # Errors
    /// When nobody has the name.
    pub fn set_password(&mut self, name: &Name, password: PasswordHash) -> Result<(), PeopleError> {
        self.known(name)?.password = password;
        self.end_all_of(name)
    }

    /// Lets an operator in no more, and ends what they began.
    ///
    /// # Errors
    /// When nobody has the name, or it is the last admin.
    pub fn disable(&mut self, name: &Name) -> Result<(), PeopleError> {
        let is_admin = |operator: &Operator| operator.role == Role::Admin && !operator.disabled;
        let others = self.operators.iter().any(|(other, it)| other != name && is_admin(it));
        let operator = self.known(name)?;
        if is_admin(operator) && !others {
            return Err(PeopleError::LastAdmin(name.clone()));
        }
        operator.disabled = true;
        self.end_all_of(name)
    }

    /// Lets an operator in again.
    ///
    /// # Errors
    /// When nobody has the name.
    pub fn enable(&mut self, name: &Name) -> Result<(), PeopleError> {
        self.known(name)?.disabled = false;
        Ok(())
    }

    /// Gives a token of which `digest` is kept.
    ///
    /// # Errors
    /// When its owner can't have it.
    pub fn grant(
        &mut self,
        grant: TokenGrant,
        digest: Digest,
        now_ms: u64,
    ) -> Result<TokenId, PeopleError> {
        let TokenGrant { owner, label, role, days } = grant;
        let operator = self.known(&owner)?;
        if operator.disabled {
            return Err(PeopleError::Disabled(owner));
        }
        let has = operator.role;
        if !covers(has, role) {
            return Err(PeopleError::RoleAboveOwner { owner, has, asked: role });
        }
        let label = text::accept(&label, LABEL_LEN_MAX).map_err(PeopleError::Label)?;
        if !(1..=TOKEN_DAYS_MAX).contains(&days) {
            return Err(PeopleError::Days);
        }
        let gone = |token: &Token| token.owner == owner && !token.is_live(now_ms);
        self.tokens.retain(|_, token| !gone(token));
        let live = self.tokens.values().filter(|token| token.owner == owner).count();
        if live >= TOKENS_PER_OPERATOR_MAX {
            return Err(PeopleError::TooManyTokens(owner));
        }
        self.last_token = self.last_token.checked_add(1).ok_or(PeopleError::NoTokenNumber)?;
        let expires_ms = now_ms.saturating_add(u64::from(days) * DAY_MS);
        let token =
            Token { owner, label, role, created_ms: now_ms, expires_ms, revoked: false, digest };
        self.tokens.insert(TokenId(self.last_token), token);
        Ok(TokenId(self.last_token))
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn revoke(&mut self, id: TokenId) -> Result<(), PeopleError> {
        self.tokens.get_mut(&id).ok_or(PeopleError::UnknownToken(id))?.revoked = true;
        Ok(())
    }

    /// Ends their sessions, which see another generation, and their tokens.
    fn end_all_of(&mut self, name: &Name) -> Result<(), PeopleError> {
        let operator = self.known(name)?;
        operator.generation = operator.generation.wrapping_add(1);
        let own = self.tokens.values_mut().filter(|token| token.owner == *name);
        own.for_each(|token| token.revoked = true);
        Ok(())
    }

    fn known(&mut self, name: &Name) -> Result<&mut Operator, PeopleError> {
        self.operators.get_mut(name).ok_or_else(|| PeopleError::Unknown(name.clone()))
    }
}

impl Token {
    /// Whether it is neither revoked nor expired.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.revoked && now_ms < self.expires_ms
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests;
