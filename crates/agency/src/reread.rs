//! Reads a validated file again, for reports: its rejected rows, and the bets that won.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;

use crate::error::{AgencyError, RowFault};
use crate::file::BetsFile;
use crate::form::Delimiter;
use crate::options::Report;
use crate::plan::{Plan, PlanError, Terms};
use crate::rows::Rows;

/// A file and the terms under which it was validated.
#[derive(Clone, Debug)]
pub struct CheckedFile {
    file: BetsFile,
    terms: Terms,
}

/// The rows of a file that were not sent.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    checked: &'a CheckedFile,
    by_central: &'a [RowFault],
}

/// A winning bet, as far as the file tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinningBet {
    /// The bettor's document, as the central reported it.
    pub document: String,
    /// First name, last name, birthdate and number; empty where the file does not tell.
    pub rest: [String; 4],
}

/// The winning bets of an agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinningBets {
    /// The bets, in the central's order.
    pub bets: Vec<WinningBet>,
    /// Whether the file tells which bet of each document won.
    pub known: bool,
}

/// The bets of a file on one number, by document.
type ByDocument<'a> = HashMap<&'a str, VecDeque<[String; 4]>>;

impl CheckedFile {
    pub(crate) fn new(file: &BetsFile, terms: Terms) -> Self {
        Self { file: file.unstoppable(), terms }
    }

    pub(crate) fn rejected<'a>(&'a self, by_central: &'a [RowFault]) -> Rejected<'a> {
        Rejected { checked: self, by_central }
    }

    /// Calls `each` with the fields and the line of every bet that can be sent.
    fn bets(&self, mut each: impl FnMut(u64, [&str; 5])) -> io::Result<()> {
        let mut plan = Plan::new(self.file.rows(), self.terms);
        while let Some(batch) = plan.next_batch(&mut |_, _| {}).map_err(as_io)? {
            let text =
                str::from_utf8(&batch.frame[FRAME_HEADER_LEN..]).map_err(io::Error::other)?;
            // The first two parts are the agency and the chunk.
            for (line, bet) in batch.lines.iter().zip(text.split('&').skip(2)) {
                let fields: Vec<_> = bet.split('|').collect();
                let fields = fields.try_into().expect("a batch holds bets of five fields");
                each(*line, fields);
            }
        }
        Ok(())
    }
}

/// The length of a BETS message before its text: id and length.
const FRAME_HEADER_LEN: usize = 4;

impl Rejected<'_> {
    /// Returns the field separator of the file.
    #[must_use]
    pub fn delimiter(&self) -> Delimiter {
        self.checked.file.form().delimiter
    }

    /// Calls `each` with every rejected row: its fault, and its cells as far as they can be read.
    ///
    /// # Errors
    /// When the file can't be read or has changed, and those of `each`.
    pub fn each(
        &self,
        each: &mut dyn FnMut(&RowFault, &[Cow<'_, str>]) -> io::Result<()>,
    ) -> Result<(), io::Error> {
        let CheckedFile { file, terms } = self.checked;
        let mut written = Ok(());
        let mut refuse = |rows: &Rows<_>, reason| {
            if written.is_ok() {
                let cells: Vec<_> = rows.cells().collect();
                written = each(&file.row_fault(rows.line(), reason), &cells);
            }
        };
        let mut plan = Plan::new(file.rows(), *terms);
        while plan.next_batch(&mut refuse).map_err(as_io)?.is_some() {}
        written?;
        let mut rows = file.rows();
        let mut faults = self.by_central.iter().peekable();
        while faults.peek().is_some() && rows.advance()? {
            if let Some(fault) = faults.next_if(|fault| fault.line == rows.line()) {
                each(fault, &rows.cells().collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }
}

impl Report {
    /// Finds the winning bets in the file. The central reports documents only: the winning number is
    /// the one on which exactly the reported documents bet. If several numbers fit, or none, only
    /// what all bets of a document have in common is returned.
    ///
    /// # Errors
    /// When the file can't be read, or has changed.
    pub fn winning_bets(&self) -> io::Result<WinningBets> {
        let last_line = match &self.incomplete {
            None => u64::MAX,
            Some(AgencyError::NoMoreBets { stored: Some(stored), .. }) => stored.last,
            // The stored bets are not those of the file.
            Some(_) => 0,
        };
        let mut wanted: HashMap<&str, usize> = HashMap::new();
        for document in &self.winners {
            *wanted.entry(document).or_default() += 1;
        }
        let mut by_number: BTreeMap<String, ByDocument<'_>> = BTreeMap::new();
        let mut bets_on: HashMap<String, usize> = HashMap::new();
        if let Some(checked) = self.checked.as_ref().filter(|_| !wanted.is_empty()) {
            checked.bets(|line, [first, last, document, birthdate, number]| {
                if line > last_line {
                    return;
                }
                match bets_on.get_mut(number) {
                    Some(bets) => *bets += 1,
                    None => drop(bets_on.insert(number.to_owned(), 1)),
                }
                if let Some((document, _)) = wanted.get_key_value(document) {
                    let rest = [first, last, birthdate, number].map(str::to_owned);
                    let bets = by_number.entry(number.to_owned()).or_default();
                    bets.entry(*document).or_default().push_back(rest);
                }
            })?;
        }
        // Of a number that fits, every bet won, and every winner has one.
        let fits = |number: &str, bets: &ByDocument<'_>| {
            bets_on.get(number) == Some(&self.winners.len())
                && bets.len() == wanted.len()
                && bets.iter().all(|(document, bets)| wanted[document] == bets.len())
        };
        let fitting: Vec<_> = by_number.iter().filter(|(it, bets)| fits(it, bets)).collect();
        let known = fitting.len() == 1 || wanted.is_empty();
        let mut winning = match fitting[..] {
            [(_, bets)] => bets.clone(),
            _ => in_common(&by_number, &wanted),
        };
        let bets = self.winners.iter().map(|document| WinningBet {
            document: document.clone(),
            rest: winning.get_mut(&**document).and_then(VecDeque::pop_front).unwrap_or_default(),
        });
        Ok(WinningBets { bets: bets.collect(), known })
    }
}

/// Returns for each document what all of its bets have in common, as often as it is wanted.
fn in_common<'a>(
    by_number: &BTreeMap<String, ByDocument<'a>>,
    wanted: &HashMap<&'a str, usize>,
) -> ByDocument<'a> {
    let common = |document: &&str| {
        let bets = by_number.values().filter_map(|bets| bets.get(document)).flatten();
        let common = bets.cloned().reduce(|mut common, bet| {
            for (common, field) in common.iter_mut().zip(&bet) {
                if common != field {
                    common.clear();
                }
            }
            common
        });
        common.unwrap_or_default()
    };
    wanted.iter().map(|(it, count)| (*it, vec![common(it); *count].into())).collect()
}

fn as_io(error: PlanError) -> io::Error {
    match error {
        PlanError::Read(error) => error,
        PlanError::TooManyBatches => io::Error::other("more batches than the protocol can number"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use lottery::{AgencyId, NumberRange};
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::error::{BetsOver, Lines, RowReason};
    use crate::form::Form;

    fn checked(text: &str) -> (tempfile::NamedTempFile, CheckedFile) {
        let mut written = tempfile::NamedTempFile::new().unwrap();
        written.write_all(text.as_bytes()).unwrap();
        let file = BetsFile::open(written.path(), Form::default(), CancellationToken::new());
        let terms = Terms {
            agency: AgencyId(1),
            bets_max: 2,
            frame_len_max: 8192,
            numbers: NumberRange::default(),
        };
        let checked = CheckedFile::new(&file.unwrap(), terms);
        (written, checked)
    }

    const BETS: &str = "Ana,Paz,1,2000-01-01,5\nx\nEva,Sol,2,2000-01-02,5\n\
                        Ana M,Paz,1,2000-01-01,6\nEva,Sol,2,2000-01-02,7\n";

    fn found(winners: &[&str], incomplete: Option<AgencyError>) -> (bool, Vec<String>) {
        found_in(BETS, winners, incomplete)
    }

    fn found_in(
        bets: &str,
        winners: &[&str],
        incomplete: Option<AgencyError>,
    ) -> (bool, Vec<String>) {
        let (_written, checked) = checked(bets);
        let winners = winners.iter().map(|&document| document.to_owned()).collect();
        let report = Report { winners, incomplete, checked: Some(checked), ..Report::default() };
        let WinningBets { bets, known } = report.winning_bets().unwrap();
        (known, bets.iter().map(|bet| format!("{}={}", bet.document, bet.rest.join(","))).collect())
    }

    #[test]
    fn the_number_that_fits_the_documents_tells_the_winning_bets() {
        let both = ["2=Eva,Sol,2000-01-02,5", "1=Ana,Paz,2000-01-01,5"].map(str::to_owned);
        assert_eq!(found(&["2", "1"], None), (true, both.to_vec()));
        assert_eq!(found(&["1"], None), (true, vec!["1=Ana M,Paz,2000-01-01,6".to_owned()]));
        assert_eq!(found(&[], None), (true, vec![]));
    }

    #[test]
    fn what_the_documents_do_not_tell_is_empty() {
        let repeated = found(&["1", "1"], None);
        assert_eq!(repeated, (false, vec!["1=,Paz,2000-01-01,".to_owned(); 2]));
        assert_eq!(found(&["9"], None), (false, vec!["9=,,,".to_owned()]));
        // Line 5 does not take part, so that only 5 can be the number.
        let stored = Some(Lines { first: 1, last: 1, bets: 1 });
        let left = Lines { first: 3, last: 5, bets: 3 };
        let late =
            AgencyError::NoMoreBets { file: "x".into(), over: BetsOver::Closed, stored, left };
        assert_eq!(found(&["1"], Some(late)), (true, vec!["1=Ana,Paz,2000-01-01,5".to_owned()]));
        let other = AgencyError::OtherBets {
            central: "central:1".to_owned(),
            agency: AgencyId(1),
            bets: 1,
        };
        assert_eq!(found(&["1"], Some(other)), (false, vec!["1=,,,".to_owned()]));
    }

    #[test]
    fn a_number_with_a_bet_of_another_document_does_not_fit() {
        let bets = "Ana,Paz,1,2000-01-01,5\nLea,Paz,3,2000-01-03,5\n";
        assert!(!found_in(bets, &["1", "2"], None).0);
    }

    #[test]
    fn rejected_rows_come_with_their_cells() {
        let text = "Ana,Paz,1,2000-01-01,5\nEva,Sol\n\"a\"b,c\nEva,Sol,2,2000-02-30,5\n";
        let (written, checked) = checked(text);
        let by_central =
            [RowFault { file: written.path().into(), line: 1, reason: RowReason::Quotes }];
        let mut rows = Vec::new();
        let each = &mut |fault: &RowFault, cells: &[Cow<'_, str>]| {
            rows.push((fault.line, cells.join("/")));
            Ok(())
        };
        checked.rejected(&by_central).each(each).unwrap();
        let expected = [
            (2, "Eva/Sol"),
            (3, "\"a\"b,c"),
            (4, "Eva/Sol/2/2000-02-30/5"),
            (1, "Ana/Paz/1/2000-01-01/5"),
        ];
        assert_eq!(rows, expected.map(|(line, cells)| (line, cells.to_owned())));
    }
}
