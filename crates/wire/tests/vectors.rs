//! Tests of the field's messages in `vectors.json`: decoded and encoded exactly, in any pieces.

use serde_json::Value;
use std::slice::from_ref;
use wire::{
    AgencyMessage, BetsEncoder, CentralMessage, Documents, Frame, FrameReader, PayloadError, Sender,
};

struct Vector {
    name: String,
    senders: &'static [Sender],
    bytes: Vec<u8>,
    message: Value,
}

#[test]
fn every_vector_decodes_to_its_message() {
    for vector in vectors() {
        for sender in vector.senders {
            let read = match sender {
                Sender::Agency => agency_value(&AgencyMessage::decode(&vector.bytes)),
                Sender::Central => central_value(&CentralMessage::decode(&vector.bytes)),
            };
            assert_eq!(read, vector.message, "{}", vector.name);
        }
    }
}

#[test]
fn every_vector_encodes_to_its_bytes() {
    for vector in vectors() {
        for sender in vector.senders {
            let written = match sender {
                Sender::Agency => agency_bytes(&vector),
                Sender::Central => central_bytes(&vector.message),
            };
            assert_eq!(written, vector.bytes, "{}", vector.name);
        }
    }
}

#[test]
fn every_vector_decodes_at_every_split() {
    for vector in vectors() {
        for sender in vector.senders {
            for split in 0..=vector.bytes.len() {
                let (first, second) = vector.bytes.split_at(split);
                assert_eq!(read_pieces(*sender, &[first, second]), from_ref(&vector.message));
            }
            let bytes: Vec<_> = vector.bytes.chunks(1).collect();
            assert_eq!(read_pieces(*sender, &bytes), from_ref(&vector.message));
        }
    }
}

#[test]
fn all_vectors_of_a_side_decode_from_one_piece() {
    for sender in [Sender::Agency, Sender::Central] {
        let vectors = vectors();
        let vectors = || vectors.iter().filter(|vector| vector.senders.contains(&sender));
        let bytes: Vec<_> = vectors().flat_map(|vector| vector.bytes.clone()).collect();
        let messages: Vec<_> = vectors().map(|vector| vector.message.clone()).collect();
        assert!(messages.len() >= 4);
        assert_eq!(read_pieces(sender, &[&bytes]), messages);
    }
}

#[test]
fn a_vector_with_a_shorter_length_is_refused() {
    for vector in vectors() {
        let mut bytes = vector.bytes.clone();
        if bytes[1] != 12 || bytes.len() < 10 {
            continue;
        }
        bytes[3] -= 1;
        let trailing = wire::DecodeError::Trailing(1);
        assert_eq!(AgencyMessage::decode(&bytes), Err(trailing), "{}", vector.name);
    }
    let cut = Frame { id: 12, payload: b"1" };
    assert_eq!(AgencyMessage::from_frame(cut), Err(PayloadError::Malformed("BETS")));
}

fn vectors() -> Vec<Vector> {
    let vectors: Value = serde_json::from_str(include_str!("vectors.json")).expect("JSON");
    let vectors = vectors.as_array().expect("a list");
    assert_eq!(vectors.len(), 9);
    vectors.iter().map(vector).collect()
}

fn vector(vector: &Value) -> Vector {
    let senders: &[Sender] = match vector["from"].as_str() {
        Some("agency") => &[Sender::Agency],
        Some("central") => &[Sender::Central],
        Some("both") => &[Sender::Agency, Sender::Central],
        other => panic!("from {other:?}"),
    };
    let hex = vector["hex"].as_str().expect("hex").as_bytes();
    let byte = |digits: &[u8]| {
        u8::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("two digits")
    };
    Vector {
        name: vector["name"].as_str().expect("a name").to_owned(),
        senders,
        bytes: hex.chunks(2).map(byte).collect(),
        message: vector["message"].clone(),
    }
}

fn read_pieces(sender: Sender, pieces: &[&[u8]]) -> Vec<Value> {
    let mut reader = FrameReader::new(sender, 8192);
    let mut messages = Vec::new();
    for piece in pieces {
        reader.space()[..piece.len()].copy_from_slice(piece);
        reader.filled(piece.len());
        while let Some(frame) = reader.next_frame().expect("known messages") {
            messages.push(frame_value(sender, frame));
        }
    }
    assert!(!reader.is_mid_frame());
    messages
}

fn frame_value(sender: Sender, frame: Frame<'_>) -> Value {
    match sender {
        Sender::Agency => agency_value(&AgencyMessage::from_frame(frame)),
        Sender::Central => central_value(&CentralMessage::from_frame(frame)),
    }
}

fn agency_value<E: std::fmt::Debug>(message: &Result<AgencyMessage<'_>, E>) -> Value {
    match message {
        Ok(AgencyMessage::Bets(frame)) => {
            let bets = frame.raw_bets().expect("UTF-8").map(|bet| {
                let [first_name, last_name, document, birthdate, number] =
                    bet.expect("five fields");
                let number: u64 = number.parse().expect("digits");
                serde_json::json!([first_name, last_name, document, birthdate, number])
            });
            let bets: Vec<_> = bets.collect();
            serde_json::json!({
                "type": "BETS", "agency": frame.agency, "chunk": frame.chunk, "bets": bets,
            })
        }
        Ok(AgencyMessage::Finish { agency }) => {
            serde_json::json!({ "type": "FINISH", "agency": agency })
        }
        Ok(AgencyMessage::GetWinners { agency }) => {
            serde_json::json!({ "type": "GET_WINNERS", "agency": agency })
        }
        other => panic!("{other:?}"),
    }
}

fn central_value(message: &Result<CentralMessage<'_>, impl std::fmt::Debug>) -> Value {
    match message {
        Ok(CentralMessage::BetsAck { chunk }) => {
            serde_json::json!({ "type": "BETS_ACK", "chunk": chunk })
        }
        Ok(CentralMessage::FinishAck { agency }) => {
            serde_json::json!({ "type": "FINISH", "agency": agency })
        }
        Ok(CentralMessage::NoWinners) => serde_json::json!({ "type": "NO_WINNERS" }),
        Ok(CentralMessage::Winners(documents)) => {
            let documents: Vec<_> = documents.iter().collect();
            serde_json::json!({ "type": "WINNERS", "documents": documents })
        }
        other => panic!("{other:?}"),
    }
}

fn agency_bytes(vector: &Vector) -> Vec<u8> {
    let message = &vector.message;
    let mut bytes = Vec::new();
    let agency = number(&message["agency"]);
    match message["type"].as_str() {
        Some("BETS") => return bets_bytes(vector),
        Some("FINISH") => AgencyMessage::Finish { agency }.encode(&mut bytes),
        Some("GET_WINNERS") => AgencyMessage::GetWinners { agency }.encode(&mut bytes),
        other => panic!("{other:?}"),
    }
    bytes
}

/// The JSON has the numbers of bets without leading zeros ("0007"), so the digits are taken from
/// the bytes; all else is taken from the message.
fn bets_bytes(vector: &Vector) -> Vec<u8> {
    let message = &vector.message;
    let Ok(AgencyMessage::Bets(frame)) = AgencyMessage::decode(&vector.bytes) else {
        panic!("not BETS");
    };
    let (agency, chunk) = (number(&message["agency"]), number(&message["chunk"]));
    let mut encoder = BetsEncoder::new(agency, chunk, 8192);
    let bets = message["bets"].as_array().expect("a list");
    for (bet, raw) in bets.iter().zip(frame.raw_bets().expect("UTF-8")) {
        let field = |index: usize| bet[index].as_str().expect("text");
        let digits = raw.expect("five fields")[4];
        let pushed = encoder.try_push(&[field(0), field(1), field(2), field(3), digits]);
        assert_eq!(pushed, Ok(true));
    }
    let bytes = encoder.finish();
    let mut encoded = Vec::new();
    AgencyMessage::Bets(frame).encode(&mut encoded);
    assert_eq!(encoded, bytes, "both ways to write BETS");
    bytes
}

fn central_bytes(message: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match message["type"].as_str() {
        Some("BETS_ACK") => CentralMessage::BetsAck { chunk: number(&message["chunk"]) },
        Some("FINISH") => CentralMessage::FinishAck { agency: number(&message["agency"]) },
        Some("NO_WINNERS") => CentralMessage::NoWinners,
        Some("WINNERS") => {
            let documents = message["documents"].as_array().expect("a list").iter();
            let documents = documents.map(|document| document.as_str().expect("text"));
            CentralMessage::Winners(Documents::join(documents).expect("short"))
        }
        other => panic!("{other:?}"),
    }
    .encode(&mut bytes);
    bytes
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).expect("a u32")
}
