//! Text of a batch into `lottery::Bets`.
//!
//! Input: the range of numbers, the text (up to its first byte that is not UTF-8).

use lottery::limits::{BATCH_TEXT_LEN_MAX, FAULTS_MAX};
use lottery::{
    AgencyId, BetFault, Bets, BetsFault, ChunkDigest, ChunkId, DrawId, NumberRange, StoredBatch,
};
use sha2::{Digest as _, Sha256};

use crate::decisions::Decisions;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let range = range(&mut decisions);
    let text = utf8(decisions.rest());
    match Bets::parse(text, range) {
        Ok(bets) => accepted(text, &bets, range),
        Err(BetsFault::TooLong) => assert!(text.len() > BATCH_TEXT_LEN_MAX),
        Err(BetsFault::Bets { faults, count }) => {
            let expected = faults_one_by_one(text, range);
            assert_eq!(count as usize, expected.len());
            let found: Vec<_> = faults.iter().map(|it| (it.position, it.fault)).collect();
            assert_eq!(found, expected[..expected.len().min(FAULTS_MAX)]);
        }
    }
}

/// The default range, all numbers, or any.
pub(crate) fn range(decisions: &mut Decisions<'_>) -> NumberRange {
    match decisions.below(3) {
        0 => NumberRange::default(),
        1 => NumberRange::new(0, u32::MAX).expect("0 is the least"),
        _ => {
            let (a, b) = (decisions.u32(), decisions.u32());
            NumberRange::new(a.min(b), a.max(b)).expect("in order")
        }
    }
}

fn utf8(bytes: &[u8]) -> &str {
    bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid())
}

fn accepted(text: &str, bets: &Bets, range: NumberRange) {
    assert_eq!(bets.text(), canonical(text), "another canonical text");
    assert_eq!(Bets::parse(bets.text(), range).as_ref(), Ok(bets), "it reads back as another");
    let digest: [u8; 32] = Sha256::digest(bets.text()).into();
    assert_eq!(*bets.digest(), ChunkDigest(digest));
    assert_eq!(bets.count() as usize, text.split('&').count());
    assert!(bets.text().len() <= text.len());

    let stored =
        StoredBatch { draw: DrawId(1), agency: AgencyId(1), chunk: ChunkId(0), text: bets.text() };
    let stored: Vec<_> = stored.bets().collect::<Result<_, _>>().expect("what is stored is sound");
    let numbers: Vec<_> = stored.iter().map(lottery::Bet::number).collect();
    assert_eq!(numbers, bets.numbers());
    assert!(numbers.iter().all(|number| range.contains(*number)));
    let texts: Vec<_> = stored.iter().map(ToString::to_string).collect();
    assert_eq!(texts.join("&"), bets.text());
}

/// The same text with the zeros in front of each number left out.
fn canonical(text: &str) -> String {
    let bets = text.split('&').map(|bet| {
        let (fields, number) = bet.rsplit_once('|').expect("an accepted bet has fields");
        let number = number.trim_start_matches('0');
        format!("{fields}|{}", if number.is_empty() { "0" } else { number })
    });
    bets.collect::<Vec<_>>().join("&")
}

fn faults_one_by_one(text: &str, range: NumberRange) -> Vec<(u32, BetFault)> {
    let alone = |bet: &str| match Bets::parse(bet, range) {
        Ok(_) => None,
        Err(BetsFault::Bets { faults, count: 1 }) => Some(faults[0].fault),
        Err(other) => panic!("one bet alone: {other}"),
    };
    let bets = (0..).zip(text.split('&'));
    bets.filter_map(|(position, bet)| Some((position, alone(bet)?))).collect()
}
