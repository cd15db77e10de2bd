//! What the check `agency_session` doesn't show of the agency's session: why it refuses to send or
//! to go on.

mod support;

use support::*;
use wire::{
    AgencyEvent, AgencyMessage, AgencySession, CentralMessage, Documents, DrawName, ErrorCode,
    FrameError, Mode, PayloadError, ProtocolViolation, SendError, Welcome,
};

const AGENCY: u32 = 7;

fn new(mode: Mode, draw_name: &'static str) -> AgencySession {
    AgencySession::new(mode, AGENCY, DrawName::new(draw_name).expect("short"), 8192)
}

fn unwelcome() -> AgencySession {
    new(Mode::Greeting, "")
}

fn legacy() -> AgencySession {
    new(Mode::Legacy, "")
}

fn greeted() -> AgencySession {
    let mut session = unwelcome();
    feed(&mut session, &encode_central(&[CentralMessage::Welcome(welcome(AGENCY, 8))]));
    assert!(matches!(session.next_event(), Ok(Some(AgencyEvent::Welcomed(_)))));
    session
}

/// The session once it has asked for its winners.
fn asking(mut session: AgencySession) -> AgencySession {
    session.send_get_winners().expect("idle");
    session
}

fn feed(session: &mut AgencySession, bytes: &[u8]) {
    session.space()[..bytes.len()].copy_from_slice(bytes);
    session.filled(bytes.len());
}

fn part(last: bool) -> CentralMessage<'static> {
    CentralMessage::WinnersPart { last, documents: Documents::default() }
}

#[test]
fn send_bets_rejects_any_other_message() {
    let mut session = greeted();
    let before = session.outgoing().len();
    let not_the_batch = Err(SendError::NotTheBatch(1));
    assert_eq!(session.send_bets(1, &bets(AGENCY, 2)), not_the_batch);
    assert_eq!(session.send_bets(1, &bets(AGENCY + 1, 1)), not_the_batch);
    let finish = encode(&AgencyMessage::Finish { agency: AGENCY });
    assert_eq!(session.send_bets(1, &finish), not_the_batch);
    assert_eq!(session.send_bets(1, &[bets(AGENCY, 1), bets(AGENCY, 1)].concat()), not_the_batch);
    assert_eq!(session.outgoing().len(), before);
}

#[test]
fn the_longest_winners_of_the_field_are_read_despite_a_low_limit() {
    let mut session = asking(AgencySession::new(Mode::Legacy, AGENCY, DrawName::default(), 256));
    let documents = Documents::from_text("1".repeat(65_535)).expect("fits");
    let bytes = encode_central(&[CentralMessage::Winners(documents.clone())]);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        assert!(session.wants_input() && session.next_event() == Ok(None));
        assert_eq!(session.is_mid_message(), rest.len() < bytes.len());
        let len = session.space().len().min(rest.len());
        feed(&mut session, &rest[..len]);
        rest = &rest[len..];
    }
    assert_eq!(session.next_event(), Ok(Some(AgencyEvent::Winners { documents, last: true })));
}

/// Checks that `bytes` end the session with this violation, after the events that may be before it.
fn assert_violation(mut session: AgencySession, bytes: &[u8], expected: ProtocolViolation) {
    feed(&mut session, bytes);
    let found = std::iter::from_fn(|| session.next_event().transpose()).find_map(Result::err);
    assert_eq!(found, Some(expected));
    assert!(session.is_over() && !session.wants_input() && session.can_send() == 0);
    assert_eq!(session.next_event(), Ok(None));
    assert_eq!(session.send_get_winners(), Err(SendError::NotNow));
}

#[test]
fn whatever_answers_nothing_that_was_asked_is_a_violation() {
    let violates = |session, messages: &[CentralMessage<'_>], expected| {
        assert_violation(session, &encode_central(messages), expected);
    };
    let two_in_flight = || {
        let mut session = greeted();
        session.send_bets(0, &bets(AGENCY, 0)).expect("the window is open");
        session.send_bets(1, &bets(AGENCY, 1)).expect("the window is open");
        session
    };
    let other = |message, chunk| ProtocolViolation::OtherChunk { message, chunk };
    violates(two_in_flight(), &[ack(9)], other("BETS_ACK", 9));
    violates(two_in_flight(), &[ack(1)], other("BETS_ACK", 1));
    violates(two_in_flight(), &[ack(0), ack(0)], other("BETS_ACK", 0));
    let error = CentralMessage::Error(of_chunk(ErrorCode::BadBets, 1));
    violates(two_in_flight(), &[error], other("ERROR", 1));

    let other = |message| ProtocolViolation::OtherAgency { message, agency: 8 };
    let mut finished = legacy();
    finished.send_finish().expect("idle");
    violates(finished, &[CentralMessage::FinishAck { agency: 8 }], other("FINISH_ACK"));
    violates(unwelcome(), &[CentralMessage::Welcome(welcome(8, 1))], other("WELCOME"));

    let unasked = ProtocolViolation::Unasked;
    let welcome = CentralMessage::Welcome(welcome(AGENCY, 1));
    let finish_ack = CentralMessage::FinishAck { agency: AGENCY };
    let winners = CentralMessage::Winners(Documents::default());
    violates(unwelcome(), &[ack(0)], unasked("BETS_ACK"));
    violates(legacy(), &[ack(0)], unasked("BETS_ACK"));
    violates(legacy(), &[CentralMessage::NoWinners], unasked("NO_WINNERS"));
    violates(greeted(), &[finish_ack], unasked("FINISH_ACK"));
    violates(greeted(), std::slice::from_ref(&welcome), unasked("WELCOME"));
    violates(legacy(), &[welcome], unasked("WELCOME"));
    violates(asking(greeted()), &[winners], unasked("WINNERS"));
    violates(asking(legacy()), &[part(true)], unasked("WINNERS_PART"));
    violates(asking(greeted()), &[part(true), part(true)], unasked("WINNERS_PART"));
    let halfway = [part(false), CentralMessage::NoWinners];
    violates(asking(greeted()), &halfway, unasked("NO_WINNERS"));
}

#[test]
fn what_is_invalid_is_a_violation() {
    let good = || welcome(AGENCY, 1);
    for (draw_name, welcome, impossible) in [
        ("", Welcome { version: 0, ..good() }, "version"),
        ("", Welcome { version: 2, ..good() }, "version"),
        ("", Welcome { window: 0, ..good() }, "window"),
        ("", Welcome { frame_len_max: 255, ..good() }, "length limit"),
        ("N9", good(), "draw"),
    ] {
        let bytes = encode_central(&[CentralMessage::Welcome(welcome)]);
        let expected = ProtocolViolation::BadWelcome(impossible);
        assert_violation(new(Mode::Greeting, draw_name), &bytes, expected);
    }
    assert_violation(legacy(), &[0, 12], FrameError::UnknownId(12).into());
    let malformed = PayloadError::Malformed("WINNERS_PART");
    assert_violation(greeted(), &[0, 21, 0, 0], malformed.into());
}
