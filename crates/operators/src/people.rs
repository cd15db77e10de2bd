//! Operators and tokens as a value, and the rules for changing them.
//!
//! Times are milliseconds since the Unix epoch, by the caller's clock.

use std::collections::BTreeMap;
use std::fmt;

use lottery::limits::COMMAND_LINE_CHANGES_MAX;
use lottery::text::{self, Look, TextFault};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::limits::{LABEL_LEN_MAX, OPERATORS_MAX, TOKEN_DAYS_MAX, TOKENS_PER_OPERATOR_MAX};
use crate::permission::covers;
use crate::{
    Change, CommandLineError, Digest, Name, PasswordHash, Role, Unrecorded, json, role_name,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// All operators and their tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct People {
    pub(crate) operators: BTreeMap<Name, Operator>,
    pub(crate) tokens: BTreeMap<TokenId, Token>,
    /// The highest token number ever issued.
    pub(crate) last_token: u32,
    pub(crate) version: u64,
    /// Changes made on the command line, oldest first.
    pub(crate) unrecorded: Vec<Unrecorded>,
}

/// An operator of the lottery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The operator's role.
    #[serde(with = "role_name")]
    pub role: Role,
    /// Whether logging in is prevented.
    pub disabled: bool,
    /// Incremented when the password changes or the operator is disabled, which ends older
    /// sessions.
    pub generation: u32,
    /// The stored hash of the password.
    pub password: PasswordHash,
}

/// A token's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u32);

/// A token that lets a program act for an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Token {
    pub owner: Name,
    /// Its purpose, in the owner's words.
    pub label: String,
    /// Its role; never has more permissions than the owner.
    #[serde(with = "role_name")]
    pub role: Role,
    pub created_ms: u64,
    pub expires_ms: u64,
    pub revoked: bool,
    /// The digest of its secret.
    pub digest: Digest,
}

/// A request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct TokenGrant {
    pub owner: Name,
    pub label: String,
    pub role: Role,
    /// Its validity, in days from now.
    pub days: u32,
}

/// The identity that a valid token gives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Bearer {
    pub token: TokenId,
    pub label: String,
    pub name: Name,
    /// The owner's generation.
    pub generation: u32,
    pub role: Role,
}

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs, reason = "the messages describe the variants")]
pub enum PeopleError {
    #[error("there is already an operator '{0}'")]
    Exists(Name),
    #[error("the name looks the same as that of the operator '{0}'; choose another name")]
    LooksLike(Name),
    #[error("there is no operator '{0}'")]
    Unknown(Name),
    #[error("'{0}' is the last admin who is not disabled; add or enable another one first")]
    LastAdmin(Name),
    #[error("there are {OPERATORS_MAX} operators already, which is the most")]
    TooMany,
    #[error("'{0}' is disabled; enable them first")]
    Disabled(Name),
    #[error("a token of '{owner}', who is {has}, can't be for the role {asked}")]
    RoleAboveOwner { owner: Name, has: Role, asked: Role },
    #[error("a token's label {0}")]
    Label(TextFault),
    #[error("a token lives 1 to {TOKEN_DAYS_MAX} days")]
    Days,
    #[error("'{0}' has {TOKENS_PER_OPERATOR_MAX} tokens, which is the most; revoke one first")]
    TooManyTokens(Name),
    #[error("there is no token {0}")]
    UnknownToken(TokenId),
    #[error("there are no numbers left for tokens; restore the operators from a copy")]
    NoTokenNumber,
}

impl People {
    /// Parses and validates a document, as a file or a store keeps it.
    ///
    /// # Errors
    /// Why it is not valid.
    pub fn of_document(text: &str) -> Result<Self, String> {
        json::parse(text)
    }

    /// Returns the document that is kept.
    #[must_use]
    pub fn document(&self) -> String {
        json::render(self)
    }

    /// Returns these operators after a change, as the next version, unless `change` refuses.
    ///
    /// # Errors
    /// When `change` refuses.
    pub fn changed<T, E>(
        &self,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<(Self, T), E> {
        let mut changed = self.clone();
        let outcome = change(&mut changed)?;
        changed.version = self.version.saturating_add(1);
        Ok((changed, outcome))
    }

    /// As [`People::changed`], on the command line of `user` at this time. A central records the
    /// change, which `change` returns.
    ///
    /// # Errors
    /// When `change` refuses, or too many changes wait to be recorded.
    pub fn changed_on_command_line(
        &self,
        user: &str,
        at_ms: u64,
        change: impl FnOnce(&mut Self) -> Result<Change, PeopleError>,
    ) -> Result<Self, CommandLineError> {
        if self.unrecorded.len() >= COMMAND_LINE_CHANGES_MAX {
            return Err(CommandLineError::TooManyUnrecorded);
        }
        let (mut changed, change) = self.changed(change)?;
        let (user, version) = (user.to_owned(), changed.version);
        changed.unrecorded.push(Unrecorded { user, at_ms, version, change });
        Ok(changed)
    }

    /// Returns these operators without changes that are recorded now. It is the same version.
    #[must_use]
    pub fn without_recorded(&self, recorded: &[&Unrecorded]) -> Self {
        let mut left = self.clone();
        left.unrecorded.retain(|change| !recorded.contains(&change));
        left
    }

    /// Returns the version: the number of changes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the changes made on the command line that are not recorded yet, oldest first.
    #[must_use]
    pub fn unrecorded(&self) -> &[Unrecorded] {
        &self.unrecorded
    }

    /// Returns an operator.
    #[must_use]
    pub fn operator(&self, name: &Name) -> Option<&Operator> {
        self.operators.get(name)
    }

    /// Iterates over all operators, by name.
    pub fn operators(&self) -> impl Iterator<Item = (&Name, &Operator)> {
        self.operators.iter()
    }

    /// Iterates over all stored tokens, oldest first.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenId, &Token)> {
        self.tokens.iter().map(|(id, token)| (*id, token))
    }

    /// Returns a token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<&Token> {
        self.tokens.get(&id)
    }

    /// Returns the identity of the token with this digest, if it is valid now.
    #[must_use]
    pub fn bearer(&self, digest: &Digest, now_ms: u64) -> Option<Bearer> {
        let (id, _) = self.tokens.iter().find(|(_, token)| token.digest == *digest)?;
        self.bearer_of(*id, now_ms)
    }

    /// Returns the identity of the token with this number, if it is valid now.
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
    /// When the name exists or looks like another, or there are too many operators.
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

    /// Sets an operator's password; ends their sessions and revokes their tokens.
    ///
    /// # Errors
    /// When there is no such operator.
    pub fn set_password(&mut self, name: &Name, password: PasswordHash) -> Result<(), PeopleError> {
        self.known(name)?.password = password;
        self.end_all_of(name)
    }

    /// Disables an operator; ends their sessions and revokes their tokens.
    ///
    /// # Errors
    /// When there is no such operator, or it is the last admin.
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

    /// Enables an operator.
    ///
    /// # Errors
    /// When there is no such operator.
    pub fn enable(&mut self, name: &Name) -> Result<(), PeopleError> {
        self.known(name)?.disabled = false;
        Ok(())
    }

    /// Issues a token and stores the digest of its secret.
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

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is no such token.
    pub fn revoke(&mut self, id: TokenId) -> Result<(), PeopleError> {
        self.tokens.get_mut(&id).ok_or(PeopleError::UnknownToken(id))?.revoked = true;
        Ok(())
    }

    /// Ends an operator's sessions, by a new generation, and revokes their tokens.
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
