//! Serialises roles by name, for serde.

use lottery::Role;
use serde::{Deserialize as _, Deserializer, Serializer, de};

/// Writes a role's name.
///
/// # Errors
/// When the serializer fails.
pub fn serialize<S: Serializer>(role: &Role, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(role.as_str())
}

/// Reads a role's name.
///
/// # Errors
/// When there is no such role.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}
