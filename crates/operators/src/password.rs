//! Rules and hashes of passwords.
//!
//! Passwords are prepared as in RFC 8265 (OpaqueString): Unicode's NFC, with plain spaces. Hashes
//! from before that match the password as typed.
//!
//! Hashed with argon2id and OWASP's parameters, stored as a PHC string, which allows other
//! parameters later. Hashing takes about 20 ms and 19 MiB: callers must bound how many run at once.

use std::fmt;

use argon2::password_hash::phc::{self, ParamsString};
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

use crate::limits::{
    ARGON2_LANES, ARGON2_MEMORY_KIB, ARGON2_PASSES, PASSWORD_CHARS_MIN, PASSWORD_LEN_MAX,
};

/// A password as entered. Hidden from `Debug`.
pub struct Password {
    typed: String,
    prepared: String,
}

/// The stored hash of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

/// Why a password is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PasswordError {
    /// Too easy to guess.
    #[error("a password must have at least {PASSWORD_CHARS_MIN} characters")]
    TooShort,
    /// Longer than the limit.
    #[error("a password must have at most {PASSWORD_LEN_MAX} bytes")]
    TooLong,
    /// One repeated character, or the operator's name.
    #[error("a password must not be one repeated character, nor the operator's name")]
    TooSimple,
}

impl Password {
    /// Wraps a password as entered.
    #[must_use]
    pub fn given(text: String) -> Self {
        let is_space = |c: char| c.is_whitespace() && !c.is_control();
        let with_plain_spaces = text.chars().map(|c| if is_space(c) { ' ' } else { c });
        let prepared = with_plain_spaces.nfc().collect();
        Self { typed: text, prepared }
    }

    /// Validates and hashes a new password. Slow.
    ///
    /// # Errors
    /// When the operator can't have this password.
    pub fn hash(&self, name: &crate::Name, salt: [u8; 16]) -> Result<PasswordHash, PasswordError> {
        let text = &self.prepared;
        if text.len() > PASSWORD_LEN_MAX {
            return Err(PasswordError::TooLong);
        }
        if text.chars().count() < PASSWORD_CHARS_MIN {
            return Err(PasswordError::TooShort);
        }
        let first = text.chars().next();
        if text.chars().all(|c| Some(c) == first) || text.eq_ignore_ascii_case(name.as_str()) {
            return Err(PasswordError::TooSimple);
        }
        let hashed: phc::PasswordHash = hasher()
            .hash_password_with_salt(text.as_bytes(), &salt)
            .expect("parameters, lengths of salt and password are within argon2's bounds");
        Ok(PasswordHash(hashed.to_string()))
    }

    /// Whether this password matches a stored hash. Takes the same time without one.
    #[must_use]
    pub fn is_of(&self, stored: Option<&PasswordHash>) -> bool {
        let stored = stored.and_then(|PasswordHash(text)| phc::PasswordHash::new(text).ok());
        let is_changed = self.typed != self.prepared;
        is_hashed_as(&self.prepared, stored.as_ref())
            || (is_changed && is_hashed_as(&self.typed, stored.as_ref()))
    }
}

fn is_hashed_as(text: &str, stored: Option<&phc::PasswordHash>) -> bool {
    if text.len() > PASSWORD_LEN_MAX {
        return false;
    }
    match stored {
        Some(stored) => hasher().verify_password(text.as_bytes(), stored).is_ok(),
        // Does the same work, so that timing does not reveal that the name is unknown.
        None => {
            let mut hash = [0; 32];
            let _ = hasher().hash_password_into(text.as_bytes(), &[0; 16], &mut hash);
            false
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Accepts only this program's parameters: others could demand any amount of memory.
impl<'de> Deserialize<'de> for PasswordHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_ours = |stored: phc::PasswordHash| {
            stored.algorithm.as_str() == Algorithm::Argon2id.as_str()
                && stored.version == Some(Version::V0x13.into())
                && ParamsString::try_from(hasher().params()).is_ok_and(|ours| stored.params == ours)
                && stored.salt.is_some_and(|salt| salt.len() == 16)
                && stored.hash.is_some_and(|hash| hash.len() == 32)
        };
        if phc::PasswordHash::new(&text).is_ok_and(is_ours) {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("a password's hash is not one that this program writes"))
        }
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, None)
        .expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Name;

    fn hash(password: &str) -> Result<PasswordHash, PasswordError> {
        Password::given(password.to_owned()).hash(&Name::new("ana.paz.lorca").unwrap(), [7; 16])
    }

    #[test]
    fn only_the_password_matches_its_hash() {
        let stored = hash("correct horse battery").unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored:?}");
        let is_of = |text: &str| Password::given(text.to_owned()).is_of(Some(&stored));
        assert!(is_of("correct horse battery"));
        assert!(!is_of("correct horse batterz") && !is_of(""));
        assert!(!is_of(&"x".repeat(PASSWORD_LEN_MAX + 1)));
        assert!(!Password::given("correct horse battery".to_owned()).is_of(None));
    }

    #[test]
    fn a_password_matches_in_any_normalisation() {
        let typed =
            ["contraseña mañana", "contrasen\u{303}a man\u{303}ana", "contraseña\u{a0}mañana"];
        for set in typed {
            let stored = hash(set).unwrap();
            for given in typed {
                assert!(
                    Password::given(given.to_owned()).is_of(Some(&stored)),
                    "{set:?} {given:?}"
                );
            }
            let other = "contrasena manana".to_owned();
            assert!(!Password::given(other).is_of(Some(&stored)), "{set:?}");
        }
    }

    #[test]
    fn a_password_hashed_without_preparation_stays_valid() {
        let typed = "contrasen\u{303}a man\u{303}ana";
        let hashed: phc::PasswordHash =
            hasher().hash_password_with_salt(typed.as_bytes(), &[7; 16]).unwrap();
        let stored = PasswordHash(hashed.to_string());
        assert!(Password::given(typed.to_owned()).is_of(Some(&stored)));
    }

    #[test]
    fn weak_passwords_are_refused() {
        assert_eq!(hash("eleven char"), Err(PasswordError::TooShort));
        assert_eq!(hash(&"ab".repeat(PASSWORD_LEN_MAX)), Err(PasswordError::TooLong));
        assert_eq!(hash("aaaaaaaaaaaaaaaa"), Err(PasswordError::TooSimple));
        assert_eq!(hash("Ana.Paz.Lorca"), Err(PasswordError::TooSimple));
        assert!(hash("doce letras!").is_ok());
    }

    #[test]
    fn foreign_hashes_are_refused() {
        let ours = serde_json::to_string(&hash("correct horse battery").unwrap()).unwrap();
        assert!(serde_json::from_str::<PasswordHash>(&ours).is_ok());
        let others = [
            ours.replace("m=19456", "m=4194304"),
            ours.replace("t=2", "t=200000"),
            ours.replace("argon2id", "argon2d"),
            ours.replace("v=19", "v=16"),
            ours[..ours.len() - 10].to_owned() + "\"",
            "\"\"".to_owned(),
            "\"$1$x\"".to_owned(),
        ];
        for other in others {
            assert!(serde_json::from_str::<PasswordHash>(&other).is_err(), "{other}");
        }
    }
}
