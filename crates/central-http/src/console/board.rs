//! The live board page.

use std::convert::Infallible;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use central::{Nodes, RefusedBatches};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use lottery::{DrawId, DrawState, Registration, Timestamp};
use serde::Deserialize;

use super::chart::{Chart, Heat};
use super::language::Locale;
use super::pagination::Pagination;
use super::shell::{Shell, rendered, show};
use super::text;
use super::view::DrawView;
use super::visitor::{CurrentUser, PassiveWatcher, Watcher};
use crate::access::refusal::Refusal;
use crate::limits::{BOARD_AGENCIES_MAX, BOARD_KEEPALIVE_TIME, BOARD_TABS_MAX};
use crate::usecases::app::{App, State as Central};
use crate::usecases::board::{AgencyBoard, Board, DrawBoard};
use crate::usecases::draws::LifeState;
use crate::usecases::following::{Followed, follow};
use crate::web::body::Held;
use crate::web::input::InQuery;
use crate::web::peer::Peer;
use crate::web::stream_body::UNBUFFERED;

/// The path of the event stream that updates a board while it is watched.
pub(crate) const EVENTS_PATH: &str = "/board/events";

/// Which draw, and which page of its agencies.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct BoardQuery {
    draw: Option<u32>,
    /// Counted from 1.
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage {
    p: Shell,
    board: Option<BoardView>,
    events: String,
    /// Whether no draw has been published yet.
    is_first: bool,
}

#[derive(Template)]
#[template(path = "board_live.html")]
struct Live<'a> {
    p: &'a Shell,
    b: BoardView,
}

#[derive(Template)]
#[template(path = "board_empty.html")]
struct Empty<'a> {
    p: &'a Shell,
}

struct Tab {
    id: u32,
    name: String,
    state: &'static str,
    class: &'static str,
    is_here: bool,
}

struct BoardView {
    tabs: Vec<Tab>,
    /// Whether there are draws without a tab.
    has_more: bool,
    id: u32,
    name: String,
    state: &'static str,
    class: &'static str,
    countdown: String,
    now: String,
    alerts: Vec<Alert>,
    bets: String,
    rate: String,
    batches: String,
    connected: String,
    agencies: String,
    finished: String,
    number: String,
    chart: Option<Chart>,
    heat: Option<Heat>,
    rows: Vec<BoardRow>,
    part: Option<Pagination>,
}

struct Alert {
    kind: &'static str,
    text: String,
}

struct BoardRow {
    number: u32,
    name: String,
    place: String,
    dot: &'static str,
    connection: String,
    bets: String,
    /// The bets in percent of those of the agency with the most.
    share: u64,
    rate: String,
    last_seen: String,
    finished: bool,
    silent: bool,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/", get(page)).route(EVENTS_PATH, get(events))
}

async fn page(
    State(app): State<App>,
    Watcher(user): Watcher,
    InQuery(asked): InQuery<BoardQuery>,
) -> Response {
    let board = app.poller.now().await;
    let shown = shown_of(&board, asked.draw);
    if let (Some(draw), None) = (asked.draw, shown)
        && app.service.view().draw(DrawId(draw)).is_some()
    {
        // The board leaves out draws that were cancelled, or published too long ago.
        return Redirect::to(&format!("/draws/{draw}")).into_response();
    }
    let part =
        [asked.draw.map(|it| format!("draw={it}")), asked.page.map(|it| format!("page={it}"))];
    let part: Vec<_> = part.into_iter().flatten().collect();
    let events = format!("{EVENTS_PATH}?{}", part.join("&"));
    let l = user.language;
    let view = shown.map(|shown| BoardView::of(&app, &board, shown, asked.page, l));
    let is_first = !board.draws.iter().any(|it| it.status.is_published());
    show(&BoardPage { p: Shell::of(&user, None), board: view, events, is_first })
}

/// Streams the board: once at the start and after every refresh, until the central stops or the
/// session ends, which the last event says.
async fn events(
    State(app): State<App>,
    Peer(client): Peer,
    user: Result<PassiveWatcher, Response>,
    InQuery(asked): InQuery<BoardQuery>,
) -> Result<Response, Refusal> {
    let user = match user {
        Ok(PassiveWatcher(user)) => user,
        // The page's script can't tell a redirection from a failure.
        Err(answer) if answer.status().is_redirection() => {
            return Ok(Sse::new(iter([Ok::<_, Infallible>(over())])).into_response());
        }
        Err(answer) => return Ok(answer),
    };
    let place = app.boards.take(client);
    let place = place.map_err(|why| Refusal::TooMuchAtOnce("boards and event streams", why))?;
    let followed = follow(&app, user.who.clone()).await;
    let mut shown = String::new();
    let boards = followed.map(move |followed| {
        let event = match followed {
            Followed::Board(board) => {
                let text = live(&app, &board, &user, asked);
                let event = renewal(&shown, &text);
                shown = text;
                // The number of acts on the draw: a page that waits for another one is loaded again.
                let acts = shown_of(&board, asked.draw);
                let acts = acts.map_or(0, |it| it.status.life.history.len());
                event.id(acts.to_string())
            }
            Followed::Over => over(),
        };
        Ok::<_, Infallible>(event)
    });
    let alive = KeepAlive::new().interval(BOARD_KEEPALIVE_TIME);
    let answer = (UNBUFFERED, Sse::new(boards).keep_alive(alive)).into_response();
    Ok(answer.map(|body| Held::by(body, place)))
}

/// Returns the event that brings a board up to date: the lines that have changed, with their
/// numbers, or the whole board if it has more or fewer lines.
fn renewal(before: &str, now: &str) -> Event {
    if before.split('\n').count() != now.split('\n').count() {
        return Event::default().event("board").data(now);
    }
    let lines = before.split('\n').zip(now.split('\n')).enumerate();
    let changed = lines.filter(|(_, (before, now))| before != now);
    let changed: Vec<_> = changed.map(|(at, (_, now))| (at, now)).collect();
    let text = serde_json::to_string(&changed).expect("numbers and texts are JSON");
    Event::default().event("lines").data(text)
}

/// Returns the event that says that the session has ended.
fn over() -> Event {
    // Browsers drop an event without data.
    Event::default().event("over").data("session")
}

fn live(app: &Central, board: &Board, user: &CurrentUser, asked: BoardQuery) -> String {
    let (p, l) = (&Shell::of(user, None), user.language);
    match shown_of(board, asked.draw) {
        Some(shown) => rendered(&Live { p, b: BoardView::of(app, board, shown, asked.page, l) }),
        None => rendered(&Empty { p }),
    }
}

fn shown_of(board: &Board, draw: Option<u32>) -> Option<&DrawBoard> {
    match draw {
        Some(draw) => board.draw(DrawId(draw)),
        None => board.main_draw(),
    }
}

impl BoardView {
    fn of(app: &Central, board: &Board, shown: &DrawBoard, page: Option<usize>, l: Locale) -> Self {
        let now = Timestamp(board.at_ms);
        let view = DrawView::of(&shown.status, l);
        let (rows, part) = part_of(app, board, shown, page, l);
        let tabs = tabs(board, shown, l);
        Self {
            has_more: board.draws.len() > tabs.len(),
            tabs,
            id: view.id,
            name: view.name,
            state: view.state,
            class: view.class,
            countdown: countdown(shown, now, l),
            now: l.hour(now),
            alerts: alerts(board, shown, l),
            bets: view.bets,
            rate: l.n(shown.bets_per_second),
            batches: view.batches,
            connected: l.n(shown.connected()),
            agencies: l.n(shown.agencies_count() as u64),
            finished: view.finished,
            number: view.number,
            chart: Chart::of(shown, l),
            heat: Heat::of(&shown.strips, app.service.view(), l),
            rows,
            part,
        }
    }
}

/// Returns a tab for each of the most urgent draws, all open ones, and the one that is shown.
fn tabs(board: &Board, shown: &DrawBoard, l: Locale) -> Vec<Tab> {
    let tabs = board.draws.iter().enumerate().filter_map(|(at, draw)| {
        let (status, state) = (&draw.status, LifeState::of(&draw.status));
        let is_here = shown.status.id == status.id;
        (at < BOARD_TABS_MAX || state == LifeState::Open || is_here).then(|| Tab {
            id: status.id.0,
            name: status.terms.name.to_string(),
            state: text::state(state, l),
            class: state.as_str(),
            is_here,
        })
    });
    tabs.collect()
}

/// Returns the rows of a page and its pagination. If there is more than one page, agencies with an
/// alert come first.
fn part_of(
    app: &Central,
    board: &Board,
    shown: &DrawBoard,
    page: Option<usize>,
    l: Locale,
) -> (Vec<BoardRow>, Option<Pagination>) {
    let path = format!("/?draw={}&page=", shown.status.id);
    let (places, part) = Pagination::of(shown.agencies_count(), page, BOARD_AGENCIES_MAX, &path, l);
    let rows = shown.rows(places, part.is_some());
    let known = app.service.view();
    let most = shown.agencies.values().map(|it| it.bets).max().unwrap_or(0);
    let rows = rows.iter().map(|row| {
        let known = known.registration(row.agency);
        let node = row.elsewhere.and_then(|node| board.nodes.as_ref()?.find(node));
        BoardRow::of(row, most, known.as_deref(), node.map(|it| it.name.as_str()), l)
    });
    (rows.collect(), part)
}

impl BoardRow {
    /// `node` is the name of the other central that the agency is connected to.
    fn of(
        agency: &AgencyBoard,
        most: u64,
        known: Option<&Registration>,
        node: Option<&str>,
        l: Locale,
    ) -> Self {
        let is_enabled = known.is_none_or(|it| it.enabled);
        let (dot, connection) = match agency.connections {
            _ if !is_enabled => ("off", l.t("deshabilitada", "disabled").to_owned()),
            0 if agency.interrupted => {
                let at = l.t("interrumpida en", "interrupted at");
                let bets = match agency.bets {
                    1 => l.t("apuesta", "bet"),
                    _ => l.t("apuestas", "bets"),
                };
                ("off", format!("{at} {} {bets}", l.n(agency.bets)))
            }
            0 if agency.silent => ("off", l.t("sin conexión", "not connected").to_owned()),
            0 => ("", l.t("sin conexión", "not connected").to_owned()),
            1 if agency.certified => ("on", l.t("con certificado", "certified").to_owned()),
            1 => ("on", l.t("sin cifrar", "plain").to_owned()),
            many => ("many", format!("{many} {}", l.t("conexiones", "connections"))),
        };
        let connection = match node {
            Some(node) => format!("{connection} · {node}"),
            None => connection,
        };
        Self {
            number: agency.agency.0,
            name: known.map_or_else(String::new, |it| it.name.to_string()),
            place: known.map_or_else(String::new, |it| it.place.to_string()),
            dot,
            connection,
            bets: l.n(agency.bets),
            share: agency.bets * 100 / most.max(1),
            rate: l.n(agency.bets_per_second),
            last_seen: agency.last_seen.map_or_else(|| "—".to_owned(), |at| l.hour(at)),
            finished: agency.finished,
            silent: agency.silent,
        }
    }
}

fn countdown(shown: &DrawBoard, now: Timestamp, l: Locale) -> String {
    let schedule = shown.status.life.schedule;
    let (until, text) = match shown.status.state {
        DrawState::Announced => (schedule.opens_at, l.t("abre en", "opens in")),
        DrawState::Open => (schedule.closes_at, l.t("cierra en", "closes in")),
        _ => (None, ""),
    };
    let Some(until) = until else { return String::new() };
    let seconds = until.0.saturating_sub(now.0).div_ceil(1000);
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    let seconds = seconds % 60;
    match hours / 24 {
        0 | 1 => format!("{text} {hours:02}:{minutes:02}:{seconds:02}"),
        days => format!("{text} {} {}", l.n(days), l.t("días", "days")),
    }
}

fn alerts(board: &Board, shown: &DrawBoard, l: Locale) -> Vec<Alert> {
    let mut alerts = Vec::new();
    let mut warn = |kind, text: String| alerts.push(Alert { kind, text });
    if let Some(free) = board.disk_low {
        let text =
            l.t("Queda poco lugar en el disco del libro", "Little room on the ledger's disk");
        warn("bad", format!("{text}: {} MB", l.n(free >> 20)));
    }
    if board.is_slow {
        let text = l.t(
            "El disco está lento: hay lotes de más de 250 ms.",
            "The disk is slow: some batches take over 250 ms.",
        );
        warn("warn", text.to_owned());
    }
    if let Some(nodes) = &board.nodes {
        for text in nodes_text(nodes, l) {
            warn("bad", text);
        }
    }
    let is_gone = |it: &&AgencyBoard| it.silent && it.interrupted;
    let interrupted: Vec<_> = shown.agencies.values().filter(is_gone).collect();
    if !interrupted.is_empty() {
        let text = l.t("Agencias interrumpidas", "Interrupted agencies");
        warn("warn", format!("{text}: {}", first_numbers(&interrupted)));
    }
    let silent = shown.agencies.values().filter(|it| it.silent && !it.interrupted);
    let silent: Vec<_> = silent.collect();
    if !silent.is_empty() {
        let text = l.t("Agencias en silencio", "Silent agencies");
        warn("warn", format!("{text}: {}", first_numbers(&silent)));
    }
    let twice: Vec<_> = shown.agencies.values().filter(|it| it.connections > 1).collect();
    if !twice.is_empty() {
        let text =
            l.t("Agencias con más de una conexión", "Agencies with more than one connection");
        warn("warn", format!("{text}: {}", first_numbers(&twice)));
    }
    if shown.refused.count > 0 {
        warn("info", refused(&shown.refused, l));
    }
    alerts
}

/// Returns a sentence if the other centrals can't be seen, or for each that is away.
fn nodes_text(nodes: &Nodes, l: Locale) -> Vec<String> {
    if nodes.unseen.is_some() {
        return vec![text::nodes_unseen(nodes, l)];
    }
    let away = nodes.all.iter().filter(|it| it.is_away && !it.is_this);
    let says = l.t("no da señales desde", "has shown no sign of life since");
    let central = l.t("La central", "Central");
    away.map(|it| format!("{central} {} {says} {}.", it.name, l.hour(it.heard_at))).collect()
}

/// Returns a sentence with the number of refused batches and the latest agencies and reasons.
fn refused(batches: &RefusedBatches, l: Locale) -> String {
    let text = l.t("Lotes rechazados en este sorteo", "Batches refused in this draw");
    let latest = batches.latest.iter().rev().map(|(agency, reason)| {
        format!("{} {agency}, {}", l.t("agencia", "agency"), reason_of_refusal(reason, l))
    });
    let latest = latest.collect::<Vec<_>>().join("; ");
    format!("{text}: {}. {}: {latest}.", l.n(batches.count), l.t("Los últimos", "The latest"))
}

/// Returns the meaning of a code that a batch is refused with.
fn reason_of_refusal(code: &str, l: Locale) -> &str {
    match code {
        "BadBets" | "NotUtf8" => l.t("apuestas con errores", "bets with errors"),
        "FrameTooLong" => l.t("lote demasiado largo", "batch too long"),
        "ChunkConflict" => l.t("un lote distinto con el mismo número", "another batch numbered so"),
        "AgencyFinished" => l.t("la agencia ya terminó", "the agency has finished"),
        "DrawClosed" => l.t("el sorteo está cerrado", "the draw is closed"),
        "NotOpenYet" => l.t("el sorteo no está abierto", "the draw is not open"),
        "TooManyBatches" => l.t("demasiados lotes", "too many batches"),
        "UnknownAgency" => {
            l.t("no participa o está deshabilitada", "does not take part or is disabled")
        }
        "StorageFull" => l.t("el disco está lleno", "the disk is full"),
        "StorageFailed" | "ShuttingDown" => {
            l.t("la central no pudo guardarlo", "the central could not store it")
        }
        code => code,
    }
}

fn first_numbers(agencies: &[&AgencyBoard]) -> String {
    let numbers: Vec<_> = agencies.iter().take(10).map(|it| it.agency.to_string()).collect();
    let more = if agencies.len() > numbers.len() { "…" } else { "" };
    format!("{}{more}", numbers.join(", "))
}
