//! The life cycle of draws, as operators control it.

use lottery::{
    Act, Acted, AgencyId, DrawId, DrawState, DrawStatus, DrawTerms, ReadError, Reason, Schedule,
    Timestamp, View,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::caller::Caller;
use crate::access::refusal::Refusal;
use crate::usecases::app::State;

/// Where a draw is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LifeState {
    /// Takes no bets yet.
    Announced,
    /// Was cancelled before it was opened.
    Cancelled,
    /// Takes bets.
    Open,
    /// Takes no more bets.
    Closed,
    /// Made; its winners are not told to agencies yet.
    Drawn,
    /// Its winners are told.
    Published,
}

impl LifeState {
    pub(crate) fn of(status: &DrawStatus) -> Self {
        match status.state {
            DrawState::Announced => Self::Announced,
            DrawState::Cancelled => Self::Cancelled,
            DrawState::Open => Self::Open,
            DrawState::Closed => Self::Closed,
            DrawState::Drawn { .. } if status.is_published() => Self::Published,
            DrawState::Drawn { .. } => Self::Drawn,
        }
    }

    /// Returns the state in one word, for programs and style sheets.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Cancelled => "cancelled",
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Drawn => "drawn",
            Self::Published => "published",
        }
    }
}

/// Returns the status of a draw.
pub(crate) fn status(app: &State, id: DrawId) -> Result<DrawStatus, Refusal> {
    app.service.view().draw(id).ok_or_else(|| ReadError::UnknownDraw(id).into())
}

/// Iterates over all draws by number, or from the newest to the oldest; behind one of them, or from
/// the start.
pub(crate) fn all_behind(
    view: &View,
    last: Option<DrawId>,
    newest_first: bool,
) -> impl Iterator<Item = DrawStatus> + '_ {
    let end = u32::try_from(view.draw_count()).map_or(u32::MAX, |count| count.saturating_add(1));
    let (start, end) = match last {
        None => (1, end),
        Some(DrawId(last)) if newest_first => (1, last.min(end)),
        Some(DrawId(last)) => (last.saturating_add(1), end),
    };
    let number = move |at: u32| if newest_first { end - 1 - (at - start) } else { at };
    (start..end).filter_map(move |at| view.draw(DrawId(number(at))))
}

/// Returns the draws that somebody still has to act on, the most urgent first: open, closed, drawn
/// and not published, announced.
pub(crate) fn pending(app: &State) -> Vec<DrawStatus> {
    let is_over = |draw: &DrawStatus| draw.is_published() || draw.state == DrawState::Cancelled;
    let mut pending = app.service.view().find_draws(|draw| !is_over(draw));
    pending.sort_by_key(urgency);
    pending
}

/// Returns the place of a draw among others, the most urgent first: open draws by closing time, then
/// closed ones, drawn ones, announced ones by opening time, and published ones from the last.
pub(crate) fn urgency(draw: &DrawStatus) -> (u8, u64, u32) {
    let (life, number) = (&draw.life, draw.id.0);
    let due = |at: Option<Timestamp>| at.map_or(u64::MAX, |at| at.0);
    match LifeState::of(draw) {
        LifeState::Open => (0, due(life.schedule.closes_at), number),
        LifeState::Closed => (1, due(life.closed.as_ref().map(|closing| closing.at)), number),
        LifeState::Drawn => (2, due(life.drawn_at), number),
        LifeState::Announced => (3, due(life.schedule.opens_at), number),
        LifeState::Published | LifeState::Cancelled => {
            (4, u64::MAX - due(life.published_at), u32::MAX - number)
        }
    }
}

/// Announces a draw.
pub(crate) async fn announce(
    app: &State,
    who: &Caller,
    why: Reason,
    terms: DrawTerms,
    schedule: Schedule,
) -> Result<DrawId, Refusal> {
    let acted = app.act(who, why, Act::Announce { terms, schedule }).await?;
    // The engine has one outcome for all acts, and the rules give an announcement this one.
    let Acted::Announced(id) = acted else { unreachable!("announcing announces: {acted:?}") };
    Ok(id)
}

/// Rejects making a draw that holds no bets, unless `allow_empty` is set.
pub(crate) fn expect_bets(app: &State, id: DrawId, allow_empty: bool) -> Result<(), Refusal> {
    let status = status(app, id)?;
    let is_empty = status.state == DrawState::Closed && status.bets == 0;
    if is_empty && !allow_empty { Err(Refusal::NoBets) } else { Ok(()) }
}

/// Returns the registered and enabled agencies as inclusive ranges.
pub(crate) fn enabled_agencies(app: &State) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let registered = app.service.view().all_registrations();
    for AgencyId(agency) in registered.filter(|it| it.enabled).map(|it| it.agency) {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == agency => *last = agency,
            _ => ranges.push((agency, agency)),
        }
    }
    ranges
}
