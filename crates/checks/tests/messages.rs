//! Messages are read as they were written, and the checks of framing and of both sessions hold for
//! streams of them, in any pieces and with anything else between.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::{
    AgencyMessage, BetsFrame, CentralMessage, Documents, DrawName, DrawState, ErrorCode,
    ErrorMessage, Fault, FaultCode, Hello, Welcome,
};

/// Mostly the one that the checks greet.
fn agency() -> impl Strategy<Value = u32> {
    prop_oneof![6 => Just(7), 1 => any::<u32>()]
}

/// Mostly one of those that the checks send.
fn chunk() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..6_u32, 1 => any::<u32>()]
}

fn draw_name() -> impl Strategy<Value = DrawName<'static>> {
    "|sorteo|[a-zñ ]{0,32}".prop_map(|name| DrawName::new(name).expect("at most 64 bytes"))
}

fn agency_message() -> impl Strategy<Value = AgencyMessage<'static>> {
    let bets = proptest::option::of(prop_oneof![Just(b"||||".to_vec()), vec(any::<u8>(), 0..200)]);
    prop_oneof![
        1 => (0..4_u16, agency(), draw_name()).prop_map(|(version, agency, draw_name)| {
            AgencyMessage::Hello(Hello { version, agency, draw_name })
        }),
        6 => (agency(), chunk(), bets).prop_map(|(agency, chunk, bets)| {
            let bets = bets.map(|bets| &*bets.leak());
            AgencyMessage::Bets(BetsFrame { agency, chunk, bets })
        }),
        2 => agency().prop_map(|agency| AgencyMessage::Finish { agency }),
        2 => agency().prop_map(|agency| AgencyMessage::GetWinners { agency }),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome<'static>> {
    let limits = (0..3_u16, agency(), any::<(u16, u32)>(), any::<(u32, u32)>());
    let stored = (any::<(u64, u64)>(), any::<[u8; 32]>(), 0..4_u8, draw_name());
    (limits, stored).prop_map(|(limits, stored)| {
        let (version, agency, (window, frame_len_max), (number_min, number_max)) = limits;
        let ((chunks_stored, bets_stored), prefix_digest, state, draw_name) = stored;
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
            state: DrawState::from_number(state).expect("0 to 3"),
            draw_name,
        }
    })
}

fn error() -> impl Strategy<Value = ErrorMessage> {
    let fault = (any::<u16>(), 0..20_u16)
        .prop_map(|(position, code)| Fault { position, code: FaultCode::from_number(code) });
    let parts = (0..40_u16, proptest::option::of(chunk()), vec(fault, 0..5), ".{0,40}");
    parts.prop_map(|(code, chunk, faults, reason)| {
        let code = ErrorCode::from_number(code);
        let error = match chunk {
            Some(chunk) => ErrorMessage::of_chunk(code, chunk, &reason),
            None => ErrorMessage::closing(code, &reason),
        };
        error.with_faults(faults)
    })
}

fn central_message() -> impl Strategy<Value = CentralMessage<'static>> {
    let documents =
        || vec("[0-9ñ]{1,9}", 0..30).prop_map(|list| Documents::join(list).expect("short"));
    prop_oneof![
        6 => chunk().prop_map(|chunk| CentralMessage::BetsAck { chunk }),
        1 => agency().prop_map(|agency| CentralMessage::FinishAck { agency }),
        1 => Just(CentralMessage::NoWinners),
        1 => documents().prop_map(CentralMessage::Winners),
        2 => welcome().prop_map(CentralMessage::Welcome),
        2 => error().prop_map(CentralMessage::Error),
        1 => (any::<bool>(), documents())
            .prop_map(|(last, documents)| CentralMessage::WinnersPart { last, documents }),
    ]
}

fn of_agency(message: &AgencyMessage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

fn of_central(message: &CentralMessage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

/// Mostly whole messages, and now and then any bytes.
fn stream(messages: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![12 => messages, 1 => vec(any::<u8>(), 0..20)];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// Runs a check with its choices, a schedule of steps, and the bytes under test.
fn run(check: &str, choices: &[u8], steps: &[u8], bytes: &[u8]) {
    let count = u8::try_from(steps.len()).expect("few");
    checks::run(check, &[choices, &[count], steps, bytes].concat());
}

proptest! {
    #[test]
    fn a_message_of_an_agency_is_read_as_it_was_written(message in agency_message()) {
        let bytes = of_agency(&message);
        prop_assert_eq!(AgencyMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn a_message_of_the_central_is_read_as_it_was_written(message in central_message()) {
        let bytes = of_central(&message);
        prop_assert_eq!(CentralMessage::decode(&bytes), Ok(message));
    }

    #[test]
    fn messages_are_the_same_in_any_pieces(
        len_max in 0..3_u8,
        pieces in vec(any::<u8>(), 0..20),
        agency in stream(agency_message().prop_map(|it| of_agency(&it))),
        central in stream(central_message().prop_map(|it| of_central(&it))),
    ) {
        run("frame_decoder", &[1, len_max], &pieces, &agency);
        run("frame_decoder", &[0, len_max], &pieces, &central);
    }

    #[test]
    fn the_centrals_session_answers_in_order_and_in_bounded_memory(
        limits in [0..3_u8, 0..5_u8],
        steps in vec(any::<u8>(), 1..120),
        greets in any::<bool>(),
        bytes in stream(agency_message().prop_map(|it| of_agency(&it))),
    ) {
        let hello = Hello { version: 1, agency: 7, draw_name: DrawName::default() };
        let hello = if greets { of_agency(&AgencyMessage::Hello(hello)) } else { Vec::new() };
        run("central_session", &limits, &steps, &[hello, bytes].concat());
    }

    #[test]
    fn the_agencys_session_asks_and_hears_what_the_protocol_allows(
        setting in [0..2_u8, 0..3_u8, 0..2_u8],
        steps in vec(any::<u8>(), 1..120),
        bytes in stream(central_message().prop_map(|it| of_central(&it))),
    ) {
        run("agency_session", &setting, &steps, &bytes);
    }
}
