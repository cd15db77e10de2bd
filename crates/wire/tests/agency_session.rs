//! Tests of the agency's session.

mod support;

use support::*;
use wire::{
    AgencyEvent, AgencyMessage, AgencySession, CentralMessage, Documents, DrawName, ErrorCode,
    FrameError, Mode, PayloadError, ProtocolViolation, SendError,
};

const AGENCY: u32 = 7;

fn legacy() -> AgencySession {
    AgencySession::new(Mode::Legacy, AGENCY, DrawName::default(), 8192)
}

/// A session that was welcomed with `window` and has sent nothing else.
fn greeted(window: u16) -> AgencySession {
    let mut session = AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 8192);
    session.sent(session.outgoing().len());
    hear(&mut session, &[CentralMessage::Welcome(welcome(AGENCY, window))]);
    assert!(matches!(events(&mut session)[..], [AgencyEvent::Welcomed(_)]));
    session
}

fn hear(session: &mut AgencySession, messages: &[CentralMessage<'_>]) {
    feed_agency(session, &encode_central(messages));
}

fn part(last: bool, documents: &'static str) -> CentralMessage<'static> {
    let documents = Documents::from_text(documents).expect("short");
    CentralMessage::WinnersPart { last, documents }
}

/// Returns the violation that `messages` cause; checks that it ends the session.
fn violation(mut session: AgencySession, messages: &[CentralMessage<'_>]) -> ProtocolViolation {
    hear(&mut session, messages);
    loop {
        match session.next_event() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the session lives with it"),
            Err(violation) => {
                assert!(session.is_over() && !session.wants_input() && session.can_send() == 0);
                assert_eq!(session.next_event(), Ok(None));
                assert_eq!(session.send_get_winners(), Err(SendError::NotNow));
                return violation;
            }
        }
    }
}

#[test]
fn hello_is_sent_first() {
    let draw_name = DrawName::new("N8").expect("short");
    let session = AgencySession::new(Mode::Greeting, AGENCY, draw_name, 8192);
    let messages = agency_messages(session.outgoing());
    let [AgencyMessage::Hello(hello)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((hello.version, hello.agency, hello.draw_name.as_str()), (1, AGENCY, "N8"));
    assert!(legacy().outgoing().is_empty());
}

#[test]
fn nothing_can_be_sent_before_welcome() {
    let mut session = AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 8192);
    assert_eq!(session.can_send(), 0);
    assert_eq!(session.send_bets(0, &bets(AGENCY, 0)), Err(SendError::NotNow));
    assert_eq!(session.send_finish(), Err(SendError::NotNow));
    assert_eq!(session.send_get_winners(), Err(SendError::NotNow));
}

#[test]
fn chunks_are_sent_up_to_the_window() {
    let mut session = greeted(3);
    assert_eq!(session.can_send(), 3);
    for chunk in 0..3 {
        assert_eq!(session.send_bets(chunk, &bets(AGENCY, chunk)), Ok(()));
    }
    assert_eq!(session.send_bets(3, &bets(AGENCY, 3)), Err(SendError::NotNow));
    assert_eq!(session.in_flight().collect::<Vec<_>>(), [0, 1, 2]);
    hear(&mut session, &[ack(0)]);
    assert_eq!(events(&mut session), [AgencyEvent::Acknowledged { chunk: 0 }]);
    assert_eq!((session.can_send(), session.in_flight().count()), (1, 2));
    assert_eq!(agency_messages(session.outgoing()).len(), 3);
}

#[test]
fn the_fields_protocol_allows_one_request_at_a_time() {
    let mut session = legacy();
    assert_eq!(session.can_send(), 1);
    session.send_bets(4, &bets(AGENCY, 4)).expect("the first");
    assert_eq!(session.can_send(), 0);
    hear(&mut session, &[ack(4)]);
    assert_eq!(events(&mut session), [AgencyEvent::Acknowledged { chunk: 4 }]);
    session.send_finish().expect("nothing is in flight");
    hear(&mut session, &[CentralMessage::FinishAck { agency: AGENCY }]);
    assert_eq!(events(&mut session), [AgencyEvent::Finished]);
    session.send_get_winners().expect("nothing is in flight");
    let documents = Documents::join(["1", "2"]).expect("short");
    hear(&mut session, &[CentralMessage::Winners(documents.clone())]);
    assert_eq!(events(&mut session), [AgencyEvent::Winners { documents, last: true }]);
    assert!(!session.awaits_reply() && !session.is_over());
}

#[test]
fn finish_waits_until_every_chunk_is_answered_and_ends_the_bets() {
    let mut session = greeted(8);
    session.send_bets(0, &bets(AGENCY, 0)).expect("the window is open");
    assert_eq!(session.send_finish(), Err(SendError::NotNow));
    assert_eq!(session.send_get_winners(), Err(SendError::NotNow));
    hear(&mut session, &[ack(0)]);
    events(&mut session);
    assert_eq!(session.send_finish(), Ok(()));
    assert_eq!(session.send_finish(), Err(SendError::NotNow));
    hear(&mut session, &[CentralMessage::FinishAck { agency: AGENCY }]);
    assert_eq!(events(&mut session), [AgencyEvent::Finished]);
    assert_eq!(session.can_send(), 0);
    assert_eq!(session.send_get_winners(), Ok(()));
}

#[test]
fn no_bets_are_sent_while_winners_are_awaited() {
    let mut session = greeted(8);
    session.send_get_winners().expect("idle");
    assert_eq!((session.can_send(), session.awaits_reply()), (0, true));
    hear(&mut session, &[CentralMessage::NoWinners]);
    assert_eq!(events(&mut session), [AgencyEvent::NoWinners]);
    assert_eq!((session.can_send(), session.awaits_reply()), (8, false));
}

#[test]
fn send_bets_rejects_any_other_message() {
    let mut session = greeted(8);
    session.send_bets(0, &bets(AGENCY, 0)).expect("the window is open");
    let before = session.outgoing().len();
    assert_eq!(session.send_bets(0, &bets(AGENCY, 0)), Err(SendError::InFlight(0)));
    let not_the_batch = Err(SendError::NotTheBatch(1));
    assert_eq!(session.send_bets(1, &bets(AGENCY, 2)), not_the_batch);
    assert_eq!(session.send_bets(1, &bets(AGENCY + 1, 1)), not_the_batch);
    assert_eq!(session.send_bets(1, &finish(1)), not_the_batch);
    assert_eq!(session.send_bets(1, &[bets(AGENCY, 1), bets(AGENCY, 1)].concat()), not_the_batch);
    assert_eq!(session.outgoing().len(), before);
}

#[test]
fn the_lower_of_both_length_limits_applies() {
    let welcomed = |frame_len_max| {
        let mut session = AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 300);
        let welcome = wire::Welcome { frame_len_max, ..welcome(AGENCY, 1) };
        hear(&mut session, &[CentralMessage::Welcome(welcome)]);
        events(&mut session);
        session
    };
    assert_eq!(welcomed(8192).frame_len_max(), 300);
    let mut session = welcomed(256);
    let text = [b'x'; 250];
    let long = wire::BetsFrame { agency: AGENCY, chunk: 0, bets: Some(&text) };
    let too_long = Err(SendError::TooLong { len: 258, max: 256 });
    assert_eq!(session.send_bets(0, &encode(&AgencyMessage::Bets(long))), too_long);
}

#[test]
fn a_refused_chunk_leaves_the_others_in_flight() {
    let mut session = greeted(8);
    for chunk in 0..3 {
        session.send_bets(chunk, &bets(AGENCY, chunk)).expect("the window is open");
    }
    let error = of_chunk(ErrorCode::BadBets, 1);
    hear(&mut session, &[ack(0), CentralMessage::Error(error.clone()), ack(2)]);
    let expected = [
        AgencyEvent::Acknowledged { chunk: 0 },
        AgencyEvent::Refused { error, goes_on: true },
        AgencyEvent::Acknowledged { chunk: 2 },
    ];
    assert_eq!(events(&mut session), expected);
    assert!(!session.is_over() && session.can_send() == 8);
}

#[test]
fn a_refusal_without_a_chunk_ends_the_session_in_any_state() {
    let mut unwelcome = AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 8192);
    unwelcome.sent(unwelcome.outgoing().len());
    let mut halfway = greeted(8);
    halfway.send_get_winners().expect("idle");
    hear(&mut halfway, &[part(false, "1")]);
    events(&mut halfway);
    for mut session in [unwelcome, halfway, greeted(1), legacy()] {
        let error = closing(ErrorCode::ShuttingDown);
        hear(&mut session, &[CentralMessage::Error(error.clone()), ack(3)]);
        assert_eq!(events(&mut session), [AgencyEvent::Refused { error, goes_on: false }]);
        assert!(session.is_over() && !session.wants_input());
    }
}

#[test]
fn any_refusal_ends_a_session_without_hello() {
    let mut session = legacy();
    session.send_bets(3, &bets(AGENCY, 3)).expect("the first");
    let error = of_chunk(ErrorCode::BadBets, 3);
    hear(&mut session, &[CentralMessage::Error(error.clone())]);
    assert_eq!(events(&mut session), [AgencyEvent::Refused { error, goes_on: false }]);
    assert!(session.is_over() && session.in_flight().eq([3]));
}

#[test]
fn winners_come_in_parts_until_the_last() {
    let mut session = greeted(8);
    session.send_get_winners().expect("idle");
    hear(&mut session, &[part(false, "1,2"), part(false, "3")]);
    let documents = events(&mut session).into_iter().map(|event| match event {
        AgencyEvent::Winners { documents, last: false } => documents.text().to_owned(),
        other => panic!("{other:?}"),
    });
    assert_eq!(documents.collect::<Vec<_>>(), ["1,2", "3"]);
    assert!(session.awaits_reply() && session.can_send() == 0);
    hear(&mut session, &[part(true, "")]);
    let documents = Documents::default();
    assert_eq!(events(&mut session), [AgencyEvent::Winners { documents, last: true }]);
    assert!(!session.awaits_reply());
}

#[test]
fn the_longest_winners_of_the_field_are_read_despite_a_low_limit() {
    let mut session = AgencySession::new(Mode::Legacy, AGENCY, DrawName::default(), 256);
    session.send_get_winners().expect("idle");
    let documents = Documents::from_text("1".repeat(65_535)).expect("fits");
    let bytes = encode_central(&[CentralMessage::Winners(documents.clone())]);
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        assert!(session.wants_input() && session.next_event() == Ok(None));
        let len = session.space().len().min(rest.len());
        feed_agency(&mut session, &rest[..len]);
        rest = &rest[len..];
    }
    assert_eq!(events(&mut session), [AgencyEvent::Winners { documents, last: true }]);
}

#[test]
fn acknowledging_another_chunk_than_the_oldest_is_a_violation() {
    let other = |message, chunk| ProtocolViolation::OtherChunk { message, chunk };
    let two_in_flight = || {
        let mut session = greeted(8);
        session.send_bets(0, &bets(AGENCY, 0)).expect("the window is open");
        session.send_bets(1, &bets(AGENCY, 1)).expect("the window is open");
        session
    };
    assert_eq!(violation(two_in_flight(), &[ack(9)]), other("BETS_ACK", 9));
    assert_eq!(violation(two_in_flight(), &[ack(1)]), other("BETS_ACK", 1));
    assert_eq!(violation(two_in_flight(), &[ack(0), ack(0)]), other("BETS_ACK", 0));
    let error = CentralMessage::Error(of_chunk(ErrorCode::BadBets, 1));
    assert_eq!(violation(two_in_flight(), &[error]), other("ERROR", 1));
}

#[test]
fn answers_without_a_request_are_violations() {
    let unasked = ProtocolViolation::Unasked;
    let unwelcome = || AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 8192);
    assert_eq!(violation(unwelcome(), &[ack(0)]), unasked("BETS_ACK"));
    assert_eq!(violation(legacy(), &[ack(0)]), unasked("BETS_ACK"));
    assert_eq!(violation(legacy(), &[CentralMessage::NoWinners]), unasked("NO_WINNERS"));
    let finish_ack = CentralMessage::FinishAck { agency: AGENCY };
    assert_eq!(violation(greeted(1), &[finish_ack]), unasked("FINISH_ACK"));
    let welcome = CentralMessage::Welcome(welcome(AGENCY, 1));
    assert_eq!(violation(greeted(1), std::slice::from_ref(&welcome)), unasked("WELCOME"));
    assert_eq!(violation(legacy(), &[welcome]), unasked("WELCOME"));
}

#[test]
fn winners_of_the_other_mode_or_after_the_last_are_violations() {
    let unasked = ProtocolViolation::Unasked;
    let asked = |mut session: AgencySession| {
        session.send_get_winners().expect("idle");
        session
    };
    let winners = CentralMessage::Winners(Documents::default());
    assert_eq!(violation(asked(greeted(1)), &[winners]), unasked("WINNERS"));
    assert_eq!(violation(asked(legacy()), &[part(true, "")]), unasked("WINNERS_PART"));
    let after_the_last = [part(true, ""), part(true, "")];
    assert_eq!(violation(asked(greeted(1)), &after_the_last), unasked("WINNERS_PART"));
    let halfway = [part(false, "1"), CentralMessage::NoWinners];
    assert_eq!(violation(asked(greeted(1)), &halfway), unasked("NO_WINNERS"));
}

#[test]
fn answers_for_another_agency_are_violations() {
    let other = |message| ProtocolViolation::OtherAgency { message, agency: 8 };
    let mut finished = legacy();
    finished.send_finish().expect("idle");
    let finish_ack = CentralMessage::FinishAck { agency: 8 };
    assert_eq!(violation(finished, &[finish_ack]), other("FINISH_ACK"));
    let unwelcome = AgencySession::new(Mode::Greeting, AGENCY, DrawName::default(), 8192);
    let welcome = CentralMessage::Welcome(welcome(8, 1));
    assert_eq!(violation(unwelcome, &[welcome]), other("WELCOME"));
}

#[test]
fn an_invalid_welcome_is_a_violation() {
    let unwelcome = |draw_name| {
        let draw_name = DrawName::new(draw_name).expect("short");
        AgencySession::new(Mode::Greeting, AGENCY, draw_name, 8192)
    };
    let impossible =
        |draw_name, welcome| violation(unwelcome(draw_name), &[CentralMessage::Welcome(welcome)]);
    let good = || welcome(AGENCY, 1);
    let bad = ProtocolViolation::BadWelcome;
    assert_eq!(impossible("", wire::Welcome { version: 0, ..good() }), bad("version"));
    assert_eq!(impossible("", wire::Welcome { version: 2, ..good() }), bad("version"));
    assert_eq!(impossible("", wire::Welcome { window: 0, ..good() }), bad("window"));
    let short = wire::Welcome { frame_len_max: 255, ..good() };
    assert_eq!(impossible("", short), bad("length limit"));
    assert_eq!(impossible("N9", good()), bad("draw"));
}

#[test]
fn invalid_messages_are_violations() {
    let mut session = legacy();
    feed_agency(&mut session, &[0, 12]);
    assert_eq!(session.next_event(), Err(FrameError::UnknownId(12).into()));
    assert!(session.is_over());
    let mut session = greeted(1);
    feed_agency(&mut session, &[0, 21, 0, 0]);
    assert_eq!(session.next_event(), Err(PayloadError::Malformed("WINNERS_PART").into()));
    assert!(session.is_over());
}

#[test]
fn an_offered_window_is_used_up_to_the_limit() {
    assert_eq!(greeted(u16::MAX).can_send(), 1024);
}

#[test]
fn an_incomplete_message_is_reported() {
    let mut session = legacy();
    assert!(!session.is_mid_message() && session.wants_input());
    feed_agency(&mut session, &[0]);
    assert_eq!(session.next_event(), Ok(None));
    assert!(session.is_mid_message() && session.wants_input());
}
