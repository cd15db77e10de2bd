//! Bolillero: the central as it is installed, asked over its own protocol, on its own ledger.

use std::process::Command;

use anyhow::Context as _;

use super::{BOLILLERO, Started, Store};
use crate::central::{Central, Start};
use crate::server::said;
use crate::setting::Setting;
use crate::speech::Connection;
use crate::usage::Usage;

struct Bolillero {
    central: Central,
    check: Command,
}

pub(super) fn start(setting: &Setting, agencies: u32) -> anyhow::Result<Option<Started>> {
    let central = Central::start(setting, &setting.typical, &Start::of(agencies))?;
    let version = said(setting.bolillero().arg("--version"))?;
    let about = format!("{version}; defaults; every bet is checked");
    let mut check = setting.bolillero();
    check.arg("check").arg("--data").arg(Central::data(setting));
    let store = Box::new(Bolillero { central, check });
    Ok(Some(Started { name: BOLILLERO, about, store }))
}

impl Store for Bolillero {
    fn connect(&mut self, agency: u32) -> anyhow::Result<Connection> {
        self.central.connection(agency)
    }

    /// Waits while it indexes full segments and makes new ones ready ahead.
    fn settle(&mut self) -> anyhow::Result<()> {
        Usage::at_rest(self.central.process()).map(drop)
    }

    /// Of what `check` tells: `... 7 bets in 3 batches; ...`.
    fn stored(mut self: Box<Self>) -> anyhow::Result<u64> {
        self.central.stop()?;
        let output = said(&mut self.check)?;
        let count =
            output.split(" batches;").next().and_then(|it| it.rsplit(' ').next()?.parse().ok());
        count.with_context(|| format!("no number of batches in: {output}"))
    }
}
