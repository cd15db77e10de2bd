//! Feeds an arbitrary file to the agency's parsing of rows and making of batches.
//!
//! Input: range of numbers, maximum bets, maximum message length, size of reads, the file.

use std::io::{self, Read};

use agency::RowReason;
use agency::limits::{BATCH_BETS_MAX, FRAME_LEN_MAX, ROW_LEN_MAX};
use agency::preview::{Preview, preview};
use lottery::{AgencyId, Bet, Bets, NumberRange};
use wire::limits::FRAME_LEN_LEAST;
use wire::{AgencyMessage, BetsFrame};

use crate::bets_text::range;
use crate::decisions::Decisions;

const AGENCY: AgencyId = AgencyId(3);
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn check(input: &[u8]) {
    let mut decisions = Decisions::new(input);
    let numbers = range(&mut decisions);
    let bets_max = decisions.one_of(&[BATCH_BETS_MAX, 1, 2]);
    let len_max = decisions.one_of(&[FRAME_LEN_MAX, FRAME_LEN_LEAST, 300]);
    let piece_len = decisions.one_of(&[1, 2, 7, 100]);
    let file = decisions.rest();

    let read = |piece_len| {
        let pieces = Pieces { unread: file, piece_len };
        preview(pieces, AGENCY, bets_max, len_max, numbers).expect("reading memory can't fail")
    };
    let found = read(usize::MAX);
    assert!(found == read(piece_len), "it depends on the pieces that the file is read in");

    let lines = lines(file);
    let accepted = accepted_bets(&found, bets_max, len_max, numbers);
    told_once_and_in_order(&found, lines.len());
    for (line, bet) in &accepted {
        let line = lines[line_index(*line)];
        assert_eq!(row(line, numbers).as_ref(), Ok(bet), "not what the line says");
    }
    if !file.contains(&b'"') {
        every_line_is_a_row(&lines, &found, &accepted, numbers);
    }
}

/// A reader that returns a few bytes at a time.
struct Pieces<'a> {
    unread: &'a [u8],
    piece_len: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.piece_len.min(buffer.len());
        self.unread.read(&mut buffer[..len])
    }
}

/// Returns the lines of the file, with any line ending, without the byte order mark.
fn lines(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = file.strip_prefix(BYTE_ORDER_MARK).unwrap_or(file);
    let mut lines = Vec::new();
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        lines.push(&rest[..end]);
        let crlf = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + 1 + usize::from(crlf)..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Converts a line number, counted from 1, to an index in `lines`.
fn line_index(line: u64) -> usize {
    usize::try_from(line).expect("few lines").checked_sub(1).expect("lines are counted from 1")
}

/// Returns the bets in the batches with their lines, validating each batch as a central would.
fn accepted_bets(
    found: &Preview,
    bets_max: u32,
    len_max: u32,
    numbers: NumberRange,
) -> Vec<(u64, String)> {
    let mut accepted = Vec::new();
    for (chunk, batch) in (0..).zip(&found.batches) {
        assert!(batch.frame.len() <= len_max as usize, "a message longer than the limit");
        let Ok(AgencyMessage::Bets(message)) = AgencyMessage::decode(&batch.frame) else {
            panic!("a batch is not a BETS message");
        };
        let expected = BetsFrame { agency: AGENCY.0, chunk, bets: message.bets };
        assert_eq!(message, expected, "of another agency or chunk");
        let text = message.text().expect("a batch is UTF-8").expect("a batch has bets");
        let bets = Bets::parse(text, numbers).expect("the central takes what the agency accepts");
        assert_eq!(bets.text(), text, "sent in its canonical form");
        assert!(bets.count() <= bets_max && bets.count() as usize == batch.lines.len());
        accepted.extend(batch.lines.iter().copied().zip(text.split('&').map(str::to_owned)));
    }
    accepted
}

/// Checks that no row is both accepted and refused, that rows are in order, and that lines exist.
fn told_once_and_in_order(found: &Preview, line_count: usize) {
    let accepted: Vec<u64> = found.batches.iter().flat_map(|it| it.lines.clone()).collect();
    let refused: Vec<u64> = found.refused.iter().map(|(line, _)| *line).collect();
    for lines in [&accepted, &refused] {
        assert!(lines.is_sorted_by(|a, b| a < b), "rows out of order");
        assert!(
            lines.iter().all(|line| line_index(*line) < line_count),
            "a line that is not there"
        );
    }
    assert!(accepted.iter().all(|line| refused.binary_search(line).is_err()), "told twice");
    for (line, reason) in &found.refused {
        if let RowReason::Lines(last) = reason {
            assert!(last > line && line_index(*last) < line_count, "it ends behind the file");
        }
    }
}

/// Returns the bet in a line, as text.
fn row(line: &[u8], numbers: NumberRange) -> Result<String, RowReason> {
    if line.len() > ROW_LEN_MAX {
        return Err(RowReason::TooLong);
    }
    let fields: [Vec<u8>; 5] = fields(line)
        .ok_or(RowReason::Quotes)?
        .try_into()
        .map_err(|fields: Vec<_>| RowReason::FieldCount(fields.len()))?;
    let mut texts = [""; 5];
    for (text, field) in texts.iter_mut().zip(&fields) {
        *text = str::from_utf8(field).map_err(|_| RowReason::NotUtf8)?;
    }
    Bet::check(texts, numbers).map(|bet| bet.to_string()).map_err(RowReason::Bet)
}

/// Returns the fields of a row on one line; `None` if a quotation mark is misplaced.
fn fields(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let mut field = Vec::new();
        if let Some(mut quoted) = rest.strip_prefix(b"\"") {
            loop {
                let mark = quoted.iter().position(|byte| *byte == b'"')?;
                field.extend_from_slice(&quoted[..mark]);
                quoted = &quoted[mark + 1..];
                // A doubled quotation mark stands for one.
                let Some(behind) = quoted.strip_prefix(b"\"") else { break };
                field.push(b'"');
                quoted = behind;
            }
            rest = quoted;
        } else {
            let len = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
            field.extend_from_slice(&rest[..len]);
            rest = &rest[len..];
            if field.contains(&b'"') {
                return None;
            }
        }
        fields.push(field);
        match rest {
            [] => return Some(fields),
            [b',', behind @ ..] => rest = behind,
            _ => return None,
        }
    }
}

/// Checks that, in a file without quotation marks, each nonempty line is a row.
fn every_line_is_a_row(
    lines: &[&[u8]],
    found: &Preview,
    accepted: &[(u64, String)],
    numbers: NumberRange,
) {
    let (mut accepted, mut refused) = (accepted.iter(), found.refused.iter());
    for (number, line) in (1..).zip(lines).filter(|(_, line)| !line.is_empty()) {
        let expected = row(line, numbers);
        let is_found = match &expected {
            Ok(bet) if accepted.as_slice().first() == Some(&(number, bet.clone())) => {
                accepted.next().is_some()
            }
            // Only this outcome depends on the message length.
            Ok(_) => {
                matches!(refused.next(), Some((line, RowReason::Message(_))) if *line == number)
            }
            Err(reason) => refused.next() == Some(&(number, *reason)),
        };
        assert!(is_found, "line {number} should be {expected:?}");
    }
    assert!(accepted.next().is_none() && refused.next().is_none(), "rows that are not there");
}
