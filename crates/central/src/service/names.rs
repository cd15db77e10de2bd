//! Names of draws. The name of an existing draw is always accepted, also one that today's rule for
//! texts would refuse; a new draw's name follows the rule.

use lottery::{DrawName, DrawNameError, View};
use thiserror::Error;

/// No draw has the name, and the rule refuses it for a new one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no draw '{name}', and it is not a valid name for a new one: {why}")]
pub struct NameRefused {
    name: DrawName,
    why: DrawNameError,
}

/// Returns the name of an existing draw, or else the stored form of a new draw's name.
///
/// # Errors
/// See [`NameRefused`].
pub fn draw_name(view: &View, name: &DrawName) -> Result<DrawName, NameRefused> {
    if view.draw_named(name.as_str()).is_some() {
        return Ok(name.clone());
    }
    DrawName::new(name.as_str()).map_err(|why| NameRefused { name: name.clone(), why })
}
