//! The promises that a central's session asserts: a caller that breaks one is stopped before
//! anything wrong is sent.

mod support;

use support::*;
use wire::{
    AgencyMessage, CentralMessage, CentralSession, Documents, DrawName, ErrorCode, Hello,
    SessionLimits, Ticket, Welcome,
};

#[test]
#[should_panic(expected = "WINNERS_PART to an agency that never said HELLO")]
fn parts_are_never_sent_without_hello() {
    let (mut session, ticket) = asked(&get_winners(1));
    let documents = Documents::default();
    session.reply(ticket, &CentralMessage::WinnersPart { last: true, documents });
}

#[test]
#[should_panic(expected = "WELCOME answers HELLO only")]
fn welcome_is_never_sent_without_hello() {
    let (mut session, ticket) = asked(&get_winners(1));
    session.greet(ticket, welcome(1, 1));
}

#[test]
#[should_panic(expected = "WINNERS does not answer")]
fn one_winners_is_never_sent_after_hello() {
    let (mut session, ticket) = asked_greeted(&get_winners(1));
    session.reply(ticket, &CentralMessage::Winners(Documents::default()));
}

#[test]
#[should_panic(expected = "BETS_ACK does not answer")]
fn another_chunk_is_never_acknowledged() {
    let (mut session, ticket) = asked(&bets(1, 5));
    session.reply(ticket, &ack(6));
}

#[test]
#[should_panic(expected = "the refusal of a chunk answers its BETS")]
fn another_chunk_is_never_refused() {
    let (mut session, ticket) = asked_greeted(&bets(1, 5));
    session.refuse(ticket, of_chunk(ErrorCode::BadBets, 6));
}

#[test]
#[should_panic(expected = "WELCOME for another agency")]
fn another_agency_is_never_welcomed() {
    let (mut session, ticket) = asked(&hello(1));
    session.greet(ticket, welcome(2, 1));
}

#[test]
#[should_panic(expected = "promises more than the session's limits")]
fn a_wider_window_is_never_promised() {
    let (mut session, ticket) = asked(&hello(1));
    session.greet(ticket, welcome(1, 2));
}

#[test]
#[should_panic(expected = "a version not spoken")]
fn a_version_that_the_agency_does_not_speak_is_never_agreed_on() {
    let (mut session, ticket) = asked(&hello(1));
    session.greet(ticket, Welcome { version: 2, ..welcome(1, 1) });
}

#[test]
#[should_panic(expected = "a version not spoken")]
fn a_version_newer_than_ours_is_never_agreed_on() {
    let draw_name = DrawName::default();
    let newer = AgencyMessage::Hello(Hello { version: 9, agency: 1, draw_name });
    let (mut session, ticket) = asked(&encode(&newer));
    session.greet(ticket, Welcome { version: 2, ..welcome(1, 1) });
}

#[test]
#[should_panic(expected = "the end of a reply says that more follows")]
fn a_reply_never_ends_before_the_last_part() {
    let (mut session, ticket) = asked_greeted(&get_winners(1));
    session.reply(ticket, &part(false));
}

#[test]
#[should_panic(expected = "a part of a reply is a WINNERS_PART that is not the last")]
fn nothing_follows_the_last_part() {
    let (mut session, ticket) = asked_greeted(&get_winners(1));
    session.reply_part(&ticket, &part(true));
}

#[test]
#[should_panic(expected = "NO_WINNERS does not answer MoreWinners")]
fn winners_that_have_begun_are_never_denied() {
    let (mut session, ticket) = asked_greeted(&get_winners(1));
    session.reply_part(&ticket, &part(false));
    session.reply(ticket, &CentralMessage::NoWinners);
}

#[test]
#[should_panic(expected = "2 bytes sent, more than there were")]
fn nothing_is_sent_that_was_not_there() {
    session().sent(2);
}

#[test]
#[should_panic(expected = "1 bytes read, more than there was room for")]
fn nothing_is_read_without_room() {
    session().filled(1);
}

#[test]
#[should_panic(expected = "is not one of this session's")]
fn a_ticket_of_another_session_answers_nothing() {
    let (_, ticket) = asked(&get_winners(1));
    session().reply(ticket, &CentralMessage::NoWinners);
}

fn session() -> CentralSession {
    CentralSession::new(SessionLimits::new(8192, 1).expect("in range"))
}

fn asked(request: &[u8]) -> (CentralSession, Ticket) {
    let mut session = session();
    feed(&mut session, request);
    let ticket = ticket(&mut session);
    (session, ticket)
}

fn asked_greeted(request: &[u8]) -> (CentralSession, Ticket) {
    let (mut session, hello_ticket) = asked(&hello(1));
    session.greet(hello_ticket, welcome(1, 1));
    feed(&mut session, request);
    let ticket = ticket(&mut session);
    (session, ticket)
}

fn ticket(session: &mut CentralSession) -> Ticket {
    session.next_request().expect("not refused").expect("a request").0
}

fn part(last: bool) -> CentralMessage<'static> {
    CentralMessage::WinnersPart { last, documents: Documents::default() }
}
