//! What can be measured, by name.

use clap::ValueEnum;
use serde::Serialize;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Five agencies, each waiting for every acknowledgement before the next batch; and what the
    /// disk and the network do alone
    OneAtATime,
    /// Five agencies with 16 batches in flight each; and what the disk and the network do alone
    Window,
    /// Half of the rate that 'window' reaches, at even distances, whatever the acknowledgements
    HalfLoad,
    /// 1,000 agencies, each waiting for every acknowledgement
    ManyAgencies,
    /// Ten agencies beside no, 990 and 15,990 idle connections; what an idle connection takes
    Idle,
    /// 1,000 agencies waiting for their winners when the draw is made
    Waiting,
    /// Five agencies by TLS and in plain text
    Tls,
    /// Five agencies with ten boards of the console open, and alone
    Watched,
    /// Ledgers of several sizes in turns: an acknowledgement, the draw, and opening them
    Large,
    /// The same of ledgers that keep few and many draws, with few bets in each
    Draws,
    /// The same batches, made durable by Bolillero and by other stores
    Stores,
    /// One, two and three centrals that share a store in PostgreSQL, without and with a synchronous
    /// standby; COPY of the same bets into the same servers; and a ledger in a folder
    Centrals,
    /// A store in PostgreSQL that grows large, its draw, opening it, and what auditors ask of it
    LargeStore,
}

impl Scenario {
    /// As it is given on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
