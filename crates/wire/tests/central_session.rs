//! Tests of the central's session.

mod support;

use support::*;
use wire::limits::OUTGOING_LEN_MAX;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, ErrorCode, FrameError, RequestError,
    SessionLimits, Ticket,
};

fn session(window: u16) -> CentralSession {
    CentralSession::new(SessionLimits::new(8192, window).expect("in range"))
}

fn greeted(agency: u32, window: u16) -> CentralSession {
    let mut session = session(window);
    feed(&mut session, &hello(agency));
    let ticket = ticket(&mut session);
    session.greet(ticket, welcome(agency, window));
    assert_eq!(gist(&sent(&mut session)), ["WELCOME"]);
    session
}

fn ticket(session: &mut CentralSession) -> Ticket {
    session.next_request().expect("not refused").expect("a request").0
}

fn nothing_to_take(session: &mut CentralSession) -> bool {
    matches!(session.next_request(), Ok(None))
}

fn refused(session: &mut CentralSession) -> RequestError {
    session.next_request().expect_err("refused")
}

#[test]
fn an_agency_of_the_field_is_served_step_by_step() {
    let mut session = session(1);
    feed(&mut session, &bets(1, 0));
    let bets_ticket = ticket(&mut session);
    session.reply(bets_ticket, &ack(0));
    feed(&mut session, &finish(1));
    let finish_ticket = ticket(&mut session);
    session.reply(finish_ticket, &CentralMessage::FinishAck { agency: 1 });
    feed(&mut session, &get_winners(1));
    let winners_ticket = ticket(&mut session);
    let documents = Documents::join(["1", "2"]).expect("short");
    session.reply(winners_ticket, &CentralMessage::Winners(documents));
    assert_eq!(session.identity(), None);
    assert_eq!(gist(&sent(&mut session)), ["ack 0", "FINISH_ACK", "WINNERS"]);
    assert!(!session.is_closed());
}

#[test]
fn a_connection_without_hello_can_serve_many_agencies() {
    let mut session = session(4);
    feed(&mut session, &[bets(1, 0), bets(2, 0), finish(3)].concat());
    assert!((0..3).all(|_| session.next_request().expect("not refused").is_some()));
}

#[test]
fn replies_leave_in_the_order_of_requests() {
    let mut session = greeted(1, 4);
    feed(&mut session, &[bets(1, 0), bets(1, 1), bets(1, 2), finish(1)].concat());
    let [first, second, third, last] = std::array::from_fn(|_| ticket(&mut session));
    session.reply(last, &CentralMessage::FinishAck { agency: 1 });
    session.refuse(third, of_chunk(ErrorCode::BadBets, 2));
    assert!(session.outgoing().is_empty() && session.is_head(&first) && !session.is_head(&second));
    session.reply(first, &ack(0));
    assert!(session.is_head(&second));
    assert_eq!((gist(&sent(&mut session)), session.unanswered()), (vec!["ack 0".to_owned()], 3));
    session.reply(second, &ack(1));
    assert_eq!(gist(&sent(&mut session)), ["ack 1", "BadBets of 2", "FINISH_ACK"]);
    assert_eq!(session.unanswered(), 0);
}

#[test]
fn requests_are_held_back_while_the_window_is_full() {
    let mut session = session(2);
    feed(&mut session, &[bets(1, 0), bets(1, 1), bets(1, 2)].concat());
    let first = ticket(&mut session);
    assert!(!session.wants_input(), "a whole request waits to be taken");
    let second = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && !session.wants_input());
    session.reply(second, &ack(1));
    assert!(nothing_to_take(&mut session), "the first reply still holds the second back");
    session.reply(first, &ack(0));
    let third = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && session.wants_input());
    session.reply(third, &ack(2));
    assert_eq!(gist(&sent(&mut session)), ["ack 0", "ack 1", "ack 2"]);
}

#[test]
fn requests_are_held_back_while_replies_are_not_sent() {
    let mut session = session(32);
    let mut served = 0;
    for chunk in 0.. {
        if !session.wants_input() {
            break;
        }
        feed(&mut session, &bets(1, chunk));
        let ticket = ticket(&mut session);
        session.reply(ticket, &ack(chunk));
        served += 1;
    }
    assert_eq!(served, OUTGOING_LEN_MAX.div_ceil(6));
    session.sent(6);
    assert!(session.wants_input());
}

#[test]
fn nothing_is_taken_while_hello_is_unanswered() {
    let mut session = session(8);
    feed(&mut session, &[hello(7), bets(7, 0)].concat());
    let hello_ticket = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && !session.wants_input());
    assert_eq!(session.identity(), None);
    session.greet(hello_ticket, welcome(7, 8));
    assert_eq!(session.identity(), Some(7));
    assert!(matches!(session.next_request(), Ok(Some((_, AgencyMessage::Bets(_))))));
}

#[test]
fn hello_is_refused_after_any_other_message() {
    for mut session in [greeted(7, 8), {
        let mut session = session(8);
        feed(&mut session, &finish(7));
        let ticket = ticket(&mut session);
        session.reply(ticket, &CentralMessage::FinishAck { agency: 7 });
        sent(&mut session);
        session
    }] {
        feed(&mut session, &[hello(7), finish(7)].concat());
        assert_eq!(refused(&mut session), RequestError::HelloOutOfPlace);
        assert!(nothing_to_take(&mut session) && !session.wants_input());
        assert_eq!(gist(&sent(&mut session)), ["HelloOutOfPlace"]);
        assert!(session.is_closed());
    }
}

#[test]
fn version_zero_is_refused() {
    let mut session = session(8);
    let mut hello = hello(7);
    hello[5] = 0;
    feed(&mut session, &hello);
    assert_eq!(refused(&mut session), RequestError::UnsupportedVersion(0));
    assert_eq!(gist(&sent(&mut session)), ["UnsupportedVersion"]);
    assert!(session.is_closed());
}

#[test]
fn a_refused_hello_closes() {
    let mut session = session(8);
    feed(&mut session, &[hello(7), bets(7, 0)].concat());
    let hello_ticket = ticket(&mut session);
    session.refuse(hello_ticket, closing(ErrorCode::UnknownAgency));
    assert!(nothing_to_take(&mut session));
    assert_eq!(gist(&sent(&mut session)), ["UnknownAgency"]);
    assert!(session.is_closed() && session.identity().is_none());
}

#[test]
fn bets_of_another_agency_are_refused_but_the_connection_continues() {
    let mut session = greeted(7, 8);
    feed(&mut session, &[bets(7, 0), bets(8, 1), bets(7, 2)].concat());
    let first = ticket(&mut session);
    let error = refused(&mut session);
    assert_eq!(error, RequestError::OtherAgency { greeted: 7, named: 8, chunk: Some(1) });
    assert!(!error.closes());
    let last = ticket(&mut session);
    session.reply(last, &ack(2));
    session.reply(first, &ack(0));
    assert_eq!(gist(&sent(&mut session)), ["ack 0", "OtherAgency of 1", "ack 2"]);
    assert!(!session.is_closing());
}

#[test]
fn finish_and_get_winners_of_another_agency_close() {
    for request in [finish(8), get_winners(8)] {
        let mut session = greeted(7, 8);
        feed(&mut session, &request);
        let error = refused(&mut session);
        assert_eq!(error, RequestError::OtherAgency { greeted: 7, named: 8, chunk: None });
        assert_eq!(gist(&sent(&mut session)), ["OtherAgency"]);
        assert!(error.closes() && session.is_closed());
    }
}

#[test]
fn invalid_messages_are_refused_after_pending_replies() {
    let too_long = FrameError::TooLong { len: 8193, max: 8192 };
    let cases: [(&[u8], RequestError, &str); 4] = [
        (&[0, 99], FrameError::UnknownId(99).into(), "UnknownMessage"),
        (&[0, 12, 0x1f, 0xfd], too_long.into(), "FrameTooLong"),
        (&[0, 12, 0, 1, b'x'], wire::PayloadError::Malformed("BETS").into(), "Malformed"),
        (
            b"\0\x12\0\x07\0\x01\0\0\0\x07\xff",
            wire::PayloadError::NotUtf8("HELLO").into(),
            "NotUtf8",
        ),
    ];
    for (bytes, error, code) in cases {
        let mut session = session(8);
        feed(&mut session, &[&bets(1, 0), bytes, &finish(1)].concat());
        let ticket = ticket(&mut session);
        assert_eq!(refused(&mut session), error);
        assert!(nothing_to_take(&mut session) && session.outgoing().is_empty());
        assert!(session.is_closing() && !session.is_closed());
        session.reply(ticket, &ack(0));
        assert!(!session.is_closed(), "not sent yet");
        assert_eq!(gist(&sent(&mut session)), ["ack 0", code]);
        assert!(session.is_closed());
    }
}

#[test]
fn a_refusal_without_hello_is_the_last_message() {
    let mut session = session(8);
    feed(&mut session, &[bets(1, 0), bets(1, 1), bets(1, 2), bets(1, 3)].concat());
    let [first, second, third] = std::array::from_fn(|_| ticket(&mut session));
    session.reply(third, &ack(2));
    session.refuse(second, of_chunk(ErrorCode::BadBets, 1));
    assert!(nothing_to_take(&mut session) && !session.wants_input());
    session.reply(first, &ack(0));
    assert_eq!(gist(&sent(&mut session)), ["ack 0", "BadBets of 1"]);
    assert!(session.is_closed());
}

#[test]
fn replies_after_the_closing_one_are_dropped() {
    let mut session = greeted(1, 8);
    feed(&mut session, &[bets(1, 0), bets(1, 1), get_winners(1), bets(1, 3)].concat());
    let [first, second, third, last] = std::array::from_fn(|_| ticket(&mut session));
    session.refuse(first, closing(ErrorCode::StorageFailed));
    assert!(!session.is_head(&second) && !session.is_head(&third));
    let part = CentralMessage::WinnersPart { last: false, documents: Documents::default() };
    session.reply_part(&third, &part);
    session.reply(second, &ack(1));
    session.refuse(third, closing(ErrorCode::ShuttingDown));
    session.refuse(last, of_chunk(ErrorCode::DrawClosed, 3));
    session.refuse_unasked(closing(ErrorCode::ShuttingDown));
    assert_eq!(gist(&sent(&mut session)), ["StorageFailed"]);
    assert!(session.is_closed());
}

#[test]
fn an_earlier_closing_refusal_replaces_a_later_one() {
    let mut session = greeted(1, 8);
    feed(&mut session, &[bets(1, 0), bets(1, 1)].concat());
    let [first, second] = std::array::from_fn(|_| ticket(&mut session));
    session.refuse_unasked(closing(ErrorCode::ShuttingDown));
    session.refuse(second, closing(ErrorCode::StorageFailed));
    session.refuse(first, of_chunk(ErrorCode::DrawClosed, 0));
    assert_eq!(gist(&sent(&mut session)), ["DrawClosed of 0", "StorageFailed"]);
    assert!(session.is_closed());
}

#[test]
fn an_unasked_refusal_follows_pending_replies() {
    let mut session = session(8);
    feed(&mut session, &[&bets(1, 0)[..], &get_winners(1), &[0, 12, 0]].concat());
    let [bets, winners] = std::array::from_fn(|_| ticket(&mut session));
    assert!(nothing_to_take(&mut session) && session.is_mid_message());
    session.refuse_unasked(closing(ErrorCode::TimedOut));
    session.refuse_unasked(closing(ErrorCode::ShuttingDown));
    assert!(!session.is_mid_message() && !session.wants_input());
    session.reply(winners, &CentralMessage::NoWinners);
    session.reply(bets, &ack(0));
    assert_eq!(gist(&sent(&mut session)), ["ack 0", "NO_WINNERS", "TimedOut"]);
    assert!(session.is_closed());
}

#[test]
fn a_connection_can_be_refused_before_anything_is_received() {
    let mut session = session(8);
    session.refuse_unasked(closing(ErrorCode::Busy));
    assert!(!session.is_closed());
    assert_eq!(gist(&sent(&mut session)), ["Busy"]);
    assert!(session.is_closed());
}

#[test]
fn winners_are_sent_in_parts_once_they_are_the_head() {
    let mut session = greeted(1, 8);
    feed(&mut session, &[bets(1, 0), get_winners(1), finish(1)].concat());
    let [bets, winners, finish] = std::array::from_fn(|_| ticket(&mut session));
    session.reply(finish, &CentralMessage::FinishAck { agency: 1 });
    assert!(!session.is_head(&winners));
    session.reply(bets, &ack(0));
    assert!(session.is_head(&winners));
    assert_eq!(gist(&sent(&mut session)), ["ack 0"]);
    let part = |last| CentralMessage::WinnersPart { last, documents: Documents::default() };
    session.reply_part(&winners, &part(false));
    assert_eq!(gist(&sent(&mut session)), ["WINNERS_PART"]);
    session.reply_part(&winners, &part(false));
    session.reply(winners, &part(true));
    let rest = ["WINNERS_PART", "WINNERS_PART", "FINISH_ACK"];
    assert_eq!(gist(&sent(&mut session)), rest);
}

#[test]
fn what_was_received_before_the_end_of_input_is_still_answered() {
    let mut session = session(1);
    feed(&mut session, &[bets(1, 0), finish(1)].concat());
    session.end_of_input();
    let first = ticket(&mut session);
    assert!(nothing_to_take(&mut session));
    session.reply(first, &ack(0));
    assert_eq!(gist(&sent(&mut session)), ["ack 0"]);
    assert!(!session.is_closed(), "FINISH waits in the buffer");
    let last = ticket(&mut session);
    session.reply(last, &CentralMessage::FinishAck { agency: 1 });
    assert!(nothing_to_take(&mut session) && !session.is_closed());
    assert_eq!(gist(&sent(&mut session)), ["FINISH_ACK"]);
    assert!(session.is_closed() && !session.wants_input());
}

#[test]
fn an_idle_connection_uses_almost_no_memory() {
    let mut session = session(1024);
    assert_eq!(session.memory_len(), 0);
    let requests = (0..200).flat_map(|chunk| bets(1, chunk)).collect::<Vec<_>>();
    feed(&mut session, &requests);
    let mut tickets = Vec::new();
    while let Ok(Some((ticket, _))) = session.next_request() {
        tickets.push(ticket);
    }
    for (chunk, ticket) in (0..).zip(tickets) {
        session.reply(ticket, &ack(chunk));
    }
    assert_eq!(sent(&mut session).len(), 200);
    assert!(nothing_to_take(&mut session) && session.memory_len() <= 4096);
}

#[test]
fn a_full_window_releases_an_empty_buffer() {
    let mut session = session(1);
    feed(&mut session, &get_winners(1));
    let _waits_for_hours = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && session.memory_len() < 1024);
}
