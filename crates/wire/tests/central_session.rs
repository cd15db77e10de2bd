//! What the central's session does that its conversations don't show: replies in another order than
//! their requests, and what it holds back, drops and keeps in memory.

mod support;

use support::*;
use wire::limits::OUTGOING_LEN_MAX;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, ErrorCode, SessionLimits, Ticket,
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
fn requests_are_held_back_while_replies_are_not_read() {
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
fn a_refusal_without_hello_is_the_last_that_is_sent() {
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
fn answers_to_requests_behind_the_last_reply_are_dropped() {
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
fn an_earlier_refusal_takes_the_place_of_a_later_one() {
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
fn a_refusal_unasked_comes_after_the_replies_owed() {
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
fn winners_are_given_in_parts_when_their_turn_has_come() {
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
fn an_idle_connection_holds_next_to_no_memory() {
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
fn a_full_window_does_not_hold_an_empty_buffer() {
    let mut session = session(1);
    feed(&mut session, &get_winners(1));
    let _waits_for_hours = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && session.memory_len() < 1024);
}
