//! Properties of any message, any pieces and any bytes.

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use support::*;
use wire::limits::{MESSAGE_LEN_MAX, OUTGOING_LEN_MAX, READ_LEN_MAX, WINDOW};
use wire::{
    AgencyMessage, AgencySession, BetsEncoder, BetsFrame, CentralMessage, CentralSession,
    Documents, DrawName, DrawState, ErrorCode, ErrorMessage, Fault, FaultCode, FrameReader, Hello,
    Mode, NotUtf8, Sender, SessionLimits, Ticket, Welcome,
};

/// Longer than any reply in these tests.
const REPLY_LEN_MAX: usize = 1024;

/// A strategy for messages that own their parts.
type Owned<T> = BoxedStrategy<T>;

fn draw_name() -> Owned<DrawName<'static>> {
    "[a-zñ ]{0,32}".prop_map(|name| DrawName::new(name).expect("at most 64 bytes")).boxed()
}

fn agency_message() -> Owned<AgencyMessage<'static>> {
    let hello =
        (any::<u16>(), any::<u32>(), draw_name()).prop_map(|(version, agency, draw_name)| {
            AgencyMessage::Hello(Hello { version, agency, draw_name })
        });
    let bets = (any::<u32>(), any::<u32>(), proptest::option::of(vec(any::<u8>(), 0..200)));
    let bets = bets.prop_map(|(agency, chunk, bets)| {
        let bets = bets.map(|bets| &*bets.leak());
        AgencyMessage::Bets(BetsFrame { agency, chunk, bets })
    });
    prop_oneof![
        hello,
        bets,
        any::<u32>().prop_map(|agency| AgencyMessage::Finish { agency }),
        any::<u32>().prop_map(|agency| AgencyMessage::GetWinners { agency }),
    ]
    .boxed()
}

fn error_message() -> Owned<ErrorMessage> {
    let fault = (any::<u16>(), 0..20u16)
        .prop_map(|(position, code)| Fault { position, code: FaultCode::from_number(code) });
    let parts = (0..40u16, any::<Option<u32>>(), vec(fault, 0..5), ".{0,40}");
    let error = parts.prop_map(|(code, chunk, faults, reason)| {
        let code = ErrorCode::from_number(code);
        let error = match chunk {
            Some(chunk) => ErrorMessage::of_chunk(code, chunk, &reason),
            None => ErrorMessage::closing(code, &reason),
        };
        error.with_faults(faults)
    });
    error.boxed()
}

fn welcome_message() -> Owned<Welcome<'static>> {
    let numbers = (any::<(u16, u32, u16)>(), any::<(u32, u32, u32)>(), any::<(u64, u64)>());
    let parts = (numbers, any::<[u8; 32]>(), 0..4u8, draw_name());
    let welcome = parts.prop_map(|((first, second, third), prefix_digest, state, draw_name)| {
        let (version, agency, window) = first;
        let (frame_len_max, number_min, number_max) = second;
        let (chunks_stored, bets_stored) = third;
        let state = DrawState::from_number(state).expect("0 to 3");
        Welcome {
            version,
            agency,
            window,
            frame_len_max,
            number_min,
            number_max,
            chunks_stored,
            bets_stored,
            prefix_digest,
            state,
            draw_name,
        }
    });
    welcome.boxed()
}

fn central_message() -> Owned<CentralMessage<'static>> {
    let documents =
        || vec("[0-9ñ]{1,9}", 0..30).prop_map(|list| Documents::join(list).expect("short")).boxed();
    prop_oneof![
        any::<u32>().prop_map(|chunk| CentralMessage::BetsAck { chunk }),
        any::<u32>().prop_map(|agency| CentralMessage::FinishAck { agency }),
        Just(CentralMessage::NoWinners),
        documents().prop_map(CentralMessage::Winners),
        welcome_message().prop_map(CentralMessage::Welcome),
        error_message().prop_map(CentralMessage::Error),
        (any::<bool>(), documents())
            .prop_map(|(last, documents)| CentralMessage::WinnersPart { last, documents }),
    ]
    .boxed()
}

/// Mostly valid messages of an agency, sometimes any bytes.
fn agency_bytes() -> Owned<Vec<u8>> {
    let piece = prop_oneof![
        6 => (0..3u32, 0..50u32).prop_map(|(agency, chunk)| bets(agency, chunk)),
        2 => (0..3u32).prop_map(finish),
        2 => (0..3u32).prop_map(get_winners),
        1 => agency_message().prop_map(|message| encode(&message)),
        1 => vec(any::<u8>(), 0..20),
    ];
    let hello = proptest::option::of((0..3u32).prop_map(hello));
    (hello, vec(piece, 0..40))
        .prop_map(|(hello, pieces)| [hello.unwrap_or_default(), pieces.concat()].concat())
        .boxed()
}

/// Mostly valid messages of the central, sometimes any bytes.
fn central_bytes() -> Owned<Vec<u8>> {
    let piece = prop_oneof![
        6 => (0..4u32).prop_map(|chunk| encode_central(&[ack(chunk)])),
        2 => (0..4u32).prop_map(|chunk| {
            encode_central(&[CentralMessage::Error(of_chunk(ErrorCode::BadBets, chunk))])
        }),
        1 => central_message().prop_map(|message| encode_central(&[message])),
        1 => vec(any::<u8>(), 0..20),
    ];
    let welcome = proptest::option::of(
        (1..9u16).prop_map(|window| encode_central(&[CentralMessage::Welcome(welcome(7, window))])),
    );
    (welcome, vec(piece, 0..40))
        .prop_map(|(welcome, pieces)| [welcome.unwrap_or_default(), pieces.concat()].concat())
        .boxed()
}

proptest! {
    #[test]
    fn any_message_of_an_agency_round_trips(message in agency_message()) {
        let bytes = encode(&message);
        prop_assert_eq!(AgencyMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn any_message_of_the_central_round_trips(message in central_message()) {
        let bytes = encode_central(std::slice::from_ref(&message));
        prop_assert_eq!(CentralMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn bets_are_text_when_they_are_utf8(
        text in "[a-zñ€😀&|]{0,300}", edit in proptest::option::of(any::<(Index, u8)>()),
    ) {
        let mut bets = text.into_bytes();
        if let (Some((at, byte)), false) = (edit, bets.is_empty()) {
            *at.get_mut(&mut bets) = byte;
        }
        let frame = BetsFrame { agency: 1, chunk: 0, bets: Some(&bets) };
        prop_assert_eq!(frame.text(), std::str::from_utf8(&bets).map(Some).map_err(|_| NotUtf8));
    }

    #[test]
    fn any_decoded_message_encodes_to_the_same_bytes(
        bytes in vec(any::<u8>(), 0..40),
        id in 12..22u8,
    ) {
        let bytes = [&[0, id][..], &bytes].concat();
        if let Ok(message) = CentralMessage::decode(&bytes) {
            prop_assert_eq!(&encode_central(&[message]), &bytes);
        }
        if let Ok(message) = AgencyMessage::decode(&bytes) {
            // Except BETS with leading zeros.
            if !matches!(message, AgencyMessage::Bets(_)) {
                prop_assert_eq!(&encode(&message), &bytes);
            }
        }
    }

    #[test]
    fn any_pieces_decode_to_the_same_messages(
        messages in vec(agency_message(), 0..30),
        pieces in vec(1..300usize, 1..20),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(encode).collect();
        let mut reader = FrameReader::new(Sender::Agency, 8192);
        let mut rest = &bytes[..];
        let mut read = 0;
        for piece in pieces.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let len = piece.min(rest.len()).min(reader.space().len());
            reader.space()[..len].copy_from_slice(&rest[..len]);
            reader.filled(len);
            rest = &rest[len..];
            while let Some(frame) = reader.next_frame().expect("known messages") {
                let message = AgencyMessage::from_frame(frame);
                prop_assert_eq!(message.as_ref(), Ok(&messages[read]));
                read += 1;
            }
        }
        prop_assert_eq!(read, messages.len());
        prop_assert_eq!(reader.memory_len(), 0);
    }

    #[test]
    fn any_bets_pushed_read_back_the_same(
        bets in vec(proptest::array::uniform5("[a-zñ0-9 ]{0,30}"), 0..60),
    ) {
        let mut encoder = BetsEncoder::new(1, 2, 2048);
        let mut pushed = Vec::new();
        for bet in &bets {
            let bet = bet.each_ref().map(String::as_str);
            if !encoder.try_push(&bet).expect("without separators") {
                break;
            }
            pushed.push(Ok(bet));
        }
        let text = encoder.bets_text().to_vec();
        let bytes = encoder.finish();
        prop_assert!(bytes.len() <= 2048);
        let Ok(AgencyMessage::Bets(frame)) = AgencyMessage::decode(&bytes) else {
            panic!("not BETS");
        };
        prop_assert_eq!(frame.bets.unwrap_or_default(), &text);
        prop_assert_eq!(frame.raw_bets().expect("UTF-8").collect::<Vec<_>>(), pushed);
    }

    #[test]
    fn any_bytes_are_answered_in_order_and_in_bounded_memory(
        bytes in agency_bytes(),
        steps in vec((0..200usize, 0..4usize, any::<Index>()), 1..120),
    ) {
        serve(&bytes, &steps)?;
    }

    #[test]
    fn any_bytes_of_the_central_end_in_events_or_a_violation(
        bytes in central_bytes(),
        greeting in any::<bool>(),
        steps in vec((1..200usize, 0..6usize), 1..80),
    ) {
        let mode = if greeting { Mode::Greeting } else { Mode::Legacy };
        let mut session = AgencySession::new(mode, 7, DrawName::default(), 8192);
        let mut rest = &bytes[..];
        let mut chunk = 0;
        for (len, action) in steps {
            if session.wants_input() {
                let len = len.min(rest.len()).min(session.space().len());
                prop_assert!(len > 0 || rest.is_empty());
                feed_agency(&mut session, &rest[..len]);
                rest = &rest[len..];
            }
            match action {
                0 => drop(session.send_finish()),
                1 => drop(session.send_get_winners()),
                2..=4 if session.send_bets(chunk % 4, &bets(7, chunk % 4)).is_ok() => chunk += 1,
                _ => session.sent(session.outgoing().len()),
            }
            let mut violations = 0;
            loop {
                match session.next_event() {
                    Ok(None) => break,
                    Ok(Some(_)) => {}
                    Err(_) => violations += 1,
                }
            }
            prop_assert!(violations == 0 || (violations == 1 && session.is_over()));
            let memory_len_max = MESSAGE_LEN_MAX as usize + READ_LEN_MAX + 64 * 1024;
            prop_assert!(session.memory_len() <= memory_len_max);
        }
    }
}

/// Feeds `bytes` to a central that replies and sends as `steps` say; checks all that it sends.
fn serve(bytes: &[u8], steps: &[(usize, usize, Index)]) -> Result<(), TestCaseError> {
    let limits = SessionLimits::new(512, 8).expect("in range");
    let mut session = CentralSession::new(limits);
    let mut rest = bytes;
    let mut kept: Vec<(Ticket, CentralMessage<'static>)> = Vec::new();
    let mut expected: Vec<String> = Vec::new();
    let mut heard: Vec<u8> = Vec::new();
    for (len, action, index) in steps {
        if session.wants_input() {
            let len = (*len).min(rest.len());
            feed(&mut session, &rest[..len]);
            rest = &rest[len..];
        }
        loop {
            let greeted = session.identity().is_some();
            match session.next_request() {
                Ok(None) => break,
                Ok(Some((ticket, message))) => {
                    let reply = reply_to(&message, greeted);
                    expected.push(gist(std::slice::from_ref(&reply)).remove(0));
                    kept.push((ticket, reply));
                }
                Err(error) => expected.push(format!("{:?}", error.code())),
            }
        }
        prop_assert!(session.unanswered() <= 8);
        if *action > 0 && !kept.is_empty() {
            let (ticket, reply) = kept.swap_remove(index.index(kept.len()));
            match reply {
                CentralMessage::Welcome(welcome) => session.greet(ticket, welcome),
                reply => session.reply(ticket, &reply),
            }
        } else {
            let len = index.index(session.outgoing().len() + 1);
            heard.extend_from_slice(&session.outgoing()[..len]);
            session.sent(len);
        }
        // The reader; outgoing bytes, which a Vec may double; delayed replies; their slots.
        let memory_len_max = (512 + READ_LEN_MAX)
            + 2 * (OUTGOING_LEN_MAX + 8 * REPLY_LEN_MAX)
            + 8 * REPLY_LEN_MAX
            + usize::from(WINDOW) * 64;
        prop_assert!(session.memory_len() <= memory_len_max);
    }
    for (ticket, reply) in kept {
        match reply {
            CentralMessage::Welcome(welcome) => session.greet(ticket, welcome),
            reply => session.reply(ticket, &reply),
        }
    }
    heard.extend_from_slice(session.outgoing());
    session.sent(session.outgoing().len());
    prop_assert!(!session.is_closing() || session.is_closed());
    check_heard(&heard, &expected, session.identity().is_some())
}

fn reply_to(message: &AgencyMessage<'_>, greeted: bool) -> CentralMessage<'static> {
    let documents = Documents::default();
    match message {
        AgencyMessage::Hello(hello) => {
            let welcome = Welcome { frame_len_max: 512, ..welcome(hello.agency, 8) };
            CentralMessage::Welcome(welcome)
        }
        AgencyMessage::Bets(bets) => ack(bets.chunk),
        AgencyMessage::Finish { agency } => CentralMessage::FinishAck { agency: *agency },
        AgencyMessage::GetWinners { .. } if greeted => {
            CentralMessage::WinnersPart { last: true, documents }
        }
        AgencyMessage::GetWinners { .. } => CentralMessage::Winners(documents),
    }
}

/// Checks that the replies are the expected ones in order; without HELLO, only the field's messages
/// and at most one ERROR, as the last.
fn check_heard(heard: &[u8], expected: &[String], greeted: bool) -> Result<(), TestCaseError> {
    let heard = central_messages(heard);
    let gist: Vec<String> = gist(&heard)
        .into_iter()
        .map(|gist| gist.split(" of ").next().expect("the first piece").to_owned())
        .collect();
    prop_assert_eq!(gist, expected);
    for (index, message) in heard.iter().enumerate() {
        let last = index + 1 == heard.len();
        match message {
            CentralMessage::Error(error) if error.chunk().is_none() => prop_assert!(last),
            CentralMessage::Error(_) => prop_assert!(greeted),
            message => prop_assert!(greeted || message.is_of_the_field()),
        }
    }
    Ok(())
}
