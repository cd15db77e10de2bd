//! Winners of a draw, and the settlement of each agency.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;

use lottery::{
    AgencyId, AgencyTotals, AuditedAction, DrawId, DrawState, DrawStatus, ReadError, Winners,
};
use operators::Permission;
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::usecases::app::State;
use crate::usecases::bets::FoundBet;
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

/// The winners of a draw, for its record.
#[derive(Default)]
pub(crate) struct Listed {
    pub(crate) count: u64,
    /// How many each agency has.
    pub(crate) of_agencies: BTreeMap<AgencyId, u64>,
    /// Their bets, by agency; none if there are more than were asked for.
    pub(crate) bets: Vec<FoundBet>,
}

/// Returns the winners of a draw that was made; recorded in the audit log until they are published.
pub(crate) async fn read(
    app: &State,
    who: &Caller,
    status: &DrawStatus,
) -> Result<Winners, Refusal> {
    let _turn = begin(app, who, status).await?;
    Ok(app.service.drawn_winners(status.id).await?)
}

/// As [`read`], with the bets of the winners if there are at most `most`.
pub(crate) async fn list(
    app: &State,
    who: &Caller,
    status: &DrawStatus,
    most: u64,
) -> Result<Listed, Refusal> {
    let _turn = begin(app, who, status).await?;
    let found = app.service.winning_bets(status.id, Listed::default(), move |found, name, bet| {
        found.count += 1;
        *found.of_agencies.entry(name.agency).or_default() += 1;
        if found.count <= most {
            found.bets.push(FoundBet::of(name, bet));
        }
        ControlFlow::Continue(())
    });
    let mut found = found.await?;
    if found.count > most {
        found.bets = Vec::new();
    }
    found.bets.sort_by_key(|bet| bet.name.agency);
    Ok(found)
}

/// Records that the winners are read, until they are published, and waits for the turn to read.
async fn begin(
    app: &State,
    who: &Caller,
    status: &DrawStatus,
) -> Result<OwnedSemaphorePermit, Refusal> {
    let DrawState::Drawn { .. } = status.state else { return Err(ReadError::NotDrawn.into()) };
    let needed = Permission::ReadWinners;
    if !status.is_published() {
        app.record(who, needed, AuditedAction::ReadWinners(status.id)).await?;
    }
    app.reading(who, needed).await
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
