//! What a store's servers are, for the administrator of the database.

use std::fmt;

use engine::LedgerId;

use crate::error::StoreError;
use crate::primary::{self, Primary};
use crate::schema;
use crate::session::runtime;
use crate::target::Target;

/// What was found.
#[derive(Debug)]
pub struct Report {
    hosts: Vec<String>,
    ledger: LedgerId,
    host: String,
    timeline: u32,
    warnings: Vec<String>,
}

/// Asks all servers of a store what they are. Blocks.
///
/// # Errors
/// When no central could use the store; the text says why.
pub fn of(target: &Target) -> Result<Report, StoreError> {
    runtime()?.block_on(async {
        let hosts = primary::states(target).await;
        let (Primary { host, timeline, warnings, .. }, ledger) = schema::opened(target).await?;
        Ok(Report { hosts, ledger, host, timeline, warnings })
    })
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hosts, ledger, host, timeline, warnings } = self;
        hosts.iter().try_for_each(|host| writeln!(f, "server    {host}"))?;
        writeln!(f, "primary   {host}, timeline {timeline}")?;
        writeln!(f, "ledger    {ledger}, tables of version {}", schema::VERSION)?;
        warnings.iter().try_for_each(|warning| writeln!(f, "warning   {warning}"))
    }
}
