//! Cases in rounds: each is measured once in every round, so that a drift of the machine hits all
//! alike, and ratios are taken round by round.

use std::time::Duration;

use crate::figures::Column;
use crate::interruption;
use crate::load::Sent;
use crate::setting::{Setting, show};
use crate::usage::Usage;

/// One thing that is measured in every round.
pub(crate) struct Case<'a> {
    name: String,
    measure: Box<dyn FnMut(Duration) -> anyhow::Result<Slice> + 'a>,
}

/// What a case gave in one round.
pub(crate) struct Slice {
    pub(crate) sent: Sent,
    /// What the central used until it was at rest again.
    pub(crate) central: Option<Usage>,
    /// More figures, each by its name; the same in every round.
    pub(crate) more: Vec<(&'static str, f64)>,
}

/// A case that was measured: its name, and what it gave in each round.
pub(crate) type Measured = (String, Vec<Slice>);

impl From<Sent> for Slice {
    fn from(sent: Sent) -> Self {
        Self { sent, central: None, more: Vec::new() }
    }
}

impl<'a> Case<'a> {
    /// A case that is measured by a call with the time that it shall take.
    pub(crate) fn new(
        name: &str,
        measure: impl FnMut(Duration) -> anyhow::Result<Slice> + 'a,
    ) -> Self {
        Self { name: name.to_owned(), measure: Box::new(measure) }
    }
}

/// Measures the cases in all rounds; gives the figures of each, beside those of the first.
pub(crate) fn measure(setting: &Setting, cases: Vec<Case<'_>>) -> anyhow::Result<Vec<Column>> {
    let measured = slices(setting, cases)?;
    let Some((_, first)) = measured.first() else { return Ok(Vec::new()) };
    measured.iter().map(|(name, slices)| Column::of(name, slices, first)).collect()
}

/// Measures the cases in all rounds.
pub(crate) fn slices(setting: &Setting, mut cases: Vec<Case<'_>>) -> anyhow::Result<Vec<Measured>> {
    let mut slices: Vec<Vec<Slice>> = cases.iter().map(|_| Vec::new()).collect();
    let rounds = setting.options.rounds;
    for round in 0..rounds {
        // To and fro, so that no case always comes after the same one.
        let mut order: Vec<_> = (0..cases.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            interruption::check()?;
            show(&format!("round {} of {rounds}: {}", round + 1, cases[at].name));
            slices[at].push((cases[at].measure)(setting.time())?);
        }
    }
    Ok(cases.into_iter().map(|case| case.name).zip(slices).collect())
}
