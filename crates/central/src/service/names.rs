//! Draws by their names, as people and agencies give them.
//!
//! A name that a draw has is never refused, though it be from before the rule for texts; a new draw
//! is called as the rule has it.

use std::sync::Arc;

use lottery::text::same_as;
use lottery::{DrawName, DrawNameError, View};
use thiserror::Error;

use super::Draw;

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
    let is_same = same_as(name.as_str());
    if view.all_draws().any(|draw| is_same(draw.terms.name.as_str())) {
        return Ok(name.clone());
    }
    DrawName::new(name.as_str()).map_err(|why| NameRefused { name: name.clone(), why })
}

/// The draw of a name: exactly, or else in any form.
pub(super) fn named<'a>(draws: &'a [Arc<Draw>], name: &str) -> Option<&'a Arc<Draw>> {
    let exactly = draws.iter().find(|draw| draw.terms.name.as_str() == name);
    exactly.or_else(|| {
        let is_same = same_as(name);
        draws.iter().find(|draw| is_same(draw.terms.name.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use lottery::{Agencies, DrawId, DrawState, DrawStatus, DrawTerms, NumberRange};

    use super::*;

    fn draw(id: u32, name: &str) -> Arc<Draw> {
        let (name, agencies) = (DrawName::kept(name).unwrap(), Agencies::first(1).unwrap());
        Arc::new(Draw::new(DrawStatus {
            id: DrawId(id),
            terms: DrawTerms { name, agencies, numbers: NumberRange::default() },
            state: DrawState::Open,
            agencies_finished: 0,
            batches: 0,
            bets: 0,
            operated: None,
        }))
    }

    #[test]
    fn of_two_draws_of_before_with_one_name_the_form_tells_which() {
        let draws = [draw(1, "man\u{303}ana"), draw(2, "mañana"), draw(3, "\u{212a}ino")];
        for (name, id) in [("man\u{303}ana", 1), ("mañana", 2), ("Kino", 3), ("\u{212a}ino", 3)] {
            assert_eq!(named(&draws, name).map(|draw| draw.id), Some(DrawId(id)), "{name}");
        }
        for name in ["", "manana", "Mañana", "kino"] {
            assert!(named(&draws, name).is_none(), "{name}");
        }
    }
}
