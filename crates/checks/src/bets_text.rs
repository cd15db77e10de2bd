//! Parses the text of a batch with `lottery::Bets`.
//!
//! Input: the range of numbers, the text (up to its first byte that is not UTF-8).

use lottery::limits::{BATCH_TEXT_LEN_MAX, DOCUMENT_LEN_MAX, FAULTS_MAX, NAME_LEN_MAX};
use lottery::{
    AgencyId, BetFault, BetKey, Bets, BetsFault, ChunkDigest, ChunkId, DrawId, NumberRange,
    StoredBatch,
};
use sha2::{Digest as _, Sha256};

use crate::decisions::Decisions;

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let range = range(&mut decisions);
    let text = utf8(decisions.rest());
    match Bets::parse(text, range) {
        Ok(bets) => {
            assert_eq!(faults_one_by_one(text, range), [], "accepted, though at fault");
            accepted(text, &bets, range);
        }
        Err(BetsFault::TooLong) => assert!(text.len() > BATCH_TEXT_LEN_MAX),
        Err(BetsFault::Bets { faults, count }) => {
            let expected = faults_one_by_one(text, range);
            assert!(count > 0, "refused without a fault");
            assert_eq!(count as usize, expected.len());
            let found: Vec<_> = faults.iter().map(|it| (it.position, it.fault)).collect();
            assert_eq!(found, expected[..expected.len().min(FAULTS_MAX)]);
        }
    }
}

/// Returns the default range, the range of all numbers, or an arbitrary one.
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
    let numbers: Vec<_> = stored.iter().map(|(_, bet)| bet.number()).collect();
    assert_eq!(numbers, bets.numbers());
    assert!(numbers.iter().all(|number| range.contains(*number)));
    let keys: Vec<_> = stored.iter().map(|(_, bet)| BetKey::of(bet)).collect();
    assert!(bets.keys().eq(keys), "other keys");
    let texts: Vec<_> = stored.iter().map(|(_, bet)| bet.to_string()).collect();
    assert_eq!(texts.join("&"), bets.text());
}

/// Returns the text without the leading zeros of each number.
fn canonical(text: &str) -> String {
    let bets = text.split('&').map(|bet| {
        let (fields, number) = bet.rsplit_once('|').expect("an accepted bet has fields");
        let number = number.trim_start_matches('0');
        format!("{fields}|{}", if number.is_empty() { "0" } else { number })
    });
    bets.collect::<Vec<_>>().join("&")
}

/// Returns the invalid bets, by a naive implementation of the documented rules.
fn faults_one_by_one(text: &str, range: NumberRange) -> Vec<(u32, BetFault)> {
    let bets = (0..).zip(text.split('&'));
    bets.filter_map(|(position, bet)| Some((position, fault_of(bet, range)?))).collect()
}

fn fault_of(bet: &str, range: NumberRange) -> Option<BetFault> {
    let fields: Vec<&str> = bet.split('|').collect();
    let &[first_name, last_name, document, birthdate, number] = &fields[..] else {
        return Some(BetFault::FieldCount);
    };
    let is_name = |name: &str| {
        (1..=NAME_LEN_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
    };
    let of_document = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    // Leading zeros are ignored, and a number that does not fit is too large.
    let value = number.trim_start_matches('0');
    let value: u128 = if value.is_empty() { 0 } else { value.parse().unwrap_or(u128::MAX) };
    let checks = [
        (is_name(first_name), BetFault::FirstName),
        (is_name(last_name), BetFault::LastName),
        (
            (1..=DOCUMENT_LEN_MAX).contains(&document.len()) && document.chars().all(of_document),
            BetFault::Document,
        ),
        (is_day(birthdate), BetFault::Birthdate),
        (digits(number), BetFault::NumberFormat),
        ((range.min().into()..=range.max().into()).contains(&value), BetFault::NumberRange),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault)
}

/// Returns whether the text is a valid date in the years 1 to 9999, written `YYYY-MM-DD`.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let &[year, month, day] = &parts[..] else { return false };
    let number = |text: &str, len: usize| {
        let digits = text.len() == len && text.chars().all(|c| c.is_ascii_digit());
        digits.then(|| text.parse::<usize>().ok()).flatten()
    };
    let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap { 29 } else { 28 };
    let days = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    year > 0 && month > 0 && days.get(month - 1).is_some_and(|days| (1..=*days).contains(&day))
}
