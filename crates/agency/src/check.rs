//! The first reading of a file: all of it, before anything is sent.

use crate::error::{AgencyError, RowFault};
use crate::file::BetsFile;
use crate::limits::FAULTS_MAX;
use crate::plan::{Plan, PlanError, Terms, Totals};

/// What is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) totals: Totals,
    /// The first [`FAULTS_MAX`] rows at fault.
    pub(crate) refused_rows: Vec<RowFault>,
}

/// Reads the file through.
///
/// # Errors
/// When it can't be read, or has rows at fault and `skip_invalid` does not allow that.
pub(crate) fn check(
    file: &BetsFile,
    terms: Terms,
    skip_invalid: bool,
) -> Result<Checked, AgencyError> {
    let rows = file.rows().map_err(|error| file.read_error(error))?;
    let mut plan = Plan::new(rows, terms);
    let mut refused_rows = Vec::new();
    let mut refuse = |line, reason| {
        if refused_rows.len() < FAULTS_MAX {
            refused_rows.push(file.row_fault(line, reason));
        }
    };
    loop {
        match plan.next_batch(&mut refuse) {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(PlanError::Read(error)) => return Err(file.read_error(error)),
            Err(PlanError::TooManyBatches) => return Err(AgencyError::TooManyBatches),
        }
    }
    let totals = plan.totals();
    if totals.refused > 0 && !skip_invalid {
        return Err(AgencyError::BadRows { rows: refused_rows, count: totals.refused });
    }
    Ok(Checked { totals, refused_rows })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use lottery::{AgencyId, BetFault, NumberRange};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::error::RowReason;

    fn check_text(text: &str, skip_invalid: bool) -> Result<Checked, AgencyError> {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(text.as_bytes()).unwrap();
        let file = BetsFile::open(written.path(), CancellationToken::new()).unwrap();
        let terms = Terms {
            agency: AgencyId(1),
            bets_max: 93,
            frame_len_max: 8192,
            numbers: NumberRange::default(),
        };
        check(&file, terms, skip_invalid)
    }

    const GOOD: &str = "Ana,Paz,7,2000-01-01,22\n";

    #[test]
    fn a_good_file_is_counted() {
        let checked = check_text(&GOOD.repeat(94), false).unwrap();
        let expected = Totals { bets: 94, batches: 2, refused: 0 };
        assert_eq!((checked.totals, checked.refused_rows), (expected, vec![]));
        assert_eq!(check_text("", false).unwrap().totals, Totals::default());
    }

    #[test]
    fn every_row_at_fault_is_named_with_file_and_line() {
        let text = format!("{GOOD}Ana\n{GOOD}Ana,Paz,7,2000-02-30,22\n");
        let error = check_text(&text, false).unwrap_err();
        assert!(error.is_wrong_input());
        let said = error.to_string();
        let expected = ":2: a bet has five fields (first name, last name, document, birthdate, \
                        number), not 1; 1 other row is at fault too";
        assert!(said.ends_with(expected), "{said}");
        let AgencyError::BadRows { rows, count: 2 } = error else {
            panic!("{error:?}");
        };
        let found: Vec<_> = rows.iter().map(|row| (row.line, row.reason)).collect();
        let birthdate = RowReason::Bet(BetFault::Birthdate);
        assert_eq!(found, [(2, RowReason::FieldCount(1)), (4, birthdate)]);
        let checked = check_text(&text, true).unwrap();
        assert_eq!((checked.totals.bets, checked.totals.refused), (2, 2));
        assert_eq!(checked.refused_rows[1].line, 4);
    }

    #[test]
    fn the_rows_named_are_bounded_and_all_are_counted() {
        let Err(AgencyError::BadRows { rows, count }) = check_text(&"x\n".repeat(5_000), false)
        else {
            panic!("five thousand bad rows were accepted");
        };
        assert_eq!((rows.len(), count), (FAULTS_MAX, 5_000));
    }
}
