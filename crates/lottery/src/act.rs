//! What operators do, and the central's clock in their place: each act is an event, with who did it
//! and why.

use std::fmt;

use thiserror::Error;

use crate::agencies::AgencyId;
use crate::audited::AuditedAction;
use crate::draw::{DrawId, DrawName, DrawTerms, Timestamp};
use crate::limits::{DRAWS_MAX, DRAWS_UNMADE_MAX, LABEL_LEN_MAX, REASON_LEN_MAX, REGISTERED_MAX};
use crate::requests::StoreFault;
use crate::text::{self, TextFault};

/// A short text on one line: 1-64 bytes, as [`text::accept`] has texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// Why something was done: at most 500 bytes, as [`text::accept`] has texts; may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(String);

/// A text that can't be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Not a [`Label`].
    #[error("it {0}")]
    Label(TextFault),
    /// Not a [`Reason`].
    #[error("a reason {0}")]
    Reason(TextFault),
}

/// Who did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The central, because it was time.
    Clock,
    /// An operator, by name, in person.
    Operator(Label),
    /// A program, with a token that an operator gave it.
    Token {
        /// The operator whose token it is.
        owner: Label,
        /// The token's number.
        number: u32,
        /// What the token is for.
        label: Label,
    },
}

/// Asked when an act is decided: the version of the operators by which whoever wants it may
/// still do it; none when they may not. Runs on the thread that decides, so it must be short.
pub type Judge = Box<dyn Fn() -> Option<u64> + Send>;

/// The judge of acts that need no permission, such as the clock's.
#[must_use]
pub fn always_allowed() -> Judge {
    Box::new(|| Some(0))
}

/// An act with who did it, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedAct {
    /// Who.
    pub by: Actor,
    /// The version of the operators by which the [`Judge`] allowed it; 0 until it is decided, and
    /// when it needs no permission.
    pub operators: u64,
    /// Why, as they put it.
    pub why: Reason,
    /// What.
    pub act: Act,
}

/// Something that an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// A draw is announced, to be opened later. Its number is one more than the draws before.
    Announce {
        /// What it is announced with.
        terms: DrawTerms,
        /// When the clock acts in it.
        schedule: Schedule,
    },
    /// An announced draw takes bets.
    Open(DrawId),
    /// An open draw takes no more bets.
    Close(DrawId),
    /// The winning number, as one of the two operators who enter it read it.
    EnterNumber {
        /// Of which draw.
        draw: DrawId,
        /// The number.
        number: u32,
    },
    /// The winners of a draw that was made may be told.
    Publish(DrawId),
    /// An agency is registered, or what is known of it changes.
    Register(Registration),
    /// Anything else that should be on record.
    Audited(AuditedAction),
}

/// When the clock acts in a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Opens it, unless an operator did.
    pub opens_at: Option<Timestamp>,
    /// Closes it, unless an operator did.
    pub closes_at: Option<Timestamp>,
}

/// What is known of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its number.
    pub agency: AgencyId,
    /// What people call it.
    pub name: Label,
    /// Where it is.
    pub place: Label,
    /// Whether it may bet. One that may not is refused, whatever it sends.
    pub enabled: bool,
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acted {
    /// It is done.
    Done,
    /// It was done before, and nothing changed.
    Repeated,
    /// A draw was announced, with this number.
    Announced(DrawId),
    /// A first operator entered a number; a second one must enter it too.
    NumberAwaited,
    /// Both entered the same number: the draw is made with it.
    NumbersAgree(u32),
    /// They entered different numbers: both must enter it again.
    NumbersDiffer,
}

/// Why an act was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ActError {
    /// No such draw.
    #[error("there is no draw {0}")]
    UnknownDraw(DrawId),
    /// A draw of this name was announced or opened before.
    #[error("there is a draw of this name already; give another name")]
    NameTaken,
    /// The name of a draw would be taken for another's.
    #[error("the name looks the same as that of draw {draw}, '{name}'; give another name")]
    DrawLooksLike {
        /// The other draw.
        draw: DrawId,
        /// Its name.
        name: DrawName,
    },
    /// The name of an agency would be taken for another's.
    #[error(
        "the name looks the same as that of agency {agency}, '{name}'; give another name, such as \
         one with its place"
    )]
    AgencyLooksLike {
        /// The other agency.
        agency: AgencyId,
        /// Its name.
        name: Label,
    },
    /// More than [`DRAWS_UNMADE_MAX`].
    #[error(
        "{DRAWS_UNMADE_MAX} draws are not made yet, which is the most at once; make one of them \
         first (one that was never opened is closed, with a reason, once its closing time is over)"
    )]
    TooManyUnmade,
    /// More than [`DRAWS_MAX`].
    #[error(
        "this ledger has {DRAWS_MAX} draws, which is the most; start a central on a new folder"
    )]
    TooManyDraws,
    /// More than [`REGISTERED_MAX`].
    #[error("{REGISTERED_MAX} agencies are registered, which is the most; change one of them")]
    TooManyRegistered,
    /// Agency 0, announced or registered.
    #[error("there is no agency 0: agencies are numbered from 1")]
    AgencyZero,
    /// A time that is over, or a close before the opening.
    #[error("a draw opens before it closes, and closes in the future")]
    Schedule,
    /// When it was to be closed is over.
    #[error("it was to be closed at {0}, which is over: announce another draw, under another name")]
    Expired(Timestamp),
    /// The draw is elsewhere in its life.
    #[error("the draw {now}, so it can't be {wanted} now")]
    State {
        /// Where it is, in words.
        now: &'static str,
        /// What was asked for, in words.
        wanted: &'static str,
    },
    /// Closing early, or without some agencies, must be explained.
    #[error("closing now needs a reason: {0}")]
    ReasonNeeded(Unfinished),
    /// The clock is early.
    #[error("it is not time yet")]
    NotTime,
    /// Not a number that could win.
    #[error("the number {number} is outside the range {range} of this draw")]
    NumberRange {
        /// The number entered.
        number: u32,
        /// The draw's range.
        range: crate::bet::NumberRange,
    },
    /// The second entry is another operator's to make.
    #[error("{0} entered the number before; another operator must enter it now")]
    EnteredBefore(Label),
    /// What only people do.
    #[error("the clock can't do this")]
    NotForTheClock,
    /// What only people do, in person.
    #[error("a program can't enter the number; an operator must, in a session")]
    NotForPrograms,
    /// The [`Judge`] said no.
    #[error("whoever asked may not do this any more")]
    NotAllowed,
    /// See [`StoreFault`].
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// Why closing a draw now is out of the ordinary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// How many agencies have not finished.
    pub agencies: u64,
    /// When it would close by itself, if that is still to come.
    pub closes_at: Option<Timestamp>,
}

impl Label {
    /// A text that somebody gives.
    ///
    /// # Errors
    /// [`TextError::Label`].
    pub fn new(text: impl AsRef<str>) -> Result<Self, TextError> {
        text::accept(text.as_ref(), LABEL_LEN_MAX).map(Self).map_err(TextError::Label)
    }

    /// A text that was kept, perhaps before there was the rule; none when it can't have been.
    #[must_use]
    pub fn kept(text: &str) -> Option<Self> {
        text::may_be_kept(text, LABEL_LEN_MAX).then(|| Self(text.to_owned()))
    }

    /// The label nearest to a text that may not be one: shortened, and with what a label can't hold
    /// escaped.
    #[must_use]
    pub fn nearest(text: &str) -> Self {
        let mut nearest = String::new();
        for c in text.trim().chars() {
            let escapes = text::is_hidden(c);
            let shown = if escapes { c.escape_default().to_string() } else { c.into() };
            if nearest.len() + shown.len() > LABEL_LEN_MAX {
                break;
            }
            nearest += &shown;
        }
        Self::new(nearest.trim_end()).unwrap_or_else(|_| Self("-".to_owned()))
    }

    /// Whether it is the same to people, however it was typed.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        text::is_same(&self.0, &other.0)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Reason {
    /// A text that somebody gives; spaces at its ends are left out.
    ///
    /// # Errors
    /// [`TextError::Reason`].
    pub fn new(text: &str) -> Result<Self, TextError> {
        match text.trim() {
            "" => Ok(Self::default()),
            text => text::accept(text, REASON_LEN_MAX).map(Self).map_err(TextError::Reason),
        }
    }

    /// A text that was kept, perhaps before there was the rule; none when it can't have been.
    #[must_use]
    pub fn kept(text: &str) -> Option<Self> {
        let may_be = text.is_empty() || text::may_be_kept(text, REASON_LEN_MAX);
        may_be.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether none was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => f.write_str("the clock"),
            Self::Operator(name) => name.fmt(f),
            Self::Token { owner, number, label } => {
                write!(f, "{owner} with token {number} \"{label}\"")
            }
        }
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.agencies, self.closes_at) {
            (0, None) => f.write_str("say which"),
            (0, Some(at)) => write!(f, "it would close by itself at {at}"),
            (missing, None) => write!(f, "{missing} agencies have not finished"),
            (missing, Some(at)) => {
                write!(f, "{missing} agencies have not finished, and it would close at {at}")
            }
        }
    }
}

impl RecordedAct {
    /// An act to be decided.
    #[must_use]
    pub fn new(by: Actor, why: Reason, act: Act) -> Self {
        Self { by, operators: 0, why, act }
    }
}

impl Act {
    /// The draw that it is about, if it is about one that exists.
    #[must_use]
    pub fn draw(&self) -> Option<DrawId> {
        match self {
            Self::Open(draw)
            | Self::Close(draw)
            | Self::Publish(draw)
            | Self::EnterNumber { draw, .. } => Some(*draw),
            Self::Announce { .. } | Self::Register(_) | Self::Audited(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_short_and_on_one_line() {
        assert!(Label::new("Ñandú 7").is_ok() && Label::new("x".repeat(64)).is_ok());
        for bad in ["", " a", "a\tb", "a\u{202e}b", &"x".repeat(65)] {
            assert!(matches!(Label::new(bad), Err(TextError::Label(_))), "{bad:?}");
        }
        for (text, nearest) in [
            ("ana", "ana"),
            (" a\tb ", "a\\tb"),
            ("a\u{202e}", "a\\u{202e}"),
            ("  ", "-"),
            ("", "-"),
        ] {
            assert_eq!(Label::nearest(text).as_str(), nearest, "{text:?}");
        }
        assert_eq!(Label::nearest(&"ñ".repeat(40)).as_str(), "ñ".repeat(32));
        assert_eq!(Reason::new("  corte de luz ").unwrap().as_str(), "corte de luz");
        for empty in ["", " \u{a0}"] {
            assert!(Reason::new(empty).unwrap().is_empty());
        }
        for bad in ["a\nb", "a\u{2028}b", &"x".repeat(501)] {
            assert!(matches!(Reason::new(bad), Err(TextError::Reason(_))), "{bad:?}");
        }
    }

    #[test]
    fn texts_kept_before_the_rule_are_read() {
        let text = "a\u{202e}b\u{200b}";
        assert_eq!(Label::kept(text).unwrap().as_str(), text);
        assert_eq!(Reason::kept(text).unwrap().as_str(), text);
        assert!(Reason::kept("").unwrap().is_empty());
        for bad in [" a", "a\tb", &"x".repeat(501)] {
            assert!(Label::kept(bad).is_none() && Reason::kept(bad).is_none(), "{bad:?}");
        }
    }
}
