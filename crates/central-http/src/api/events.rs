//! The changes of draws as they happen: server-sent events.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use lottery::{DrawId, DrawStatus};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::allowed::{Allowed, ViewBoard};
use crate::access::refusal::Refusal;
use crate::api::common::Refusals;
use crate::limits::BOARD_KEEPALIVE_TIME;
use crate::usecases::app::{App, State as AppState};
use crate::usecases::board::Board;
use crate::usecases::draws::{LifeState, status};
use crate::usecases::following::{Followed, follow};
use crate::web::body::Held;
use crate::web::input::InQuery;
use crate::web::peer::Peer;
use crate::web::stream_body::UNBUFFERED;

/// The path of the stream.
pub(crate) const EVENTS_PATH: &str = "/api/v1/events";

/// What is followed.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct EventsParams {
    /// The number of the only draw that is followed; by default all are.
    draw: Option<u32>,
}

/// The data of an event `draw`: a draw as it is since its last change.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
struct DrawEvent {
    /// Its number.
    id: u32,
    /// Its name.
    name: String,
    /// Its state.
    state: LifeState,
    /// The number of its agencies that have finished.
    agencies_finished: u64,
    /// The number of its batches.
    batches: u64,
    /// The number of its bets.
    bets: u64,
    /// The number of acts in its history.
    acts: usize,
}

/// Draws as the caller was last told.
#[derive(Default)]
struct Told(BTreeMap<DrawId, DrawEvent>);

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(events))
}

/// Follow draws
///
/// An endless stream of server-sent events. At the start an event `draw` for each draw that is not
/// published, and the newest published ones; then one for each draw that has changed, at most once
/// a second. Comments in between keep the connection open. Its last event is `over` when the
/// session or token has ended; it ends without one when the central stops. After a reconnection it
/// starts anew.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "draws", params(EventsParams),
    responses(
        (status = 200, description = "Events, whose data is JSON", body = DrawEvent,
         content_type = "text/event-stream"),
        Refusals
    )
)]
async fn events(
    State(app): State<App>,
    Peer(client): Peer,
    Allowed(who, ..): Allowed<ViewBoard>,
    InQuery(EventsParams { draw }): InQuery<EventsParams>,
) -> Result<Response, Refusal> {
    let draw = draw.map(DrawId);
    if let Some(draw) = draw {
        status(&app, draw)?;
    }
    let place = app.boards.take(client);
    let place = place.map_err(|why| Refusal::TooMuchAtOnce("boards and event streams", why))?;
    let mut told = Told::default();
    let followed = follow(&app, who).await;
    let events = followed.flat_map(move |followed| {
        let events = match followed {
            Followed::Board(board) => told.changes(&app, &board, draw),
            Followed::Over => vec![Event::default().event("over").data("{}")],
        };
        iter(events.into_iter().map(Ok::<_, Infallible>))
    });
    let alive = KeepAlive::new().interval(BOARD_KEEPALIVE_TIME);
    let answer = (UNBUFFERED, Sse::new(events).keep_alive(alive)).into_response();
    Ok(answer.map(|body| Held::by(body, place)))
}

impl Told {
    /// Returns an event for each draw that is not as it was told.
    fn changes(&mut self, app: &AppState, board: &Board, draw: Option<DrawId>) -> Vec<Event> {
        let view = app.service.view();
        let followed: Vec<_> = match draw {
            Some(draw) => view.draw(draw).into_iter().collect(),
            None => {
                let shown = board.draws.iter().map(|it| it.status.clone());
                // A draw that was cancelled, or published long ago, is not on the board.
                let gone = self.0.keys().filter(|id| board.draw(**id).is_none());
                shown.chain(gone.filter_map(|id| view.draw(*id))).collect()
            }
        };
        followed.iter().filter_map(|status| self.change(status)).collect()
    }

    fn change(&mut self, status: &DrawStatus) -> Option<Event> {
        let event = DrawEvent::of(status);
        if self.0.get(&status.id) == Some(&event) {
            return None;
        }
        let text = serde_json::to_string(&event).expect("all its keys are text");
        self.0.insert(status.id, event);
        Some(Event::default().event("draw").data(text))
    }
}

impl DrawEvent {
    fn of(status: &DrawStatus) -> Self {
        Self {
            id: status.id.0,
            name: status.terms.name.to_string(),
            state: LifeState::of(status),
            agencies_finished: status.agencies_finished,
            batches: status.batches,
            bets: status.bets,
            acts: status.life.history.len(),
        }
    }
}
