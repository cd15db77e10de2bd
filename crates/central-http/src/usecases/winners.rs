//! Winners of a draw, and the settlement of each agency.

use std::fmt::Write as _;

use lottery::{AgencyTotals, AuditedAction, DrawId, DrawState, DrawStatus, ReadError, Winners};
use operators::Permission;
use sha2::{Digest as _, Sha256};

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::usecases::app::State;
use crate::usecases::draws::status;

/// The settlement of a draw that was made.
pub(crate) struct Settled {
    pub(crate) winning_number: u32,
    pub(crate) bets: u64,
    pub(crate) winners: u64,
    /// SHA-256 of the lines of all agencies, in hexadecimal digits.
    pub(crate) digest: String,
    /// The totals of each agency, and how many of its bets won.
    pub(crate) agencies: Vec<(AgencyTotals, u64)>,
}

/// Returns the winners of a draw that was made; recorded in the audit log until they are published.
pub(crate) async fn read(
    app: &State,
    who: &Caller,
    status: &DrawStatus,
) -> Result<Winners, Refusal> {
    let DrawState::Drawn { .. } = status.state else { return Err(ReadError::NotDrawn.into()) };
    let needed = Permission::ReadWinners;
    if !status.is_published() {
        app.record(who, needed, AuditedAction::ReadWinners(status.id)).await?;
    }
    let _turn = app.reading(who, needed).await?;
    Ok(app.service.drawn_winners(status.id).await?)
}

/// Returns the settlement of all agencies in a draw that was made.
pub(crate) async fn settlement(
    app: &State,
    who: &Caller,
    draw: DrawId,
) -> Result<Settled, Refusal> {
    let status = status(app, draw)?;
    let DrawState::Drawn { number } = status.state else {
        return Err(ReadError::NotDrawn.into());
    };
    let winners = read(app, who, &status).await?;
    let of = |it: &AgencyTotals| winners.of(it.agency).map_or(0, lottery::Documents::count);
    // A draw that was made does not change, so all pages of the settlement agree.
    let agencies = app.service.view().all_agencies(draw).map(|it| (it, of(&it)));
    let agencies: Vec<_> = agencies.collect();
    let mut lines = String::new();
    for (AgencyTotals { agency, batches, bets, finished }, winners) in &agencies {
        let finished = u8::from(*finished);
        writeln!(lines, "{},{batches},{bets},{finished},{winners}", agency.0)
            .expect("text takes what is written");
    }
    let digest = Sha256::digest(&lines).iter().map(|byte| format!("{byte:02x}")).collect();
    let (bets, winners) = (status.bets, winners.count());
    Ok(Settled { winning_number: number, bets, winners, digest, agencies })
}
