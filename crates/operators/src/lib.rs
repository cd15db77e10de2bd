//! The lottery's operators: identity, permissions, authentication.
//!
//! ```text
//! name           operators' names
//! permission     the permissions of each role
//! role_name      roles in serialised form
//! secret         random secrets of sessions and tokens, stored as digests
//! password       rules and argon2id hashes of passwords
//! people         operators and tokens, and the rules for changing them
//! command_line   changes made on the command line, until the central has recorded them
//! json           the file format, validated when read
//! file           the operators' file, replaced atomically
//! sessions       logged-in operators, in memory
//! attempts       rate limits for logins
//! failures       which failed logins are recorded together
//! store          where a central keeps operators, sessions and attempts, as a trait
//! folder         the store of one central: the file of its data folder, and memory
//! limits         the limits of operators
//! ```
//!
//! Invariants:
//! - nothing stored lets anyone log in: passwords, sessions and tokens are stored as digests;
//! - disabling an operator or changing their password invalidates all sessions and tokens at once,
//!   as each request checks them against the operators;
//! - an unknown name takes as long to reject as a wrong password.
//!
//! Deliberately absent: HTTP, databases, clocks, randomness (passed in), and the meaning of operations.

pub mod attempts;
mod command_line;
mod failures;
pub mod file;
mod folder;
mod json;
pub mod limits;
mod name;
mod password;
mod people;
mod permission;
pub mod role_name;
mod secret;
mod sessions;
mod store;

pub use attempts::Attempts;
pub use command_line::{Change, CommandLineError, Unrecorded};
pub use failures::LogInFailures;
pub use file::{ChangeError, FileError, OperatorsFile};
pub use folder::OperatorsFolder;
pub use lottery::{Role, UnknownRole};
pub use name::{Name, NameError};
pub use password::{Password, PasswordError, PasswordHash};
pub use people::{Bearer, Operator, People, PeopleError, Token, TokenGrant, TokenId};
pub use permission::Permission;
pub use secret::{Digest, Secret};
pub use sessions::{SessionUser, Sessions};
pub use store::{MakeChange, OperatorStore, OperatorsError};
