//! The people who run the lottery: who they are, what each may do, and how they show it.
//!
//! ```text
//! name           who
//! permission     the one table of what each role may do
//! role_name      roles as they are written
//! secret         random secrets of sessions and tokens, kept as digests only
//! password       what a password must be; argon2id
//! people         operators and their tokens, as a value, and the rules of changing them
//! written        people as text, held against the rules when it is read
//! file           people in one file of the data folder, written whole or not at all
//! roster         the same file as a running central sees it, read again when it changed
//! sessions       who is logged in, in memory
//! attempts       how often may be tried to log in
//! limits         every named limit
//! ```
//!
//! Invariants:
//! - nothing that is kept lets anybody log in: passwords, sessions and tokens are kept as digests;
//! - whoever is disabled, or changes their password, has no session and no working token from that
//!   moment on: both are held against the people at each request;
//! - a name that nobody has takes as long to be refused as a wrong password.
//!
//! Deliberately absent: HTTP, clocks and randomness (passed in), and what an operation means.

pub mod attempts;
pub mod file;
mod json;
pub mod limits;
mod name;
mod password;
mod people;
mod permission;
pub mod role_name;
mod roster;
mod secret;
mod sessions;

pub use attempts::Attempts;
pub use file::{ChangeError, FileError, OperatorsFile};
pub use lottery::{Role, UnknownRole};
pub use name::{Name, NameError};
pub use password::{Password, PasswordError, PasswordHash};
pub use people::{Bearer, Operator, People, PeopleError, Token, TokenGrant, TokenId};
pub use permission::Permission;
pub use roster::Roster;
pub use secret::{Digest, Secret};
pub use sessions::{SessionUser, Sessions};
