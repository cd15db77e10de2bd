//! The batches that everybody is sent: generated once, by Bolillero's own generator.

use std::path::Path;

use anyhow::Context as _;

use crate::server::{bare, said};

/// Bets in a batch: what the field's agencies send by default.
pub(crate) const BATCH_BETS: usize = 93;
/// Different batches that are sent in turn.
const BATCHES: usize = 64;

/// The bets of a batch.
pub(crate) struct Batch {
    pub(crate) bets: Vec<Bet>,
}

/// A bet, as text; the number as databases keep it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bet {
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    pub(crate) document: String,
    pub(crate) birthdate: String,
    pub(crate) number: i32,
}

/// Batches of plausible bets, the same ones every time.
pub(crate) fn generated(bolillero: &Path, folder: &Path) -> anyhow::Result<Vec<Batch>> {
    let mut generate = bare(bolillero);
    generate.args(["generate", "--agencies", "1", "--seed", "1", "--out"]).arg(folder);
    said(generate.args(["--bets", &(BATCH_BETS * BATCHES).to_string()]))?;
    let text = std::fs::read_to_string(folder.join("agency-1.csv"))?;
    let bets = text.lines().map(Bet::parse).collect::<anyhow::Result<Vec<_>>>()?;
    let mut bets = bets.into_iter();
    let mut batch = || Batch { bets: bets.by_ref().take(BATCH_BETS).collect() };
    Ok((0..BATCHES).map(|_| batch()).collect())
}

/// Batches as text, the way agencies write it: the payload of a message, or of an entry.
pub(crate) struct Texts {
    /// What stands behind the agency and the chunk.
    bets: Vec<String>,
}

impl Texts {
    pub(crate) fn new(batches: &[Batch]) -> Self {
        Self { bets: batches.iter().map(Batch::text).collect() }
    }

    /// A batch in two parts, the second of them made before; and the length of both.
    pub(crate) fn parts(&self, agency: u32, chunk: u32) -> (String, &str, usize) {
        let (start, bets) =
            (format!("{agency}&{chunk}"), &self.bets[chunk as usize % self.bets.len()]);
        let len = start.len() + bets.len();
        (start, bets, len)
    }
}

impl Batch {
    /// All bets as text, each behind its separator.
    pub(crate) fn text(&self) -> String {
        let text = |bet: &Bet| {
            let Bet { first_name, last_name, document, birthdate, number } = bet;
            format!("&{first_name}|{last_name}|{document}|{birthdate}|{number}")
        };
        self.bets.iter().map(text).collect()
    }
}

impl Bet {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let fields: Vec<_> = line.split(',').collect();
        let [first_name, last_name, document, birthdate, number] = fields[..] else {
            anyhow::bail!("a generated bet has five fields, not as in '{line}'");
        };
        Ok(Self {
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            document: document.to_owned(),
            birthdate: birthdate.to_owned(),
            number: number.parse().with_context(|| format!("no number in '{line}'"))?,
        })
    }
}

/// A batch that tests can write out.
#[cfg(test)]
pub(crate) fn small() -> Batch {
    Batch { bets: vec![Bet::parse("Ana,Paz,1,2000-01-02,7").expect("it is one")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_written_as_agencies_do() {
        let texts = Texts::new(&[small()]);
        let parts = ("1&70".to_owned(), "&Ana|Paz|1|2000-01-02|7", 27);
        assert_eq!(texts.parts(1, 70), parts);
        assert!(Bet::parse("Ana,Paz,1,2000-01-02").is_err());
        assert!(Bet::parse("Ana,Paz,1,2000-01-02,seven").is_err());
    }
}
