//! Compares the agencies' files and what was acknowledged to them with what the ledger holds.
//!
//! An agency sends its batches in the order of its file, so at any time the ledger holds whole
//! batches from the beginning of the file, in order, each once. Whatever was acknowledged is among
//! them.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};

/// An agency's file, how it is cut into batches, and what was acknowledged of it.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) agency: usize,
    pub(super) lines: Vec<String>,
    pub(super) batch_bets: usize,
    /// As the agency logged it: how many bets, by chunk. Reconnections repeat some.
    pub(super) acknowledged: BTreeMap<usize, usize>,
}

impl Sheet {
    /// How many batches the file is.
    pub(super) fn chunks(&self) -> usize {
        self.lines.len().div_ceil(self.batch_bets)
    }

    /// How far the agency has come: chunks are acknowledged in their order, some unheard.
    pub(super) fn reach(&self) -> usize {
        self.acknowledged.last_key_value().map_or(0, |(chunk, _)| chunk + 1)
    }

    /// The documents of the bets on this number, sorted.
    pub(super) fn winners(&self, number: &str) -> Vec<&str> {
        let fields = self.lines.iter().map(|line| line.split(',').collect::<Vec<_>>());
        let winning = fields.filter(|fields| fields[4] == number);
        let mut documents: Vec<_> = winning.map(|fields| fields[2]).collect();
        documents.sort_unstable();
        documents
    }

    /// Checks what the ledger has of this agency against the file and the acknowledgements.
    pub(super) fn check(&self, stored: &[String]) -> anyhow::Result<()> {
        let agency = self.agency;
        let differs = stored.iter().zip(&self.lines).position(|(stored, line)| stored != line);
        if let Some(at) = differs {
            bail!(
                "agency {agency}: bet {at} in the ledger is '{}', in its file '{}'",
                stored[at],
                self.lines[at]
            );
        }
        let (bets, all) = (stored.len(), self.lines.len());
        ensure!(bets <= all, "agency {agency}: the ledger holds {bets} bets, its file {all}");
        ensure!(
            bets == all || bets.is_multiple_of(self.batch_bets),
            "agency {agency}: {bets} bets in the ledger, which are no whole batches of {}",
            self.batch_bets
        );
        for (&chunk, &count) in &self.acknowledged {
            let from = chunk * self.batch_bets;
            let to = all.min(from + self.batch_bets);
            ensure!(
                from + count == to,
                "agency {agency}: chunk {chunk} was acknowledged with {count} bets, and is not so"
            );
            ensure!(
                to <= bets,
                "agency {agency}: chunk {chunk} was acknowledged and is not in the ledger, which \
                 holds {bets} bets"
            );
        }
        Ok(())
    }

    /// Checks as `check` does, and that the ledger has the whole file.
    pub(super) fn check_all(&self, stored: &[String]) -> anyhow::Result<()> {
        self.check(stored)?;
        let (agency, bets, all) = (self.agency, stored.len(), self.lines.len());
        ensure!(bets == all, "agency {agency}: only {bets} of {all} bets are in the ledger");
        Ok(())
    }
}

/// Reads what `bolillero export` printed: the bets by agency, in the order of the ledger.
pub(super) fn exported(printed: &str) -> anyhow::Result<BTreeMap<usize, Vec<String>>> {
    let mut by_agency: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for line in printed.lines().skip(1) {
        let [agency, _chunk, _position, bet] = line.splitn(4, ',').collect::<Vec<_>>()[..] else {
            bail!("the export has a line '{line}'");
        };
        by_agency.entry(agency.parse()?).or_default().push(bet.to_owned());
    }
    Ok(by_agency)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETS: [&str; 5] = ["a,b,1,d,7", "a,b,2,d,8", "a,b,3,d,7", "a,b,4,d,9", "a,b,5,d,77"];

    fn sheet(acknowledged: &[(usize, usize)]) -> Sheet {
        let acknowledged = acknowledged.iter().copied().collect();
        Sheet { agency: 1, lines: owned(&BETS), batch_bets: 2, acknowledged }
    }

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn fault(stored: &[&str], acknowledged: &[(usize, usize)]) -> String {
        sheet(acknowledged).check(&owned(stored)).unwrap_err().to_string()
    }

    #[test]
    fn accepts_whole_batches_in_order_with_all_that_was_acknowledged() {
        let good: [(usize, &[(usize, usize)]); 4] =
            [(0, &[]), (2, &[]), (4, &[(0, 2), (1, 2)]), (5, &[(1, 2), (2, 1)])];
        for (stored, acknowledged) in good {
            let (sheet, stored) = (sheet(acknowledged), owned(&BETS[..stored]));
            sheet.check(&stored).unwrap();
            assert_eq!(sheet.check_all(&stored).is_ok(), stored.len() == 5);
        }
    }

    #[test]
    fn finds_what_is_lost_doubled_cut_swapped_or_strange() {
        assert!(fault(&BETS[..2], &[(1, 2)]).contains("chunk 1 was acknowledged and is not in"));
        assert!(fault(&BETS[..4], &[(2, 1)]).contains("chunk 2 was acknowledged and is not in"));
        let doubled = [BETS[0], BETS[1], BETS[0], BETS[1]];
        assert!(fault(&doubled, &[]).contains("bet 2 in the ledger is 'a,b,1,d,7'"));
        let more = [&BETS[..], &BETS[4..]].concat();
        assert!(fault(&more, &[]).contains("holds 6 bets, its file 5"));
        assert!(fault(&BETS[..3], &[]).contains("no whole batches of 2"));
        assert!(fault(&[BETS[1], BETS[0]], &[]).contains("bet 0 in the ledger"));
        assert!(fault(&["x"], &[]).contains("bet 0 in the ledger is 'x'"));
        assert!(fault(&BETS, &[(2, 2)]).contains("acknowledged with 2 bets, and is not so"));
        assert!(fault(&BETS, &[(7, 2)]).contains("chunk 7"));
    }

    #[test]
    fn counts_winners_chunks_and_how_far_an_agency_has_come() {
        assert_eq!(sheet(&[]).winners("7"), ["1", "3"]);
        assert_eq!(sheet(&[]).chunks(), 3);
        assert_eq!((sheet(&[]).reach(), sheet(&[(1, 2)]).reach()), (0, 2));
    }

    #[test]
    fn reads_an_export_by_agency() {
        let found = exported("agency,chunk,position,first\n2,0,0,a,b\n1,0,0,c\n2,0,1,d\n").unwrap();
        assert_eq!(found[&2], ["a,b", "d"]);
        assert_eq!(found[&1], ["c"]);
        assert!(exported("agency\nx,0,0,a\n").is_err());
    }
}
