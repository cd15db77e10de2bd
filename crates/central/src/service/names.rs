//! Draws by their names, as people and agencies give them.
//!
//! A name that a draw has is never refused, though it be from before the rule for texts; a new draw
//! is called as the rule has it.

use lottery::{DrawName, DrawNameError, View};
use thiserror::Error;

/// No draw has the name, and none can be given it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no draw '{name}', and a new one can't be called so: {why}")]
pub struct NameRefused {
    name: DrawName,
    why: DrawNameError,
}

/// The name of a draw that there is, or of one that may be made: then in the form that it is kept
/// in.
///
/// # Errors
/// When there is no such draw, and the rule is against a new one.
pub fn draw_name(view: &View, name: &DrawName) -> Result<DrawName, NameRefused> {
    if view.draw_named(name.as_str()).is_some() {
        return Ok(name.clone());
    }
    DrawName::new(name.as_str()).map_err(|why| NameRefused { name: name.clone(), why })
}
