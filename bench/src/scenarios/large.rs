//! Ledgers of several sizes, filled by agencies of a central.

use super::ledgers::{self, Ledger};
use super::{Scenario, WINDOW};
use crate::figures::Group;
use crate::setting::Setting;

pub(super) fn measure(setting: &Setting) -> anyhow::Result<Group> {
    let sizes = setting.options.ledger_bets.iter();
    let ledgers = sizes.map(|&bets| filled(setting, bets)).collect::<anyhow::Result<_>>()?;
    ledgers::measure(setting, Scenario::Large, ledgers)
}

/// A ledger of so many bets.
fn filled(setting: &Setting, bets: u64) -> anyhow::Result<Ledger<'_>> {
    let name = format!("{:.1} million bets", bets as f64 / 1e6);
    let mut ledger = Ledger::empty(setting, bets, name);
    let central = ledger.open()?.0;
    ledger.send(&central, bets, WINDOW)?;
    central.stop()?;
    Ok(ledger)
}
