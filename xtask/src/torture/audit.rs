//! What must hold between the agencies' files, what was acknowledged to them, and what the ledger
//! gives back.
//!
//! An agency sends its batches in the order of its file, so at any time the ledger holds whole
//! batches from the beginning of the file, in order, each once. Whatever was acknowledged is among
//! them. Pure: it starts nothing and reads nothing.

use std::collections::BTreeMap;

use anyhow::{bail, ensure};

/// An agency's file, and how it is cut into batches.
#[derive(Debug)]
pub(super) struct Sheet {
    pub(super) agency: usize,
    pub(super) lines: Vec<String>,
    pub(super) batch_bets: usize,
}

/// What the agency said was acknowledged to it: how many bets, by chunk.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    by_chunk: BTreeMap<usize, usize>,
}

impl Sheet {
    /// How many batches the file is.
    pub(super) fn chunks(&self) -> usize {
        self.lines.len().div_ceil(self.batch_bets)
    }

    /// The documents of the bets on this number, sorted.
    pub(super) fn winners(&self, number: &str) -> Vec<&str> {
        let fields = self.lines.iter().map(|line| line.split(',').collect::<Vec<_>>());
        let winning = fields.filter(|fields| fields[4] == number);
        let mut documents: Vec<_> = winning.map(|fields| fields[2]).collect();
        documents.sort_unstable();
        documents
    }

    /// Holds what the ledger has of this agency against the file and the acknowledgements.
    pub(super) fn check(
        &self,
        stored: &[String],
        acknowledged: &Acknowledged,
    ) -> anyhow::Result<()> {
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
        for (&chunk, &count) in &acknowledged.by_chunk {
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

    /// Holds what the ledger has at the end of the day against the file: all of it.
    pub(super) fn check_all(
        &self,
        stored: &[String],
        acknowledged: &Acknowledged,
    ) -> anyhow::Result<()> {
        self.check(stored, acknowledged)?;
        let (agency, bets, all) = (self.agency, stored.len(), self.lines.len());
        ensure!(bets == all, "agency {agency}: only {bets} of {all} bets are in the ledger");
        Ok(())
    }
}

impl Acknowledged {
    /// Notes one. That it is repeated after a reconnection is good.
    pub(super) fn note(&mut self, chunk: usize, bets: usize) {
        self.by_chunk.insert(chunk, bets);
    }

    /// How many chunks.
    pub(super) fn count(&self) -> usize {
        self.by_chunk.len()
    }

    /// How far the agency has come: chunks are acknowledged in their order, some unheard.
    pub(super) fn reach(&self) -> usize {
        self.by_chunk.last_key_value().map_or(0, |(chunk, _)| chunk + 1)
    }
}

/// What `bolillero export` printed, by agency, in the order of the ledger.
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

    fn sheet() -> Sheet {
        Sheet { agency: 1, lines: owned(&BETS), batch_bets: 2 }
    }

    fn owned(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    fn acknowledged(chunks: &[(usize, usize)]) -> Acknowledged {
        let mut acknowledged = Acknowledged::default();
        chunks.iter().for_each(|&(chunk, bets)| acknowledged.note(chunk, bets));
        acknowledged
    }

    fn fault(stored: &[&str], chunks: &[(usize, usize)]) -> String {
        sheet().check(&owned(stored), &acknowledged(chunks)).unwrap_err().to_string()
    }

    #[test]
    fn whole_batches_in_order_with_all_that_was_acknowledged_are_good() {
        for (stored, chunks) in
            [(0, &[][..]), (2, &[][..]), (4, &[(0, 2), (1, 2)][..]), (5, &[(1, 2), (2, 1)][..])]
        {
            let stored = owned(&BETS[..stored]);
            sheet().check(&stored, &acknowledged(chunks)).unwrap();
            assert_eq!(
                sheet().check_all(&stored, &acknowledged(chunks)).is_ok(),
                stored.len() == 5
            );
        }
    }

    #[test]
    fn what_is_lost_doubled_cut_swapped_or_strange_is_found() {
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
    fn winners_are_those_on_the_number() {
        assert_eq!(sheet().winners("7"), ["1", "3"]);
        assert_eq!(sheet().chunks(), 3);
    }

    #[test]
    fn an_export_is_told_apart_by_agency() {
        let found = exported("agency,chunk,position,first\n2,0,0,a,b\n1,0,0,c\n2,0,1,d\n").unwrap();
        assert_eq!(found[&2], ["a,b", "d"]);
        assert_eq!(found[&1], ["c"]);
        assert!(exported("agency\nx,0,0,a\n").is_err());
    }
}
