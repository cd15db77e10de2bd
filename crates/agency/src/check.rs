//! Validates the whole file before anything is sent.

use crate::error::{AgencyError, RowFault};
use crate::file::BetsFile;
use crate::limits::FAULTS_MAX;
use crate::plan::{Plan, PlanError, Terms, Totals};
use crate::reread::CheckedFile;
use crate::rows::Rows;

/// The result of validating a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) totals: Totals,
    /// The first [`FAULTS_MAX`] invalid rows.
    pub(crate) refused_rows: Vec<RowFault>,
}

/// The irregularities that are tolerated in a file.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Allowed {
    /// Invalid rows are skipped instead of failing the run.
    pub(crate) invalid: bool,
    /// The file may hold no bet to send.
    pub(crate) empty: bool,
}

/// Reads and validates the whole file.
///
/// # Errors
/// When the file can't be read, when its header row is a bet, when it makes too many batches, or
/// when it has invalid rows or no bets and `allowed` does not tolerate that.
pub(crate) fn check(
    file: &BetsFile,
    terms: Terms,
    allowed: Allowed,
) -> Result<Checked, AgencyError> {
    let header = file.header().map_err(|error| file.read_error(error))?;
    if let Some(row) = header.as_ref().map(Rows::row)
        && row.bet(terms.numbers).is_ok()
    {
        return Err(AgencyError::HeaderIsABet { file: file.path().to_owned(), line: row.line });
    }
    let mut plan = Plan::new(file.rows(), terms);
    let mut refused_rows = Vec::new();
    let mut refuse = |rows: &Rows<_>, reason| {
        if refused_rows.len() < FAULTS_MAX {
            refused_rows.push(file.row_fault(rows.line(), reason));
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
    let checked = || Box::new(CheckedFile::new(file, terms));
    if totals.refused > 0 && !allowed.invalid {
        let (count, looks) = (totals.refused, file.looks());
        return Err(AgencyError::BadRows { rows: refused_rows, count, looks, checked: checked() });
    }
    if totals.bets == 0 && !allowed.empty {
        let (refused, looks, checked) = (totals.refused, file.looks(), checked());
        let (file, rows) = (file.path().to_owned(), refused_rows);
        return Err(AgencyError::NoBets { file, refused, rows, looks, checked });
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
    use crate::form::Form;

    fn check_as(text: &str, form: Form, allowed: Allowed) -> Result<Checked, AgencyError> {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(text.as_bytes()).unwrap();
        let file = BetsFile::open(written.path(), form, CancellationToken::new()).unwrap();
        let terms = Terms {
            agency: AgencyId(1),
            bets_max: 93,
            frame_len_max: 8192,
            numbers: NumberRange::default(),
        };
        check(&file, terms, allowed)
    }

    fn check_text(text: &str, invalid: bool) -> Result<Checked, AgencyError> {
        check_as(text, Form::default(), Allowed { invalid, empty: false })
    }

    const GOOD: &str = "Ana,Paz,7,2000-01-01,22\n";

    #[test]
    fn a_file_without_bets_is_refused_unless_it_may_be_empty() {
        for (text, refused) in [("", 0), ("\r\n\n", 0), ("Ana;Paz;7;2000-01-01;22\nx\n", 2)] {
            let allowed = |empty| Allowed { invalid: true, empty };
            let error = check_as(text, Form::default(), allowed(false)).unwrap_err();
            let is_reported =
                matches!(error, AgencyError::NoBets { refused: said, .. } if said == refused);
            assert!(is_reported && error.is_wrong_input(), "{error:?}");
            assert!(error.to_string().contains("--allow-empty"), "{error}");
            assert_eq!(error.to_string().contains("--delimiter ';'"), refused > 0, "{error}");
            let checked = check_as(text, Form::default(), allowed(true)).unwrap();
            assert_eq!(checked.totals, Totals { refused, ..Totals::default() });
        }
    }

    #[test]
    fn a_header_is_not_sent_and_a_bet_in_its_place_is_refused() {
        let form = Form { header: true, ..Form::default() };
        let text = format!("\nnombre,apellido,documento,nacimiento,numero\n{GOOD}");
        let checked = check_as(&text, form, Allowed::default()).unwrap();
        assert_eq!(checked.totals, Totals { bets: 1, batches: 1, refused: 0 });
        let error = check_as(&GOOD.repeat(2), form, Allowed::default()).unwrap_err();
        assert!(error.is_wrong_input() && error.to_string().contains(":1: "), "{error}");
    }

    #[test]
    fn every_row_at_fault_is_named_with_file_and_line() {
        let text = format!("{GOOD}Ana\n{GOOD}Ana,Paz,7,2000-02-30,22\n");
        let error = check_text(&text, false).unwrap_err();
        assert!(error.is_wrong_input());
        let output = error.to_string();
        let expected = ":2: a bet has five fields (first name, last name, document, birthdate, \
                        number), not 1; 1 other row is invalid too";
        assert!(output.ends_with(expected), "{output}");
        let AgencyError::BadRows { rows, count: 2, .. } = error else {
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
        let Err(AgencyError::BadRows { rows, count, .. }) = check_text(&"x\n".repeat(5_000), false)
        else {
            panic!("five thousand bad rows were accepted");
        };
        assert_eq!((rows.len(), count), (FAULTS_MAX, 5_000));
    }
}
