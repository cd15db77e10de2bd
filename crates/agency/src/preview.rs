//! What would be sent of a file, without a file and without sending: the reading of rows and the
//! making of batches alone, for checks of them. Holds everything in memory, unlike a run.

use std::io::{self, Read};

use lottery::{AgencyId, NumberRange};

use crate::error::RowReason;
use crate::form::Form;
use crate::plan::{Plan, PlanError, Terms};
use crate::rows::Rows;

/// All that would be sent, and all that would not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// In order, numbered from 0.
    pub batches: Vec<Batch>,
    /// The line that each refused row starts on, from 1, and what is wrong with it.
    pub refused: Vec<(u64, RowReason)>,
}

/// A batch that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its BETS message.
    pub frame: Vec<u8>,
    /// The line of each of its bets, from 1.
    pub lines: Vec<u64>,
}

/// Reads `input` as the file of `agency`, to be sent in messages of at most `frame_len_max` bytes
/// and `bets_max` bets.
///
/// # Errors
/// When it can't be read.
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
        match plan.next_batch(&mut |line, reason| refused.push((line, reason))) {
            Ok(Some(batch)) => batches.push(Batch { frame: batch.frame, lines: batch.lines }),
            Ok(None) => return Ok(Preview { batches, refused }),
            Err(PlanError::Read(error)) => return Err(error),
            Err(PlanError::TooManyBatches) => {
                return Err(io::Error::other("more batches than the protocol can number"));
            }
        }
    }
}
