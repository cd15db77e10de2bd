//! The description of an event: author, action, draw, arguments and reason. The API, the command
//! line and the log render it; the console has its own sentences in two languages.
//!
//! A number that an operator entered is in it only once the draw was made: the second operator must
//! not see it.

use std::fmt;

use crate::act::{Act, Actor, RecordedAct, Registration, Schedule};
use crate::agencies::AgencyId;
use crate::audited::{AuditedAction, BetsSearch, CommandLineChange, LogInFailed, OperatorsChange};
use crate::draw::{DrawId, DrawTerms, Timestamp};
use crate::event::Event;
use crate::label::Label;
use crate::lifecycle::DrawStatus;
use crate::role::Role;

/// A description of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description<'a> {
    /// The kind of event, for programs.
    pub action: &'static str,
    /// The action in words, to be followed by the draw.
    pub verb: &'static str,
    /// The author.
    pub by: Doer<'a>,
    /// The draw; `None` for an announcement, whose event does not contain the number.
    pub draw: Option<DrawId>,
    /// Everything else, by name.
    pub arguments: Vec<(&'static str, Argument<'a>)>,
    /// The reason, in the author's words; may be empty.
    pub why: &'a str,
}

/// The author of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doer<'a> {
    /// The central, applying the rules.
    Central,
    /// An agency, by a request.
    Agency(AgencyId),
    /// An operator, a program or the clock.
    Actor(&'a Actor),
    /// A user of the central's machine, on the command line.
    CommandLine(&'a Label),
    /// Somebody unknown, in the name of an operator.
    Unknown,
}

/// An argument of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// Text that people typed.
    Text(&'a str),
    /// A word or a range, as this program writes it.
    Word(String),
    /// A number or a count.
    Number(u64),
    /// Yes or no.
    Flag(bool),
    /// A moment.
    Time(Timestamp),
}

/// The kinds of events in the audit log, as [`Description::action`] names them.
pub const ACTIONS: [&str; 28] = [
    "draw-announced",
    "draw-edited",
    "draw-cancelled",
    "draw-opened",
    "agency-reopened",
    "agency-finished",
    "draw-closed",
    "bets-closed",
    "number-entered",
    "number-corrected",
    "draw-made",
    "result-voided",
    "draw-published",
    "winners-published",
    "agency-registered",
    "logged-in",
    "logged-out",
    "log-in-failed",
    "operator-added",
    "operator-disabled",
    "operator-enabled",
    "password-changed",
    "token-given",
    "token-revoked",
    "operators-not-changed",
    "bets-searched",
    "winners-read",
    "bets-exported",
];

/// Returns the kind of this name.
#[must_use]
pub fn action_named(name: &str) -> Option<&'static str> {
    ACTIONS.into_iter().find(|action| *action == name)
}

type What<'a> = (&'static str, &'static str, Option<DrawId>, Vec<(&'static str, Argument<'a>)>);

impl Event {
    /// Describes the event.
    #[must_use]
    pub fn describe(&self) -> Description<'_> {
        let number = |number: u32| Argument::Number(number.into());
        let (by, what) = match self {
            Self::Acted(recorded) => return recorded.describe(),
            Self::DrawOpened { draw, terms, .. } => {
                let what = ("draw-opened", "opened", Some(*draw), arguments_of(terms));
                (Doer::Central, what)
            }
            Self::BatchAccepted(batch) => {
                let arguments =
                    vec![("chunk", number(batch.chunk.0)), ("bets", number(batch.bets))];
                let what = ("batch-accepted", "sent bets of", Some(batch.draw), arguments);
                (Doer::Agency(batch.agency), what)
            }
            Self::AgencyFinished { draw, agency } => {
                let what = ("agency-finished", "finished", Some(*draw), Vec::new());
                (Doer::Agency(*agency), what)
            }
            Self::DrawClosed { draw, bets, set } => {
                let arguments = vec![
                    ("bets", Argument::Number(*bets)),
                    ("set", Argument::Word(set.to_string())),
                ];
                (Doer::Central, ("bets-closed", "closed the bets of", Some(*draw), arguments))
            }
            Self::DrawMade { draw, attempt, number: won } => {
                let arguments =
                    vec![("winning_number", number(*won)), ("attempt", number(*attempt))];
                (Doer::Central, ("draw-made", "made", Some(*draw), arguments))
            }
            Self::DrawPublished { draw } => {
                let verb = "published the winners of";
                (Doer::Central, ("winners-published", verb, Some(*draw), Vec::new()))
            }
        };
        Description::of(what, by, "")
    }
}

impl Event {
    /// Describes the event to those who read the audit log: with the number that an operator
    /// entered, once its draw was made. `draw` is the draw as it is now, read after the event.
    #[must_use]
    pub fn describe_to_readers(&self, at: Timestamp, draw: Option<&DrawStatus>) -> Description<'_> {
        let mut it = self.describe();
        if let Some((_, number)) = self.entered()
            && draw.is_some_and(|draw| draw.tells_entries_of(at))
        {
            it.arguments.push(("number", Argument::Number(number.into())));
        }
        it
    }

    /// Returns the draw and the number, if an operator entered one.
    #[must_use]
    pub fn entered(&self) -> Option<(DrawId, u32)> {
        let Self::Acted(recorded) = self else { return None };
        match recorded.act {
            Act::EnterNumber { draw, number } | Act::CorrectNumber { draw, number } => {
                Some((draw, number))
            }
            _ => None,
        }
    }
}

impl RecordedAct {
    /// Describes the act.
    #[must_use]
    pub fn describe(&self) -> Description<'_> {
        let mut it = Description::of(self.act.what(), Doer::Actor(&self.by), self.why.as_str());
        if let Act::Audited(AuditedAction::LogInFailed(_)) = self.act
            && let Actor::Operator(name) = &self.by
        {
            it.by = Doer::Unknown;
            it.arguments.insert(0, named(name));
        }
        if let Act::Audited(AuditedAction::OnCommandLine(made)) = &self.act {
            it.by = Doer::CommandLine(&made.user);
        }
        it
    }
}

impl<'a> Description<'a> {
    /// Returns the arguments on one line.
    #[must_use]
    pub fn arguments_text(&self) -> String {
        let arguments = self.arguments.iter();
        let arguments = arguments.map(|(name, it)| format!("{} {it}", name.replace('_', " ")));
        arguments.collect::<Vec<_>>().join(", ")
    }

    fn of((action, verb, draw, arguments): What<'a>, by: Doer<'a>, why: &'a str) -> Self {
        Self { action, verb, by, draw, arguments, why }
    }
}

impl Act {
    fn what(&self) -> What<'_> {
        match self {
            Self::Announce { terms, schedule } => {
                ("draw-announced", "announced", None, announced(terms, *schedule))
            }
            Self::Edit { draw, terms, schedule } => {
                let arguments = announced(terms, *schedule);
                ("draw-edited", "edited", Some(*draw), arguments)
            }
            Self::Cancel(draw) => ("draw-cancelled", "cancelled", Some(*draw), Vec::new()),
            Self::Open(draw) => ("draw-opened", "opened", Some(*draw), Vec::new()),
            Self::Reopen { draw, agency } => {
                let arguments = vec![("agency", Argument::Number(agency.0.into()))];
                ("agency-reopened", "reopened an agency in", Some(*draw), arguments)
            }
            Self::Close(draw) => ("draw-closed", "closed", Some(*draw), Vec::new()),
            Self::EnterNumber { draw, .. } => {
                ("number-entered", "entered a number of", Some(*draw), Vec::new())
            }
            Self::CorrectNumber { draw, .. } => {
                ("number-corrected", "corrected their number of", Some(*draw), Vec::new())
            }
            Self::Void(draw) => ("result-voided", "voided the result of", Some(*draw), Vec::new()),
            Self::Publish(draw) => ("draw-published", "published", Some(*draw), Vec::new()),
            Self::Register(Registration { agency, name, place, enabled }) => {
                let arguments = vec![
                    ("agency", Argument::Number(agency.0.into())),
                    ("name", Argument::Text(name.as_str())),
                    ("place", Argument::Text(place.as_str())),
                    ("enabled", Argument::Flag(*enabled)),
                ];
                ("agency-registered", "registered an agency", None, arguments)
            }
            Self::Audited(action) => action.what(),
        }
    }
}

impl AuditedAction {
    fn what(&self) -> What<'_> {
        match self {
            Self::LogIn => ("logged-in", "logged in", None, Vec::new()),
            Self::LogOut => ("logged-out", "logged out", None, Vec::new()),
            Self::LogInFailed(LogInFailed { attempts, address }) => {
                let arguments = vec![
                    ("address", Argument::Word(address.to_string())),
                    ("attempts", Argument::Number((*attempts).into())),
                ];
                ("log-in-failed", "failed to log in as an operator", None, arguments)
            }
            Self::ChangeOperators(change) => change.what(),
            Self::OperatorsNotChanged(change) => {
                let (action, _, _, mut arguments) = change.what();
                arguments.insert(0, ("change", Argument::Word(action.to_owned())));
                let verb = "could not change the operators' file";
                ("operators-not-changed", verb, None, arguments)
            }
            Self::OnCommandLine(CommandLineChange { at, change, .. }) => {
                let mut what = change.what();
                what.3.push(("made_at", Argument::Time(*at)));
                what
            }
            Self::SearchBets(BetsSearch { draw, document, number, agency, after }) => {
                let count = |count: u32| Argument::Number(count.into());
                let mut arguments = Vec::new();
                arguments
                    .extend(document.as_ref().map(|it| ("document", Argument::Text(it.as_str()))));
                arguments.extend(number.map(|it| ("number", count(it))));
                arguments.extend(agency.map(|it| ("agency", count(it.0))));
                arguments.extend((*after > 0).then_some(("after", Argument::Number(*after))));
                ("bets-searched", "searched bets of", Some(*draw), arguments)
            }
            Self::ReadWinners(draw) => {
                let verb = "read, before their publication, the winners of";
                ("winners-read", verb, Some(*draw), Vec::new())
            }
            Self::ExportBets(draw) => {
                ("bets-exported", "exported the bets of", Some(*draw), Vec::new())
            }
        }
    }
}

impl OperatorsChange {
    fn what(&self) -> What<'_> {
        let (action, verb, arguments) = match self {
            Self::Add { name, role } => {
                ("operator-added", "added an operator", vec![named(name), role_of(*role)])
            }
            Self::Disable(name) => ("operator-disabled", "disabled an operator", vec![named(name)]),
            Self::Enable(name) => ("operator-enabled", "enabled an operator", vec![named(name)]),
            Self::ChangePassword(name) => {
                ("password-changed", "changed a password", vec![named(name)])
            }
            Self::GiveToken { role, days, label } => {
                ("token-given", "got a token", token_of(*role, *days, label))
            }
            Self::GiveTokenTo { name, role, days, label } => {
                let mut arguments = token_of(*role, *days, label);
                arguments.insert(0, named(name));
                ("token-given", "gave an operator a token", arguments)
            }
            Self::RevokeToken(number) => {
                let number = ("token", Argument::Number((*number).into()));
                ("token-revoked", "revoked a token", vec![number])
            }
        };
        (action, verb, None, arguments)
    }
}

fn role_of(role: Role) -> (&'static str, Argument<'static>) {
    ("role", Argument::Word(role.as_str().to_owned()))
}

fn token_of(role: Role, days: u32, label: &Label) -> Vec<(&'static str, Argument<'_>)> {
    let days = ("days", Argument::Number(days.into()));
    vec![role_of(role), days, ("label", Argument::Text(label.as_str()))]
}

fn named(name: &Label) -> (&'static str, Argument<'_>) {
    ("name", Argument::Text(name.as_str()))
}

fn announced(terms: &DrawTerms, schedule: Schedule) -> Vec<(&'static str, Argument<'_>)> {
    let mut arguments = arguments_of(terms);
    arguments.extend(schedule.opens_at.map(|at| ("opens_at", Argument::Time(at))));
    arguments.extend(schedule.closes_at.map(|at| ("closes_at", Argument::Time(at))));
    arguments
}

fn arguments_of(terms: &DrawTerms) -> Vec<(&'static str, Argument<'_>)> {
    vec![
        ("name", Argument::Text(terms.name.as_str())),
        ("agencies", Argument::Word(terms.agencies.to_string())),
        ("numbers", Argument::Word(terms.numbers.to_string())),
    ]
}

impl fmt::Display for Doer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Central => f.write_str("the central"),
            Self::Agency(agency) => write!(f, "agency {agency}"),
            Self::Actor(actor) => actor.fmt(f),
            Self::CommandLine(user) => write!(f, "{user} on the command line"),
            Self::Unknown => f.write_str("somebody"),
        }
    }
}

impl fmt::Display for Argument<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Word(word) => f.write_str(word),
            Self::Number(number) => number.fmt(f),
            Self::Flag(is_so) => f.write_str(if *is_so { "yes" } else { "no" }),
            Self::Time(at) => at.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Agencies, DrawName, NumberRange, Reason, SealedNumber};

    #[test]
    fn a_description_has_author_action_draw_arguments_and_reason() {
        let by = Actor::Operator(Label::new("ana").unwrap());
        let why = Reason::new("lo pidió el escribano").unwrap();
        let search = BetsSearch {
            draw: DrawId(3),
            document: None,
            number: Some(7),
            agency: Some(AgencyId(5)),
            after: 0,
        };
        let act = Act::Audited(AuditedAction::SearchBets(search));
        let recorded = RecordedAct::new(by.clone(), why, act);
        let arguments = vec![("number", Argument::Number(7)), ("agency", Argument::Number(5))];
        let expected = Description {
            action: "bets-searched",
            verb: "searched bets of",
            by: Doer::Actor(&by),
            draw: Some(DrawId(3)),
            arguments,
            why: "lo pidió el escribano",
        };
        assert_eq!(recorded.describe(), expected);
        assert_eq!(Event::Acted(Box::new(recorded.clone())).describe(), expected);
    }

    #[test]
    fn descriptions_do_not_reveal_the_number_before_the_draw() {
        let draw = DrawId(3);
        let entry = Act::EnterNumber { draw, number: 7574 };
        let entry = RecordedAct::new(Actor::Clock, Reason::default(), entry);
        let terms = DrawTerms {
            name: DrawName::new("sorteo").unwrap(),
            agencies: Agencies::first(1).unwrap(),
            numbers: NumberRange::default(),
        };
        let opened = Event::DrawOpened { draw, terms, number: SealedNumber(7574) };
        let texts = [entry.describe(), opened.describe()].map(|it| format!("{it:?}"));
        assert!(texts[0].contains("number-entered") && texts[1].contains("draw-opened"));
        assert!(texts.iter().all(|texts| !texts.contains("7574")), "{texts:?}");
    }

    #[test]
    fn a_failed_change_has_an_action_of_its_own() {
        let change = OperatorsChange::RevokeToken(2);
        let made = AuditedAction::ChangeOperators(change.clone());
        let not_made = AuditedAction::OperatorsNotChanged(change);
        let (made, not_made) = (made.what(), not_made.what());
        assert_eq!((made.0, not_made.0), ("token-revoked", "operators-not-changed"));
        let change = ("change", Argument::Word("token-revoked".to_owned()));
        assert_eq!(not_made.3, [&[change], &made.3[..]].concat());
    }
}
