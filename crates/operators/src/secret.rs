//! Random secrets of sessions and tokens: shown once, stored as digests.
//!
//! They have 256 random bits, so a plain SHA-256 reveals nothing, and looking a digest up leaks
//! nothing useful by its timing.

use std::fmt;

use lottery::text::from_hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A secret of 256 random bits, written as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret([u8; 32]);

/// The stored digest of a secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Secret {
    /// Creates a secret from bytes of a cryptographic random source.
    #[must_use]
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Parses the written form; `None` if it is invalid.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }

    /// Returns the written form.
    #[must_use]
    pub fn text(&self) -> String {
        hex(&self.0)
    }

    /// Returns the digest to store.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(self.0).into())
    }

    /// Derives another secret for `purpose`. Neither reveals the other.
    #[must_use]
    pub fn derived(&self, purpose: &str) -> Self {
        Self(Sha256::new().chain_update(purpose).chain_update(self.0).finalize().into())
    }
}

impl Digest {
    /// Returns its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", hex(&self.0))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = from_hex(&text).map(Self);
        digest.ok_or_else(|| serde::de::Error::custom("a digest has 64 hexadecimal digits"))
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_parses_only_in_its_written_form() {
        let secret = Secret::from_random(std::array::from_fn(|at| u8::try_from(at * 8).unwrap()));
        let text = secret.text();
        assert!(text.starts_with("00081018") && text.len() == 64);
        assert_eq!(Secret::parse(&text), Some(secret.clone()));
        for wrong in [&text[..62], &text[..63], &format!("{text}0"), &text.to_uppercase(), "", "ñ"]
        {
            assert_eq!(Secret::parse(wrong), None, "{wrong}");
        }
        assert_eq!(format!("{secret:?}"), "Secret(..)");
    }

    #[test]
    fn digests_and_derived_secrets_differ_from_the_secret() {
        let secret = Secret::from_random([7; 32]);
        assert_ne!(secret.digest().0, secret.0);
        let derived = secret.derived("one purpose");
        assert_ne!(derived, secret);
        assert_ne!(derived, secret.derived("another"));
        assert_ne!(derived.0, secret.digest().0);
    }
}
