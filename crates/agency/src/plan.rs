//! Groups the rows of a file into batches.
//!
//! Invariants:
//! - bets are added to a batch in order until it holds the maximum number of bets or the next bet
//!   would make its message too long; that bet begins the next batch;
//! - the same rows with the same [`Terms`] always make the same batches, numbered from 0, so that
//!   a run can resume what an interrupted one stored;
//! - every batch has at least one bet;
//! - invalid rows are reported to the caller and skipped.

use std::fmt::Write;
use std::io::{self, Read};

use lottery::{AgencyId, Bet, ChunkDigest, NumberRange, PrefixDigest};
use wire::BetsEncoder;

use crate::error::RowReason;
use crate::rows::Rows;

/// What determines the batches, besides the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) agency: AgencyId,
    pub(crate) bets_max: u32,
    /// Maximum length of a whole message, including its header.
    pub(crate) frame_len_max: u32,
    pub(crate) numbers: NumberRange,
}

/// An iterator-like reader that makes batches of rows.
#[derive(Debug)]
pub(crate) struct Plan<R> {
    rows: Rows<R>,
    terms: Terms,
    /// Whether the current row did not fit in the last batch.
    row_waits: bool,
    totals: Totals,
    /// All batches up to the last one made.
    prefix: Prefix,
    birthdate: String,
    number: String,
}

/// A batch that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) chunk: u32,
    /// The encoded BETS message.
    pub(crate) frame: Vec<u8>,
    /// The line of each bet, in order.
    pub(crate) lines: Vec<u64>,
    /// All batches up to and including this one.
    pub(crate) prefix: Prefix,
}

/// The first batches of an agency, in the form in which the central reports what it has stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) chunks: u64,
    pub(crate) bets: u64,
    pub(crate) digest: PrefixDigest,
}

/// The counts of the rows read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) bets: u64,
    pub(crate) batches: u64,
    pub(crate) refused: u64,
}

/// Why the next batch can't be made.
#[derive(Debug)]
pub(crate) enum PlanError {
    Read(io::Error),
    TooManyBatches,
}

impl<R: Read> Plan<R> {
    pub(crate) fn new(rows: Rows<R>, terms: Terms) -> Self {
        Self {
            rows,
            terms,
            row_waits: false,
            totals: Totals::default(),
            prefix: Prefix::EMPTY,
            birthdate: String::new(),
            number: String::new(),
        }
    }

    /// Returns the next batch; `None` after the last. Calls `refuse` at each invalid row.
    ///
    /// # Errors
    /// When the rows can't be read, or there are more batches than chunk ids.
    pub(crate) fn next_batch(
        &mut self,
        refuse: &mut dyn FnMut(&Rows<R>, RowReason),
    ) -> Result<Option<Batch>, PlanError> {
        let Terms { agency, bets_max, frame_len_max, numbers } = self.terms;
        let chunk_wanted = self.totals.batches;
        // Past the last chunk id any id works: it only serves to detect more bets.
        let chunk = u32::try_from(chunk_wanted).unwrap_or(u32::MAX);
        let mut encoder = BetsEncoder::new(agency.0, chunk, frame_len_max);
        let mut lines = Vec::new();
        while encoder.bets() < bets_max {
            if !self.row_waits && !self.rows.advance().map_err(PlanError::Read)? {
                break;
            }
            self.row_waits = false;
            let row = self.rows.row();
            let pushed = row.bet(numbers).and_then(|bet| {
                let texts = (&mut self.birthdate, &mut self.number);
                push(&mut encoder, &bet, texts, frame_len_max)
            });
            match pushed {
                Ok(true) => lines.push(row.line),
                Ok(false) => {
                    self.row_waits = true;
                    break;
                }
                Err(reason) => {
                    self.totals.refused += 1;
                    refuse(&self.rows, reason);
                }
            }
        }
        if encoder.is_empty() {
            return Ok(None);
        }
        if u64::from(chunk) != chunk_wanted {
            return Err(PlanError::TooManyBatches);
        }
        let text = str::from_utf8(encoder.bets_text()).expect("a batch is made of text");
        self.totals.batches += 1;
        self.totals.bets += u64::from(encoder.bets());
        self.prefix = Prefix {
            chunks: self.totals.batches,
            bets: self.totals.bets,
            digest: self.prefix.digest.then(&ChunkDigest::of(text)),
        };
        Ok(Some(Batch { chunk, frame: encoder.finish(), lines, prefix: self.prefix }))
    }

    pub(crate) fn terms(&self) -> Terms {
        self.terms
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }
}

impl Batch {
    /// Returns the number of bets.
    pub(crate) fn bets(&self) -> usize {
        self.lines.len()
    }
}

impl Prefix {
    pub(crate) const EMPTY: Self = Self { chunks: 0, bets: 0, digest: PrefixDigest::EMPTY };
}

/// Adds a bet in its canonical form; returns `false` when it belongs in the next batch.
fn push(
    encoder: &mut BetsEncoder,
    bet: &Bet<'_>,
    (birthdate, number): (&mut String, &mut String),
    frame_len_max: u32,
) -> Result<bool, RowReason> {
    birthdate.clear();
    number.clear();
    write!(birthdate, "{}", bet.birthdate()).expect("a string takes all that is written");
    write!(number, "{}", bet.number()).expect("a string takes all that is written");
    let fields = [bet.first_name(), bet.last_name(), bet.document(), birthdate, number];
    // A checked bet holds no separators, so the only possible error is its length.
    encoder.try_push(&fields).map_err(|_| RowReason::Message(frame_len_max))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::AgencyMessage;

    use super::*;
    use crate::form::Form;

    fn terms(bets_max: u32, frame_len_max: u32) -> Terms {
        Terms { agency: AgencyId(1), bets_max, frame_len_max, numbers: NumberRange::default() }
    }

    fn plan(text: &str, terms: Terms) -> (Vec<Batch>, Vec<(u64, RowReason)>, Totals) {
        plan_of(text.as_bytes(), Form::default(), terms)
    }

    fn plan_of(
        text: &[u8],
        form: Form,
        terms: Terms,
    ) -> (Vec<Batch>, Vec<(u64, RowReason)>, Totals) {
        let mut plan = Plan::new(Rows::new(text, form), terms);
        let (mut batches, mut refused) = (Vec::new(), Vec::new());
        while let Some(batch) =
            plan.next_batch(&mut |rows, reason| refused.push((rows.line(), reason))).unwrap()
        {
            batches.push(batch);
        }
        (batches, refused, plan.totals())
    }

    fn text_of(batch: &Batch) -> String {
        let Ok(AgencyMessage::Bets(bets)) = AgencyMessage::decode(&batch.frame) else {
            panic!("not a BETS message");
        };
        assert_eq!((bets.agency, bets.chunk), (1, batch.chunk));
        bets.text().unwrap().expect("a batch has bets").to_owned()
    }

    #[test]
    fn the_same_bets_make_the_same_batches_however_the_file_is_written() {
        let text = "José,Ñandú,7,2000-01-01,22\n\"Paz, la\",Ana,8,2000-01-02,0023\n";
        let (expected, ..) = plan(text, terms(1, 8192));
        assert_eq!(expected.len(), 2);
        let sheet = "Nombre;Apellido;Documento;Nacimiento;Número\r\n\
                     José;Ñandú;7;2000-01-01;22\r\nPaz, la;Ana;8;2000-01-02;23\r\n";
        let latin: Vec<_> = sheet.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let utf16: Vec<_> = sheet.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, encoding) in [(latin, "latin1"), (utf16, "utf-16le")] {
            let (delimiter, encoding) = (";".parse().unwrap(), encoding.parse().unwrap());
            let form = Form { delimiter, header: true, encoding };
            let (batches, refused, _) = plan_of(&bytes, form, terms(1, 8192));
            assert_eq!(refused, []);
            for (batch, expected) in batches.iter().zip(&expected) {
                // Compare all but the lines, which the header shifts by one.
                assert_eq!(
                    *batch,
                    Batch { lines: vec![expected.lines[0] + 1], ..expected.clone() }
                );
            }
            assert_eq!(batches.len(), expected.len());
        }
    }

    #[test]
    fn a_bet_too_long_for_its_message_is_at_fault() {
        let name = "x".repeat(100);
        let longest = format!("{name},{name},123456789012345,2000-01-01,4294967295\n");
        let terms = Terms {
            agency: AgencyId(u32::MAX),
            numbers: NumberRange::new(0, u32::MAX).unwrap(),
            ..terms(1, 256)
        };
        // The bet fits exactly as long as the chunk id has one digit.
        let (batches, refused, _) = plan(&longest.repeat(11), terms);
        assert_eq!((batches.len(), batches[9].frame.len()), (10, 256));
        assert_eq!(refused, [(11, RowReason::Message(256))]);
    }

    proptest! {
        #[test]
        fn batches_keep_both_limits_and_are_the_file_in_order(
            rows in prop::collection::vec(
                ("[a-zñ]{1,50}", "[A-Z]{1,50}", "[0-9]{1,15}", 0_u32..10_000), 0..60,
            ),
            bets_max in 1_u32..20,
            frame_len_max in 256_u32..1_500,
        ) {
            let texts: Vec<_> =
                rows.iter().map(|(f, l, d, n)| format!("{f}|{l}|{d}|2000-01-01|{n}")).collect();
            let csv: String = texts.iter().map(|text| text.replace('|', ",") + "\n").collect();
            let (batches, refused, totals) = plan(&csv, terms(bets_max, frame_len_max));
            prop_assert_eq!(refused, []);
            prop_assert_eq!(totals.bets, rows.len() as u64);
            let mut prefix = Prefix::EMPTY;
            let mut sent = Vec::new();
            for (chunk, batch) in (0..).zip(&batches) {
                prop_assert_eq!(batch.chunk, chunk);
                prop_assert!(batch.bets() >= 1 && batch.bets() <= bets_max as usize);
                prop_assert!(batch.frame.len() <= frame_len_max as usize);
                let text = text_of(batch);
                prefix.chunks += 1;
                prefix.bets += batch.bets() as u64;
                prefix.digest = prefix.digest.then(&ChunkDigest::of(&text));
                prop_assert_eq!(batch.prefix, prefix);
                sent.extend(text.split('&').map(str::to_owned));
            }
            prop_assert_eq!(&sent, &texts);
            let lines: Vec<_> = batches.iter().flat_map(|batch| batch.lines.clone()).collect();
            prop_assert_eq!(lines, (1..=rows.len() as u64).collect::<Vec<_>>());
            // No batch has room for the bet that begins the next one.
            for pair in batches.windows(2) {
                let first_of_next = text_of(&pair[1]).split('&').next().unwrap().len();
                let full = pair[0].bets() == bets_max as usize;
                let len_with_it = pair[0].frame.len() + 1 + first_of_next;
                prop_assert!(full || len_with_it > frame_len_max as usize);
            }
        }
    }
}
