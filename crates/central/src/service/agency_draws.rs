//! Which draw an agency's message is for.
//!
//! An original agency can't name a draw, and sends all its batches again after a lost
//! connection. A guess would then store them in another draw than the one they were made for. So
//! nothing is guessed: a draw is meant without its name only while it is the only one of the agency
//! that ever took bets. One that was announced and not opened yet does not count: none can have
//! sent anything for it.
//!
//! Reads the view and nothing else, so that the simulation decides by the same code.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::Arc;

use lottery::{AgencyId, DrawId, DrawName, DrawState, DrawStatus, DrawTerms, Timestamp, View};
use thiserror::Error;

use super::Draw;
use crate::limits::DRAW_NAMES_LEN_MAX;

/// The draws of a central, as agencies may name them or not.
#[derive(Clone, Copy)]
pub struct AgencyDraws<'a> {
    view: &'a View,
    /// The draw that the central was started for, if it was for one.
    own: Option<DrawId>,
}

/// A draw as the choice among draws looks at it.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a> {
    id: DrawId,
    terms: &'a DrawTerms,
    state: DrawState,
    /// When the clock opens it.
    opens_at: Option<Timestamp>,
}

/// Why a message is for no draw.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoDraw {
    /// No draw of the agency ever took bets.
    #[error("agency {0} has no open draw; ask the lottery's operators when the next one opens")]
    NoneOpen(AgencyId),
    /// The agency is in no draw.
    #[error("agency {0} is registered in no draw; ask the lottery's operators")]
    NotRegistered(AgencyId),
    /// It takes no bets yet.
    #[error("the draw {:?} is not open yet: {}", name.as_str(), opening(opens_at))]
    NotOpenYet {
        /// Which.
        name: DrawName,
        /// When the clock opens it, if it does.
        opens_at: Option<Timestamp>,
    },
    /// No draw has the name given.
    #[error("there is no draw '{name}'{}", open_ones(open))]
    Unknown {
        /// The name.
        name: String,
        /// Those that are open for the agency, as many as fit a refusal; empty when none is.
        open: String,
    },
    /// The draw that the listener is bound to does not exist.
    #[error(
        "this address is for the draw {:?}, which is not announced yet; ask its operators",
        .0.as_str()
    )]
    NotAnnounced(DrawName),
    /// Several draws of the agency take bets, or did.
    #[error(
        "agency {agency} is in several draws: name one in HELLO (bolillero agency --draw NAME), or \
         connect to an address that is bound to one (serve --listen ADDRESS=NAME). They are {draws}"
    )]
    Several {
        /// Who asked.
        agency: AgencyId,
        /// Their names, the open ones first, as many as fit a refusal.
        draws: String,
    },
}

impl<'a> AgencyDraws<'a> {
    /// Those that `view` shows, of a central that was started for the draw `own`, or for none.
    #[must_use]
    pub fn new(view: &'a View, own: Option<DrawId>) -> Self {
        Self { view, own }
    }

    /// The draw that an agency means when it names none: the one that this central was started for,
    /// or the one that operators `bound` its listener to, or else the only one that it can mean.
    ///
    /// # Errors
    /// See [`NoDraw`].
    pub fn unnamed(&self, agency: AgencyId, bound: Option<&DrawName>) -> Result<Arc<Draw>, NoDraw> {
        if let Some(own) = self.own {
            return Ok(Draw::of(self.view.draw(own).expect("it was opened at the start")));
        }
        if let Some(name) = bound {
            let draw = self.view.draw_named(name.as_str());
            return begun(draw.ok_or_else(|| NoDraw::NotAnnounced(name.clone()))?);
        }
        let is_meant = |draw: &DrawStatus| {
            draw.terms.agencies.contains(agency) && draw.state != DrawState::Cancelled
        };
        let draws = self.view.find_draws(is_meant);
        if draws.is_empty() && self.view.draw_count() > 0 {
            return Err(NoDraw::NotRegistered(agency));
        }
        let meant = unnamed_draw(agency, draws.iter().map(Candidate::of))?;
        let meant = draws.into_iter().find(|draw| draw.id == meant);
        Ok(Draw::of(meant.expect("it is one of them")))
    }

    /// The draw that an agency named, once it takes bets or did.
    ///
    /// # Errors
    /// See [`NoDraw`].
    pub fn named(&self, agency: AgencyId, name: &str) -> Result<Arc<Draw>, NoDraw> {
        match self.view.draw_named(name) {
            Some(draw) => begun(draw),
            None => {
                let draws = self.view.find_draws(|draw| {
                    draw.state == DrawState::Open && draw.terms.agencies.contains(agency)
                });
                Err(NoDraw::unknown(name, agency, draws.iter().map(Candidate::of)))
            }
        }
    }

    /// Whether operators disabled an agency.
    #[must_use]
    pub fn is_disabled(&self, agency: AgencyId) -> bool {
        self.view.registration(agency).is_some_and(|known| !known.enabled)
    }
}

/// A draw that was named, unless it takes no bets yet.
fn begun(draw: DrawStatus) -> Result<Arc<Draw>, NoDraw> {
    match draw.state {
        DrawState::Announced => Err(Candidate::of(&draw).not_open_yet()),
        _ => Ok(Draw::of(draw)),
    }
}

/// The draw that `agency` means when it names none, among all that there are.
fn unnamed_draw<'a>(
    agency: AgencyId,
    draws: impl Iterator<Item = Candidate<'a>>,
) -> Result<DrawId, NoDraw> {
    let (mut any, mut announced, mut begun) = (false, None, Vec::new());
    for draw in draws {
        any = true;
        if !draw.terms.agencies.contains(agency) {
            continue;
        }
        if draw.state == DrawState::Announced {
            announced = soonest(announced, draw);
        } else {
            begun.push(draw);
        }
    }
    match (&begun[..], announced) {
        ([only], _) => Ok(only.id),
        ([], Some(draw)) => Err(draw.not_open_yet()),
        ([], None) if any => Err(NoDraw::NotRegistered(agency)),
        ([], None) => Err(NoDraw::NoneOpen(agency)),
        _ => Err(NoDraw::Several { agency, draws: names(begun) }),
    }
}

impl NoDraw {
    /// No draw has this name.
    fn unknown<'a>(
        name: &str,
        agency: AgencyId,
        draws: impl Iterator<Item = Candidate<'a>>,
    ) -> Self {
        let is_open = |draw: &Candidate<'_>| {
            draw.state == DrawState::Open && draw.terms.agencies.contains(agency)
        };
        Self::Unknown { name: name.to_owned(), open: names(draws.filter(is_open).collect()) }
    }
}

impl<'a> Candidate<'a> {
    fn of(draw: &'a DrawStatus) -> Self {
        let DrawStatus { id, terms, state, life, .. } = draw;
        Self { id: *id, terms, state: *state, opens_at: life.schedule.opens_at }
    }

    /// The refusal of bets in it before it is open.
    pub(super) fn not_open_yet(&self) -> NoDraw {
        NoDraw::NotOpenYet { name: self.terms.name.clone(), opens_at: self.opens_at }
    }
}

/// Of two that were announced, the one that opens first.
fn soonest<'a>(one: Option<Candidate<'a>>, other: Candidate<'a>) -> Option<Candidate<'a>> {
    let time = |draw: &Candidate<'_>| draw.opens_at.map_or(u64::MAX, |at| at.0);
    one.filter(|one| time(one) <= time(&other)).or(Some(other))
}

/// Names of draws and where each is: the open ones first, then from new to old, as many as fit.
fn names<'a>(mut draws: Vec<Candidate<'a>>) -> String {
    draws.sort_by_key(|draw| (draw.state != DrawState::Open, Reverse(draw.id)));
    let (mut text, mut left_out) = (String::new(), 0_usize);
    for draw in draws {
        let state = match draw.state {
            DrawState::Announced => "not open yet",
            DrawState::Open => "open",
            DrawState::Closed => "closed",
            DrawState::Drawn { .. } => "made",
            DrawState::Cancelled => "cancelled",
        };
        // Escaped: a name can neither end the sentence nor look like two.
        let named = format!("{:?} ({state})", draw.terms.name.as_str());
        if left_out > 0 || (!text.is_empty() && text.len() + named.len() > DRAW_NAMES_LEN_MAX) {
            left_out += 1;
            continue;
        }
        let separator = if text.is_empty() { "" } else { ", " };
        text.push_str(separator);
        text.push_str(&named);
    }
    if left_out > 0 {
        write!(text, " and {left_out} more").expect("text takes what is written");
    }
    text
}

fn open_ones(open: &str) -> String {
    if open.is_empty() { String::new() } else { format!("; the agency may bet in {open}") }
}

fn opening(opens_at: &Option<Timestamp>) -> String {
    match opens_at {
        Some(at) => format!("it opens at {at}"),
        None => "the lottery's operators open it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use lottery::{Agencies, NumberRange};
    use wire::limits::REASON_LEN_MAX;

    use super::*;

    const ANNOUNCED: DrawState = DrawState::Announced;
    const OPEN: DrawState = DrawState::Open;
    const CLOSED: DrawState = DrawState::Closed;
    const MADE: DrawState = DrawState::Drawn { number: 7 };

    fn terms(name: &str, agencies: (u32, u32)) -> DrawTerms {
        let agencies = Agencies::from_ranges(vec![agencies]).unwrap();
        let name = DrawName::stored(name).unwrap();
        DrawTerms { name, agencies, numbers: NumberRange::default() }
    }

    /// What agency 1 means among draws a, b, c... of agencies 1 and 2, in these states.
    fn meant(states: &[DrawState]) -> Result<DrawId, NoDraw> {
        let names = ('a'..).map(|name| terms(&name.to_string(), (1, 2)));
        let draws: Vec<_> = names.zip(states).collect();
        let candidates = (1..).zip(&draws).map(|(id, (terms, state))| Candidate {
            id: DrawId(id),
            terms,
            state: **state,
            opens_at: Some(Timestamp(0)),
        });
        unnamed_draw(AgencyId(1), candidates)
    }

    #[test]
    fn the_only_draw_that_ever_took_bets_is_meant_whatever_was_announced_since() {
        for state in [OPEN, CLOSED, MADE] {
            assert_eq!(meant(&[state]), Ok(DrawId(1)));
            assert_eq!(meant(&[ANNOUNCED, state, ANNOUNCED]), Ok(DrawId(2)));
        }
    }

    #[test]
    fn several_draws_are_ambiguous_and_open_ones_are_listed_first() {
        for states in [[OPEN, OPEN], [CLOSED, OPEN], [MADE, OPEN], [OPEN, CLOSED], [MADE, CLOSED]] {
            assert!(matches!(meant(&states), Err(NoDraw::Several { .. })), "{states:?}");
        }
        let message = meant(&[MADE, CLOSED, OPEN, ANNOUNCED]).unwrap_err().to_string();
        assert!(
            message.ends_with("They are \"c\" (open), \"b\" (closed), \"a\" (made)"),
            "{message}"
        );
    }

    #[test]
    fn a_draw_belongs_to_its_agencies_only() {
        let (own, others) = (terms("own", (1, 1)), terms("others", (2, 9)));
        let draw = |id, terms| Candidate { id: DrawId(id), terms, state: OPEN, opens_at: None };
        let draws = [draw(1, &others), draw(2, &own)];
        assert_eq!(unnamed_draw(AgencyId(1), draws.into_iter()), Ok(DrawId(2)));
        let stranger = AgencyId(10);
        let refused = Err(NoDraw::NotRegistered(stranger));
        assert_eq!(unnamed_draw(stranger, draws.into_iter()), refused);
        assert_eq!(unnamed_draw(stranger, [].into_iter()), Err(NoDraw::NoneOpen(stranger)));
    }

    #[test]
    fn an_early_agency_learns_which_draw_opens_first_and_when() {
        let (one, other) = (terms("one", (1, 1)), terms("other", (1, 1)));
        let draw =
            |id, terms, opens_at| Candidate { id: DrawId(id), terms, state: ANNOUNCED, opens_at };
        let at = Timestamp(1_724_278_275_000);
        let draws = [draw(1, &one, None), draw(2, &other, Some(at))];
        let message = unnamed_draw(AgencyId(1), draws.into_iter()).unwrap_err().to_string();
        let expected = "the draw \"other\" is not open yet: it opens at 2024-08-21T22:11:15.000Z";
        assert_eq!(message, expected);
        let message =
            unnamed_draw(AgencyId(1), draws[..1].iter().copied()).unwrap_err().to_string();
        assert_eq!(message, "the draw \"one\" is not open yet: the lottery's operators open it");
    }

    #[test]
    fn a_refusal_fits_its_message_whatever_the_draws_are_called() {
        for name in ["\u{300}".repeat(31), "\u{ad}".repeat(31), "\"".repeat(62), "ñ".repeat(31)] {
            let draws: Vec<_> = (10..90).map(|at| terms(&format!("{name}{at}"), (1, 1))).collect();
            let candidates = (1..).zip(&draws).map(|(id, terms)| Candidate {
                id: DrawId(id),
                terms,
                state: OPEN,
                opens_at: None,
            });
            let outcome = unnamed_draw(AgencyId(u32::MAX), candidates.clone());
            assert_eq!(outcome, Err(NoDraw::NotRegistered(AgencyId(u32::MAX))));
            let outcome = unnamed_draw(AgencyId(1), candidates).unwrap_err().to_string();
            assert!(outcome.len() + 9 <= REASON_LEN_MAX, "{} bytes: {outcome}", outcome.len());
            assert!(outcome.ends_with(" more") && !outcome.contains('\n'), "{outcome}");
        }
    }
}
