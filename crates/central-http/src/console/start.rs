//! The first steps: from an empty central to the first published draw.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use lottery::{DrawState, DrawStatus};
use operators::Permission;

use super::language::Locale;
use super::shell::{Shell, show};
use super::visitor::CurrentUser;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;
use crate::usecases::draws::LifeState;

#[derive(Template)]
#[template(path = "start.html")]
struct Start {
    p: Shell,
    steps: Vec<FirstStep>,
    is_complete: bool,
}

struct FirstStep {
    name: &'static str,
    about: &'static str,
    /// The CSS class: `done`, `now` or empty.
    class: &'static str,
    /// Where it is done, if the user may do it.
    path: Option<String>,
}

/// How far the central is.
struct Progress {
    /// How many operators may run draws.
    runners: usize,
    agencies: usize,
    /// The draw that is furthest.
    draw: Option<DrawStatus>,
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/start", get(page))
}

async fn page(State(app): State<App>, user: CurrentUser) -> Result<Response, Refusal> {
    let people = app.access.people().await?;
    let may_run = |role| Permission::RunDraws.is_held_by(role);
    let runners = people.operators().filter(|(_, it)| !it.disabled && may_run(it.role)).count();
    let (view, l) = (app.service.view(), user.language);
    let draws = view.all_draws().filter(|draw| draw.state != DrawState::Cancelled);
    let draw = draws.max_by_key(|draw| stage(Some(draw)));
    let progress = Progress { runners, agencies: view.registered_count(), draw };
    let mut steps = progress.steps(&user, l);
    let is_complete = steps.iter().all(|step| step.class == "done");
    if let Some(next) = steps.iter_mut().find(|step| step.class != "done") {
        next.class = "now";
    }
    Ok(show(&Start { p: Shell::of(&user, None), steps, is_complete }))
}

/// Returns how many steps a draw has behind it.
fn stage(draw: Option<&DrawStatus>) -> u8 {
    match draw.map(LifeState::of) {
        None | Some(LifeState::Cancelled) => 0,
        Some(LifeState::Announced) => 1,
        Some(LifeState::Open) => 2,
        Some(LifeState::Closed) => 3,
        Some(LifeState::Drawn) => 4,
        Some(LifeState::Published) => 5,
    }
}

impl Progress {
    fn steps(&self, user: &CurrentUser, l: Locale) -> Vec<FirstStep> {
        let step = |name, about, is_done, needed: Permission, path: &str| FirstStep {
            name,
            about,
            class: if is_done { "done" } else { "" },
            path: user.who.may(needed).then(|| path.to_owned()),
        };
        let stage = stage(self.draw.as_ref());
        let draw = self.draw.as_ref().map_or("/draws".to_owned(), |it| format!("/draws/{}", it.id));
        let of_draw = |name, about, at| step(name, about, stage > at, Permission::RunDraws, &draw);
        vec![
            step(
                l.t("Dos operadores", "Two operators"),
                l.t(
                    "Dos personas ingresan el número ganador por separado. Un administrador agrega a la segunda.",
                    "Two people enter the winning number separately. An admin adds the second one.",
                ),
                self.runners >= 2,
                Permission::ManageOperators,
                "/operators",
            ),
            step(
                l.t("Las agencias", "The agencies"),
                l.t(
                    "Registre las que venden, con su número, su nombre y su lugar.",
                    "Register those that sell, with number, name and place.",
                ),
                self.agencies > 0,
                Permission::ManageAgencies,
                "/agencies",
            ),
            step(
                l.t("Un sorteo programado", "A draw is announced"),
                l.t(
                    "Con su nombre, sus agencias y, si se quiere, las horas de apertura y cierre.",
                    "With its name, its agencies and, if wanted, its opening and closing times.",
                ),
                stage > 0,
                Permission::RunDraws,
                "/draws",
            ),
            of_draw(
                l.t("La venta abierta", "The sale is open"),
                l.t(
                    "A su hora, o a mano. Desde entonces las agencias envían apuestas.",
                    "At its time, or by hand. From then on agencies send bets.",
                ),
                1,
            ),
            of_draw(
                l.t("La venta cerrada", "The sale is closed"),
                l.t(
                    "A su hora, o a mano. Vea en el tablero qué agencias terminaron.",
                    "At its time, or by hand. See on the board which agencies have finished.",
                ),
                2,
            ),
            of_draw(
                l.t("El número ingresado", "The number is entered"),
                l.t(
                    "Lo leen del extracto dos operadores, y cada uno lo ingresa sin ver el del otro.",
                    "Two operators read it from the official result; neither sees the other's entry.",
                ),
                3,
            ),
            of_draw(
                l.t("Los ganadores publicados", "The winners are published"),
                l.t(
                    "Cada agencia recibe los suyos, y se imprime el acta.",
                    "Each agency gets its own, and the record is printed.",
                ),
                4,
            ),
        ]
    }
}
