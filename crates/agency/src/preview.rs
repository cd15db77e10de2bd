//! Computes the batches that some input would make, without sending them. Used to test the parsing
//! of rows and the making of batches alone. Unlike a run, it holds everything in memory.

use std::io::{self, Read};

use lottery::{AgencyId, NumberRange};

use crate::error::RowReason;
use crate::form::Form;
use crate::plan::{Plan, PlanError, Terms};
use crate::rows::Rows;

/// The batches that would be sent and the rows that would be refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// The batches in order, numbered from 0.
    pub batches: Vec<Batch>,
    /// Each refused row: the line it starts on, counted from 1, and the reason.
    pub refused: Vec<(u64, RowReason)>,
}

/// A batch that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The encoded BETS message.
    pub frame: Vec<u8>,
    /// The line of each bet, counted from 1.
    pub lines: Vec<u64>,
}

/// Reads `input` as the file of `agency` and returns the batches it makes, with messages of at most
/// `frame_len_max` bytes and `bets_max` bets.
///
/// # Errors
/// When `input` can't be read.
pub fn preview(
    input: impl Read,
    agency: AgencyId,
    bets_max: u32,
    frame_len_max: u32,
    numbers: NumberRange,
) -> io::Result<Preview> {
    let terms = Terms { agency, bets_max, frame_len_max, numbers };
    let mut plan = Plan::new(Rows::new(input, Form::default()), terms);
    let (mut batches, mut refused) = (Vec::new(), Vec::new());
    loop {
        match plan.next_batch(&mut |rows, reason| refused.push((rows.line(), reason))) {
            Ok(Some(batch)) => batches.push(Batch { frame: batch.frame, lines: batch.lines }),
            Ok(None) => return Ok(Preview { batches, refused }),
            Err(PlanError::Read(error)) => return Err(error),
            Err(PlanError::TooManyBatches) => {
                return Err(io::Error::other("more batches than the protocol can number"));
            }
        }
    }
}
