//! Messages of the sessions' tests.
#![allow(dead_code, reason = "each test crate uses some of it")]

use wire::{
    AgencyMessage, BetsFrame, CentralMessage, DrawName, DrawState, ErrorCode, ErrorMessage, Welcome,
};

pub(crate) fn encode(message: &AgencyMessage<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    bytes
}

pub(crate) fn encode_central(messages: &[CentralMessage<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| message.encode(&mut bytes));
    bytes
}

pub(crate) fn bets(agency: u32, chunk: u32) -> Vec<u8> {
    encode(&AgencyMessage::Bets(BetsFrame { agency, chunk, bets: Some(b"||||") }))
}

pub(crate) fn ack(chunk: u32) -> CentralMessage<'static> {
    CentralMessage::BetsAck { chunk }
}

pub(crate) fn of_chunk(code: ErrorCode, chunk: u32) -> ErrorMessage {
    ErrorMessage::of_chunk(code, chunk, "because")
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
