//! The body of an act (kind 6).
//!
//! Head: u32 draw (0: none), u32 act, u32 number or agency (0: none), u32 enabled (0 or 1).
//!
//! Tail: u64 version of the operators' file (0: no permission needed), author (empty: the clock; a
//! token's owner, number and label are separated by tabs), reason, then what the act needs. A text
//! is u16 length, then UTF-8; a time is u64 milliseconds since 1970 (0: none).
//!
//! | act | what | tail, behind version, who and why |
//! |---|---|---|
//! | 1 | a draw is announced | name; opening, close; u32 smallest, largest number; ranges |
//! | 2 | it is opened | |
//! | 3 | it is closed | |
//! | 4 | an operator entered the number | |
//! | 5 | its winners are published | |
//! | 6 | an agency is registered | name, place |
//! | 7 to 17 | what operators do besides leading draws | see [`audited`] |
//! | 18 | it is edited before it opens | as of 1 |
//! | 19 | it is cancelled before it opens | |
//! | 20 | an agency that finished is reopened in it | |
//! | 21 | an operator corrected the number that they entered | |
//! | 22 | an operator voided its result | |
//! | 23 | log-ins as an operator failed | see [`audited`] |
//! | 24 | a token is given to an operator | see [`audited`] |
//! | 25 | operators were changed on the command line | see [`audited`] |
//!
//! A range of agencies is u32 first, u32 last. Acts are frozen; new ones get new numbers, and a
//! feature: 18 to 22 have feature 1, 23 has feature 2, 24 and 25 have feature 3, and those that
//! name the role 5 have feature 4.

use std::borrow::Cow;

use lottery::{
    Act, Actor, AgencyId, DrawId, DrawName, DrawTerms, Label, NumberRange, Reason, RecordedAct,
    Registration, Schedule, Timestamp,
};

use super::{SHORT, audited};
use super::{u32_at, u64_at};

const ANNOUNCE: u32 = 1;
const OPEN: u32 = 2;
const CLOSE: u32 = 3;
const ENTER_NUMBER: u32 = 4;
const PUBLISH: u32 = 5;
const REGISTER: u32 = 6;
const EDIT: u32 = 18;
const CANCEL: u32 = 19;
const REOPEN: u32 = 20;
const CORRECT_NUMBER: u32 = 21;
const VOID: u32 = 22;

pub(super) fn encode(recorded: &RecordedAct) -> ([u32; 4], Vec<u8>) {
    let mut tail = Vec::new();
    tail.extend_from_slice(&recorded.operators.to_le_bytes());
    put_text(&mut tail, &who(&recorded.by));
    put_text(&mut tail, recorded.why.as_str());
    let head = match &recorded.act {
        Act::Announce { terms, schedule } => {
            put_announcement(&mut tail, terms, *schedule);
            [0, ANNOUNCE, 0, 0]
        }
        Act::Edit { draw, terms, schedule } => {
            put_announcement(&mut tail, terms, *schedule);
            [draw.0, EDIT, 0, 0]
        }
        Act::Cancel(draw) => [draw.0, CANCEL, 0, 0],
        Act::Reopen { draw, agency } => [draw.0, REOPEN, agency.0, 0],
        Act::CorrectNumber { draw, number } => [draw.0, CORRECT_NUMBER, *number, 0],
        Act::Void(draw) => [draw.0, VOID, 0, 0],
        Act::Open(draw) => [draw.0, OPEN, 0, 0],
        Act::Close(draw) => [draw.0, CLOSE, 0, 0],
        Act::EnterNumber { draw, number } => [draw.0, ENTER_NUMBER, *number, 0],
        Act::Publish(draw) => [draw.0, PUBLISH, 0, 0],
        Act::Register(registration) => {
            put_text(&mut tail, registration.name.as_str());
            put_text(&mut tail, registration.place.as_str());
            [0, REGISTER, registration.agency.0, u32::from(registration.enabled)]
        }
        Act::Audited(action) => audited::encode(action, &mut tail),
    };
    (head, tail)
}

pub(super) fn decode(head: &[u8], tail: &[u8]) -> Result<RecordedAct, &'static str> {
    let head: &[u8; 16] = head.try_into().map_err(|_| super::WRONG_LENGTH)?;
    let (draw, act) = (DrawId(u32_at(head, 0)), u32_at(head, 4));
    let (operand, enabled) = (u32_at(head, 8), u32_at(head, 12));
    let mut tail = Tail(tail);
    let operators = tail.long()?;
    let by = actor(tail.text()?)?;
    let why = reason(tail.text()?)?;
    let mut expected = [draw.0, act, 0, 0];
    let act = match act {
        ANNOUNCE => {
            expected[0] = 0;
            let (terms, schedule) = announcement(&mut tail)?;
            Act::Announce { terms, schedule }
        }
        EDIT => {
            let (terms, schedule) = announcement(&mut tail)?;
            Act::Edit { draw, terms, schedule }
        }
        CANCEL => Act::Cancel(draw),
        REOPEN => {
            expected[2] = operand;
            Act::Reopen { draw, agency: AgencyId(operand) }
        }
        CORRECT_NUMBER => {
            expected[2] = operand;
            Act::CorrectNumber { draw, number: operand }
        }
        VOID => Act::Void(draw),
        OPEN => Act::Open(draw),
        CLOSE => Act::Close(draw),
        ENTER_NUMBER => {
            expected[2] = operand;
            Act::EnterNumber { draw, number: operand }
        }
        PUBLISH => Act::Publish(draw),
        REGISTER => {
            expected = [0, act, operand, enabled & 1];
            let (name, place) = (label(tail.text()?)?, label(tail.text()?)?);
            let agency = AgencyId(operand);
            Act::Register(Registration { agency, name, place, enabled: enabled == 1 })
        }
        act => {
            let action = audited::decode(act, draw, enabled == 1, &mut tail)?;
            expected = audited::encode(&action, &mut Vec::new());
            Act::Audited(action)
        }
    };
    if [draw.0, expected[1], operand, enabled] != expected {
        return Err("an act with something that it has no place for");
    }
    if tail.0.is_empty() {
        Ok(RecordedAct { by, operators, why, act })
    } else {
        Err(super::WRONG_LENGTH)
    }
}

/// Encodes the author as a text. No label contains a tab.
fn who(by: &Actor) -> Cow<'_, str> {
    match by {
        Actor::Clock => "".into(),
        Actor::Operator(name) => name.as_str().into(),
        Actor::Token { owner, number, label } => format!("{owner}\t{number}\t{label}").into(),
    }
}

fn actor(who: &str) -> Result<Actor, &'static str> {
    if who.is_empty() {
        return Ok(Actor::Clock);
    }
    let Some((owner, token)) = who.split_once('\t') else {
        return Ok(Actor::Operator(label(who)?));
    };
    let (number, name) = token.split_once('\t').ok_or("an act by half a token")?;
    let parsed: u32 = number.parse().map_err(|_| "an act by a token without a number")?;
    if parsed.to_string() != number {
        return Err("an act by a token with a padded number");
    }
    Ok(Actor::Token { owner: label(owner)?, number: parsed, label: label(name)? })
}

fn put_announcement(tail: &mut Vec<u8>, terms: &DrawTerms, schedule: Schedule) {
    put_text(tail, terms.name.as_str());
    for at in [schedule.opens_at, schedule.closes_at] {
        tail.extend_from_slice(&at.map_or(0, |at| at.0).to_le_bytes());
    }
    let numbers = [terms.numbers.min(), terms.numbers.max()];
    let ranges = terms.agencies.ranges().iter().flat_map(|&(first, last)| [first, last]);
    numbers.into_iter().chain(ranges).for_each(|it| tail.extend_from_slice(&it.to_le_bytes()));
}

fn announcement(tail: &mut Tail<'_>) -> Result<(DrawTerms, Schedule), &'static str> {
    let name = DrawName::stored(tail.text()?).ok_or("a draw's name that is not one")?;
    let times = tail.take(16)?;
    let time = |at| Some(u64_at(times, at)).filter(|ms| *ms > 0).map(Timestamp);
    let schedule = Schedule { opens_at: time(0), closes_at: time(8) };
    let range = tail.take(8)?;
    let numbers = NumberRange::new(u32_at(range, 0), u32_at(range, 4))
        .map_err(|_| "a range of numbers that runs backwards")?;
    let agencies = super::agencies(std::mem::take(&mut tail.0))?;
    Ok((DrawTerms { name, agencies, numbers }, schedule))
}

pub(super) fn put_text(tail: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("labels and reasons are short");
    tail.extend_from_slice(&len.to_le_bytes());
    tail.extend_from_slice(text.as_bytes());
}

pub(super) fn label(text: &str) -> Result<Label, &'static str> {
    Label::stored(text).ok_or("an act with a name that is not one")
}

fn reason(text: &str) -> Result<Reason, &'static str> {
    Reason::stored(text).ok_or("an act with a reason that is not one")
}

/// The unread rest of a tail.
pub(super) struct Tail<'a>(pub(super) &'a [u8]);

impl<'a> Tail<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(SHORT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn integer(&mut self) -> Result<u32, &'static str> {
        self.take(4).map(|bytes| u32_at(bytes, 0))
    }

    pub(super) fn long(&mut self) -> Result<u64, &'static str> {
        self.take(8).map(|bytes| u64_at(bytes, 0))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, &'static str> {
        let len = self.take(2)?;
        let text = self.take(usize::from(u16::from_le_bytes([len[0], len[1]])))?;
        std::str::from_utf8(text).map_err(|_| "a text that is not UTF-8")
    }
}

#[cfg(test)]
pub(super) fn examples() -> Vec<RecordedAct> {
    use lottery::Agencies;

    let draw = DrawId(3);
    let label = |text: &str| Label::new(text).unwrap();
    let terms = DrawTerms {
        name: DrawName::new("Quiniela ñ").unwrap(),
        agencies: Agencies::from_ranges(vec![(1, 5), (7, 7)]).unwrap(),
        numbers: NumberRange::new(1, 99_999).unwrap(),
    };
    let schedule = Schedule { opens_at: None, closes_at: Some(Timestamp(1_724_278_275_000)) };
    let (name, place) = (label("La Ñata"), label("Goya"));
    let registration = Registration { agency: AgencyId(7), name, place, enabled: true };
    let acts = [
        Act::Announce { terms: terms.clone(), schedule },
        Act::Open(draw),
        Act::Close(draw),
        Act::EnterNumber { draw, number: 7574 },
        Act::Publish(draw),
        Act::Register(registration),
        Act::Edit { draw, terms, schedule },
        Act::Cancel(draw),
        Act::Reopen { draw, agency: AgencyId(7) },
        Act::CorrectNumber { draw, number: 7574 },
        Act::Void(draw),
    ];
    let audited = audited::examples().into_iter().map(Act::Audited);
    let by_ana = acts.into_iter().chain(audited).map(|act| {
        let why = Reason::new("es la hora").unwrap();
        RecordedAct { operators: 258, ..RecordedAct::new(Actor::Operator(label("ana")), why, act) }
    });
    let by_the_clock = RecordedAct::new(Actor::Clock, Reason::default(), Act::Close(DrawId(1)));
    let by = Actor::Token { owner: label("ana"), number: 12, label: label("robot ñ") };
    let by_a_program = RecordedAct::new(by, Reason::default(), Act::Open(draw));
    by_ana.chain([by_the_clock, by_a_program]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_entered_number_are_frozen() {
        let (head, tail) = encode(&examples()[3]);
        assert_eq!(head, [3, 4, 7574, 0]);
        assert_eq!(tail, b"\x02\x01\0\0\0\0\0\0\x03\0ana\x0a\0es la hora");
    }

    #[test]
    fn the_bytes_of_a_token_as_author_are_frozen() {
        let (head, tail) = encode(examples().last().unwrap());
        assert_eq!(head, [3, 2, 0, 0]);
        assert_eq!(tail, "\0\0\0\0\0\0\0\0\x0f\0ana\t12\trobot ñ\0\0".as_bytes());
        for who in
            ["ana\t12", "ana\t012\trobot", "ana\t-1\trobot", "ana\t1\t", "\t1\ta", "a\t1\tb\t"]
        {
            assert!(actor(who).is_err(), "{who:?}");
        }
    }

    #[test]
    fn acts_with_invalid_integers_are_refused() {
        for recorded in examples() {
            let (integers, tail) = encode(&recorded);
            let head_of = |integers: [u32; 4]| integers.map(u32::to_le_bytes).concat();
            assert_eq!(decode(&head_of(integers), &tail), Ok(recorded.clone()));
            for (at, value) in [(1, 99), (3, 2)] {
                let mut other = integers;
                other[at] = value;
                assert!(decode(&head_of(other), &tail).is_err(), "{recorded:?}");
            }
        }
    }
}
