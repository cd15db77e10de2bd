//! The page of a draw: its state, its steps, and what mends mistakes.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use lottery::{
    Act, ActError, AgencyId, DrawId, DrawState, DrawStatus, HistoryStep, Label, Reason, Winners,
};
use operators::Permission;

use super::form::{Form, FormOutcome, done, told};
use super::language::Locale;
use super::posted::Posted;
use super::refusal;
use super::shell::{Notice, Shell, show_as};
use super::terms::{self, TermsForm, marked, number};
use super::text;
use super::view::{DrawView, Movement, Step, WinnersView, digits, missing, steps};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::limits::{DRAW_AGENCIES_MAX, WINNERS_FIRST};
use crate::usecases::app::App;
use crate::usecases::draws::{expect_bets, status};
use crate::usecases::winners::read;
use crate::web::input::At;
use crate::web::problem::Problem;

#[derive(Template)]
#[template(path = "draw.html")]
struct DrawPage {
    p: Shell,
    d: DrawView,
    steps: Vec<Step>,
    /// Whether it was never opened and can't be opened any more.
    is_expired: bool,
    missing: String,
    reason_needed: bool,
    is_empty: bool,
    terms: TermsForm,
    entry: EntryView,
    void: Option<VoidView>,
    movements: Vec<Movement>,
    winners: Option<WinnersView>,
    files: Vec<File>,
    form: Form,
}

/// The entry of the winning number.
struct EntryView {
    /// The operator who entered it first; empty if nobody has.
    by: String,
    /// Whether that is the user.
    is_own: bool,
    /// The two operators who entered different numbers just before; empty if nobody has.
    differed: String,
    /// The number to be confirmed, if the user typed one.
    confirm: Option<Confirm>,
}

/// A number that is shown once more before it is entered.
struct Confirm {
    /// The step that it is for.
    step: String,
    number: u32,
    /// Its digits apart.
    digits: String,
}

/// The void of a result that another operator has to void too.
struct VoidView {
    by: String,
    why: String,
    /// Whether the user voided it first.
    is_own: bool,
}

/// A file to download.
struct File {
    name: &'static str,
    path: String,
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/draws/{id}", get(page))
        .route("/draws/{id}/{step}", get(after_step).post(step))
}

async fn page(
    State(app): State<App>,
    user: CurrentUser,
    At(id): At<u32>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let outcome = FormOutcome { form: Form::of_query(&uri), ..FormOutcome::default() };
    let page = page_with(&app, &user, DrawId(id), outcome, None).await?;
    Ok(told(&app, &user, page))
}

/// Redirects to the draw: the user reloaded the page of a step, or logged in again.
async fn after_step(_: CurrentUser, At((id, _)): At<(u32, String)>, uri: Uri) -> Response {
    let query = uri.query().map_or_else(String::new, |query| format!("?{query}"));
    Redirect::to(&format!("/draws/{id}{query}")).into_response()
}

/// Performs one step of a draw's life cycle.
async fn step(
    State(app): State<App>,
    At((id, step)): At<(u32, String)>,
    Posted(user, mut form): Posted,
) -> Result<Response, Refusal> {
    user.must(Permission::RunDraws)?;
    let (l, draw) = (user.language, status(&app, DrawId(id))?);
    form.set("step", &step);
    let act = act_of(&step, &draw, &mut form, l)?;
    let why = Reason::new(form.get("why")).map_err(|error| refusal::reason(error, l));
    let why = marked(&mut form, "why", why);
    let (Some(act), Some(why)) = (act, why) else {
        return page_with(&app, &user, draw.id, FormOutcome::marked(form, l), None).await;
    };
    let confirm = confirm_of(&act, &draw, step);
    let is_sure = !form.get("sure").is_empty();
    if !is_sure && confirm.is_some() && draw.state == DrawState::Closed {
        return page_with(&app, &user, draw.id, FormOutcome::default(), confirm).await;
    }
    if !is_sure && matches!(act, Act::Close(_) | Act::Void(_) | Act::Publish(_)) {
        return page_with(&app, &user, draw.id, FormOutcome::unconfirmed(form, l), None).await;
    }
    let has_bets = match act {
        Act::EnterNumber { .. } => expect_bets(&app, draw.id, !form.get("allow_empty").is_empty()),
        _ => Ok(()),
    };
    let confirm = confirm.filter(|_| has_bets.is_err());
    let acted = match has_bets {
        Ok(()) => app.act(&user.who, why, act).await.map(drop),
        Err(refusal) => Err(refusal),
    };
    match acted {
        Ok(()) => Ok(done(&app, &format!("/draws/{id}"))),
        Err(refusal) => page_with(&app, &user, draw.id, refused(refusal, form, l)?, confirm).await,
    }
}

/// Reads the act of a step; `None` if something in the form is wrong, which is marked.
fn act_of(
    step: &str,
    status: &DrawStatus,
    form: &mut Form,
    l: Locale,
) -> Result<Option<Act>, Refusal> {
    let draw = status.id;
    Ok(match step {
        "edit" => terms::read(form, Some(status), l).map(|(terms, schedule)| Act::Edit {
            draw,
            terms,
            schedule,
        }),
        "cancel" => Some(Act::Cancel(draw)),
        "open" => Some(Act::Open(draw)),
        "reopen" => {
            let agency = number(form.get("agency"), l);
            let agency = marked(form, "agency", agency).map(AgencyId);
            agency.map(|agency| Act::Reopen { draw, agency })
        }
        "close" => Some(Act::Close(draw)),
        "number" => entry(status, form, l).map(|number| Act::EnterNumber { draw, number }),
        "correct" => entry(status, form, l).map(|number| Act::CorrectNumber { draw, number }),
        "void" => Some(Act::Void(draw)),
        "publish" => Some(Act::Publish(draw)),
        _ => return Err(Problem::no_such_path().into()),
    })
}

/// Reads the number that is entered.
fn entry(draw: &DrawStatus, form: &mut Form, l: Locale) -> Option<u32> {
    let range = draw.terms.numbers;
    let number = number(form.get("number"), l).and_then(|number| {
        let outside = || ActError::NumberRange { number, range };
        if range.contains(number) { Ok(number) } else { Err(refusal::act(&outside(), l)) }
    });
    marked(form, "number", number)
}

fn confirm_of(act: &Act, draw: &DrawStatus, step: String) -> Option<Confirm> {
    let (Act::EnterNumber { number, .. } | Act::CorrectNumber { number, .. }) = *act else {
        return None;
    };
    let apart: Vec<_> = digits(number, &draw.terms).chars().map(String::from).collect();
    Some(Confirm { step, number, digits: apart.join(" ") })
}

/// Returns the outcome of a draw's form that was refused: beside the field that it is about, if
/// there is one.
pub(super) fn refused(refusal: Refusal, mut form: Form, l: Locale) -> Result<FormOutcome, Refusal> {
    match refusal::field(&refusal) {
        Some(field) => {
            form.mark(field, refusal::why(&refusal, l));
            Ok(FormOutcome { status: refusal.status(), ..FormOutcome::marked(form, l) })
        }
        None => FormOutcome::of(Err(refusal), form, l),
    }
}

async fn page_with(
    app: &App,
    user: &CurrentUser,
    draw: DrawId,
    outcome: FormOutcome,
    confirm: Option<Confirm>,
) -> Result<Response, Refusal> {
    let FormOutcome { status: code, notice, form } = outcome;
    let l = user.language;
    let (status, unfinished, winners) = found(app, user, draw).await?;
    let shown = |it: &Winners| WinnersView::of(it, 0, DRAW_AGENCIES_MAX, WINNERS_FIRST, l);
    let winners = winners.as_ref().map(shown);
    let over = status.life.is_expired(app.service.now());
    let is_early = !over && status.life.schedule.closes_at.is_some();
    let files = [("CSV", "bets.csv"), ("Parquet", "bets.parquet")];
    let files = files.map(|(name, file)| {
        let path = format!("/api/v1/draws/{draw}/{file}");
        File { name, path }
    });
    let terms = if form.get("step") == "edit" { form.clone() } else { terms::filled(&status, l) };
    let page = DrawPage {
        p: Shell::of(user, notice.or_else(|| just_done(&status, user))),
        steps: steps(&status, l),
        is_expired: over && status.state == DrawState::Announced,
        missing: missing(&status, &unfinished, l),
        reason_needed: is_early || !status.all_finished(),
        is_empty: status.bets == 0,
        terms: TermsForm::of(terms, l),
        entry: EntryView::of(&status, user, confirm),
        void: VoidView::of(&status, user),
        movements: Movement::all(&status, l),
        winners,
        files: if status.is_published() { files.into() } else { Vec::new() },
        d: DrawView::of(&status, l),
        form,
    };
    Ok(show_as(code, &page))
}

/// Returns what the user did just before, unless the page says it anyway.
fn just_done(status: &DrawStatus, user: &CurrentUser) -> Option<Notice> {
    let mut latest = status.life.history.iter().rev();
    let last = latest.find(|it| it.by == user.who.actor()).filter(|_| user.is_done)?;
    match last.step {
        HistoryStep::NumberEntered | HistoryStep::NumberDiffered | HistoryStep::VoidAsked => None,
        step => Some(Notice::good(format!("{}.", text::step(step, user.language)))),
    }
}

impl DrawPage {
    /// Returns what was typed in a field of the form of a step.
    fn typed(&self, step: &str, field: &str) -> &str {
        if self.form.get("step") == step { self.form.get(field) } else { "" }
    }

    /// Returns what is wrong with a field of the form of a step.
    fn error(&self, step: &str, field: &str) -> &str {
        if self.form.get("step") == step { self.form.error(field) } else { "" }
    }

    /// Returns whether the user voided the result first: another operator has to.
    fn is_voided_by_user(&self) -> bool {
        self.void.as_ref().is_some_and(|void| void.is_own)
    }

    /// Returns whether the form of a step is open.
    fn is_open(&self, step: &str) -> bool {
        self.form.get("step") == step
    }
}

impl EntryView {
    fn of(status: &DrawStatus, user: &CurrentUser, confirm: Option<Confirm>) -> Self {
        let life = &status.life;
        let entered = life.entered_by.as_ref();
        let differed = match &life.history[..] {
            [.., first, last] if last.step == HistoryStep::NumberDiffered => {
                format!("{} {} {}", first.by, user.language.t("y", "and"), last.by)
            }
            _ => String::new(),
        };
        Self {
            by: entered.map_or_else(String::new, ToString::to_string),
            is_own: entered.is_some_and(|by| is_user(by, user)),
            differed,
            confirm,
        }
    }
}

impl VoidView {
    fn of(status: &DrawStatus, user: &CurrentUser) -> Option<Self> {
        let by = status.life.void_by.as_ref().filter(|_| !status.is_published())?;
        let mut acts = status.life.history.iter().rev();
        let asked = acts.find(|it| it.step == HistoryStep::VoidAsked)?;
        Some(Self { by: by.to_string(), why: asked.why.to_string(), is_own: is_user(by, user) })
    }
}

fn is_user(by: &Label, user: &CurrentUser) -> bool {
    by.as_str() == user.who.name.as_str()
}

/// Returns the agencies of a draw that have not finished.
pub(super) fn unfinished(app: &App, draw: DrawId) -> Vec<u32> {
    let agencies = app.service.view().all_agencies(draw);
    agencies.filter(|it| !it.finished).map(|it| it.agency.0).collect()
}

/// Returns a draw, its unfinished agencies, and its winners if the user may see them.
async fn found(
    app: &App,
    user: &CurrentUser,
    draw: DrawId,
) -> Result<(DrawStatus, Vec<u32>, Option<Winners>), Refusal> {
    let status = status(app, draw)?;
    let unfinished = unfinished(app, draw);
    let drawn = matches!(status.state, DrawState::Drawn { .. });
    let winners = if drawn && user.who.may(Permission::ReadWinners) {
        Some(read(app, &user.who, &status).await?)
    } else {
        None
    };
    Ok((status, unfinished, winners))
}
