//! Helpers that feed sessions and read what they send.
#![allow(dead_code, reason = "each test crate uses some of it")]

use wire::{
    AgencyEvent, AgencyMessage, AgencySession, CentralMessage, CentralSession, DrawName, DrawState,
    ErrorCode, ErrorMessage, FrameReader, Sender, Welcome,
};

pub(crate) fn feed(session: &mut CentralSession, bytes: &[u8]) {
    session.space()[..bytes.len()].copy_from_slice(bytes);
    session.filled(bytes.len());
}

pub(crate) fn feed_agency(session: &mut AgencySession, bytes: &[u8]) {
    session.space()[..bytes.len()].copy_from_slice(bytes);
    session.filled(bytes.len());
}

/// Takes and decodes all that `session` sends. Leaks the bytes.
pub(crate) fn sent(session: &mut CentralSession) -> Vec<CentralMessage<'static>> {
    let bytes = session.outgoing().to_vec();
    session.sent(bytes.len());
    central_messages(bytes.leak())
}

pub(crate) fn central_messages(bytes: &[u8]) -> Vec<CentralMessage<'_>> {
    frames(Sender::Central, bytes)
        .into_iter()
        .map(|bytes| CentralMessage::decode(bytes).expect("the central speaks its protocol"))
        .collect()
}

pub(crate) fn agency_messages(bytes: &[u8]) -> Vec<AgencyMessage<'_>> {
    frames(Sender::Agency, bytes)
        .into_iter()
        .map(|bytes| AgencyMessage::decode(bytes).expect("the agency speaks its protocol"))
        .collect()
}

fn frames(sender: Sender, bytes: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut reader = FrameReader::new(sender, 65_539);
        let mut len = 0;
        while reader.next_frame().expect("a known message").is_none() {
            reader.space()[0] = rest[len];
            reader.filled(1);
            len += 1;
        }
        frames.push(&rest[..len]);
        rest = &rest[len..];
    }
    frames
}

pub(crate) fn encode(message: &AgencyMessage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

pub(crate) fn encode_central(messages: &[CentralMessage<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in messages {
        message.encode(&mut bytes);
    }
    bytes
}

pub(crate) fn bets(agency: u32, chunk: u32) -> Vec<u8> {
    let bets = wire::BetsFrame { agency, chunk, bets: Some(b"||||") };
    encode(&AgencyMessage::Bets(bets))
}

pub(crate) fn hello(agency: u32) -> Vec<u8> {
    let draw_name = DrawName::default();
    encode(&AgencyMessage::Hello(wire::Hello { version: 1, agency, draw_name }))
}

pub(crate) fn finish(agency: u32) -> Vec<u8> {
    encode(&AgencyMessage::Finish { agency })
}

pub(crate) fn get_winners(agency: u32) -> Vec<u8> {
    encode(&AgencyMessage::GetWinners { agency })
}

pub(crate) fn welcome(agency: u32, window: u16) -> Welcome<'static> {
    Welcome {
        version: 1,
        agency,
        window,
        frame_len_max: 8192,
        number_min: 0,
        number_max: 9999,
        chunks_stored: 0,
        bets_stored: 0,
        prefix_digest: [0; 32],
        state: DrawState::Open,
        draw_name: DrawName::new("N8").expect("short"),
    }
}

pub(crate) fn ack(chunk: u32) -> CentralMessage<'static> {
    CentralMessage::BetsAck { chunk }
}

pub(crate) fn closing(code: ErrorCode) -> ErrorMessage {
    ErrorMessage::closing(code, "because")
}

pub(crate) fn of_chunk(code: ErrorCode, chunk: u32) -> ErrorMessage {
    ErrorMessage::of_chunk(code, chunk, "because")
}

/// Summarises messages: the code and chunk of ERROR, the name of others.
pub(crate) fn gist(messages: &[CentralMessage<'_>]) -> Vec<String> {
    let gist = |message: &CentralMessage<'_>| match message {
        CentralMessage::Error(error) => match error.chunk() {
            Some(chunk) => format!("{:?} of {chunk}", error.code()),
            None => format!("{:?}", error.code()),
        },
        CentralMessage::BetsAck { chunk } => format!("ack {chunk}"),
        other => other.name().to_owned(),
    };
    messages.iter().map(gist).collect()
}

pub(crate) fn events(session: &mut AgencySession) -> Vec<AgencyEvent> {
    let mut events = Vec::new();
    while let Some(event) = session.next_event().expect("the central makes sense") {
        events.push(event);
    }
    events
}
