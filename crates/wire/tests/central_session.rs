//! What the check `central_session` doesn't show of the central's session: what it holds back and
//! keeps in memory, and that a caller who breaks a promise is stopped before anything wrong is sent.

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

use support::*;
use wire::limits::OUTGOING_LEN_MAX;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, DrawName, ErrorCode, Hello,
    SessionLimits, Ticket, Welcome,
};

fn session(window: u16) -> CentralSession {
    CentralSession::new(SessionLimits::new(8192, window).expect("in range"))
}

fn feed(session: &mut CentralSession, bytes: &[u8]) {
    session.space()[..bytes.len()].copy_from_slice(bytes);
    session.filled(bytes.len());
}

fn ticket(session: &mut CentralSession) -> Ticket {
    session.next_request().expect("not refused").expect("a request").0
}

fn nothing_to_take(session: &mut CentralSession) -> bool {
    matches!(session.next_request(), Ok(None))
}

fn get_winners() -> Vec<u8> {
    encode(&AgencyMessage::GetWinners { agency: 1 })
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
fn an_idle_connection_holds_next_to_no_memory() {
    let mut session = session(1024);
    assert_eq!(session.memory_len(), 0);
    let requests = (0..200).flat_map(|chunk| bets(1, chunk)).collect::<Vec<_>>();
    feed(&mut session, &requests);
    let tickets: Vec<_> = (0..200).map(|_| ticket(&mut session)).collect();
    for (chunk, ticket) in (0..).zip(tickets) {
        session.reply(ticket, &ack(chunk));
    }
    session.sent(200 * 6);
    assert!(nothing_to_take(&mut session) && session.memory_len() <= 4096);
}

#[test]
fn a_full_window_does_not_hold_an_empty_buffer() {
    let mut session = session(1);
    feed(&mut session, &get_winners());
    let _waits_for_hours = ticket(&mut session);
    assert!(nothing_to_take(&mut session) && session.memory_len() < 1024);
}

/// A session with a window of 1 and its first request.
fn asked(request: &[u8]) -> (CentralSession, Ticket) {
    let mut session = session(1);
    feed(&mut session, request);
    let ticket = ticket(&mut session);
    (session, ticket)
}

fn hello(version: u16) -> Vec<u8> {
    encode(&AgencyMessage::Hello(Hello { version, agency: 1, draw_name: DrawName::default() }))
}

fn asked_greeted(request: &[u8]) -> (CentralSession, Ticket) {
    let (mut session, hello_ticket) = asked(&hello(1));
    session.greet(hello_ticket, welcome(1, 1));
    feed(&mut session, request);
    let ticket = ticket(&mut session);
    (session, ticket)
}

fn part(last: bool) -> CentralMessage<'static> {
    CentralMessage::WinnersPart { last, documents: Documents::default() }
}

fn newer() -> Welcome<'static> {
    Welcome { version: 2, ..welcome(1, 1) }
}

#[test]
fn a_caller_that_breaks_a_promise_is_stopped() {
    type Breach = fn(CentralSession, Ticket);
    let winners = || asked_greeted(&get_winners());
    let breaches: [(&str, (CentralSession, Ticket), Breach); 15] = [
        ("WINNERS_PART to an agency that never said HELLO", asked(&get_winners()), |mut it, to| {
            it.reply(to, &part(true));
        }),
        ("WELCOME answers HELLO only", asked(&get_winners()), |mut it, to| {
            it.greet(to, welcome(1, 1));
        }),
        ("WINNERS does not answer", winners(), |mut it, to| {
            it.reply(to, &CentralMessage::Winners(Documents::default()));
        }),
        ("BETS_ACK does not answer", asked(&bets(1, 5)), |mut it, to| it.reply(to, &ack(6))),
        ("refusal of a chunk answers its BETS", asked_greeted(&bets(1, 5)), |mut it, to| {
            it.refuse(to, of_chunk(ErrorCode::BadBets, 6));
        }),
        ("WELCOME for another agency", asked(&hello(1)), |mut it, to| it.greet(to, welcome(2, 1))),
        ("promises more than the session's limits", asked(&hello(1)), |mut it, to| {
            it.greet(to, welcome(1, 2));
        }),
        ("a version not spoken", asked(&hello(1)), |mut it, to| it.greet(to, newer())),
        ("a version not spoken", asked(&hello(9)), |mut it, to| it.greet(to, newer())),
        ("the end of a reply says that more follows", winners(), |mut it, to| {
            it.reply(to, &part(false));
        }),
        ("a WINNERS_PART that is not the last", winners(), |mut it, to| {
            it.reply_part(&to, &part(true));
        }),
        ("NO_WINNERS does not answer MoreWinners", winners(), |mut it, to| {
            it.reply_part(&to, &part(false));
            it.reply(to, &CentralMessage::NoWinners);
        }),
        ("2 bytes sent, more than there were", asked(&hello(1)), |mut it, _| it.sent(2)),
        ("1 bytes read, more than there was room for", asked(&hello(1)), |_, _| {
            session(1).filled(1);
        }),
        ("is not one of this session's", asked(&get_winners()), |_, to| {
            session(1).reply(to, &CentralMessage::NoWinners);
        }),
    ];
    for (expected, (it, to), breach) in breaches {
        let panic = catch_unwind(AssertUnwindSafe(|| breach(it, to))).expect_err(expected);
        let formatted = panic.downcast_ref::<String>().map(String::as_str);
        let message = formatted.or(panic.downcast_ref::<&str>().copied()).expect("a text");
        assert!(message.contains(expected), "{message}");
    }
}
