//! Domain values in the languages of the console.

use std::fmt;

use central::Nodes;
use lottery::{
    Act, Actor, AuditedAction, BetsSearch, Event, HistoryStep, LogInFailed, OperatorsChange,
    RecordedAct,
};

use super::language::Locale;
use super::shell::role_name;
use crate::usecases::draws::LifeState;

/// Returns the name of a draw's state.
pub(super) fn state(state: LifeState, l: Locale) -> &'static str {
    match state {
        LifeState::Announced => l.t("Programado", "Announced"),
        LifeState::Cancelled => l.t("Cancelado", "Cancelled"),
        LifeState::Open => l.t("Abierto", "Open"),
        LifeState::Closed => l.t("Cerrado", "Closed"),
        LifeState::Drawn => l.t("Sorteado", "Drawn"),
        LifeState::Published => l.t("Publicado", "Published"),
    }
}

/// Returns since when the other centrals can't be seen.
pub(super) fn nodes_unseen(nodes: &Nodes, l: Locale) -> String {
    let text = l.t(
        "No se ve a las otras centrales, ni a las agencias conectadas a ellas, desde",
        "The other centrals, and the agencies connected to them, can't be seen since",
    );
    format!("{text} {}.", l.hour(nodes.seen_at))
}

/// Returns what was done to a draw.
pub(super) fn step(step: HistoryStep, l: Locale) -> String {
    let text = match step {
        HistoryStep::Announced => l.t("Sorteo programado", "Draw announced"),
        HistoryStep::Edited => l.t("Cambios en lo programado", "Announcement edited"),
        HistoryStep::Cancelled => l.t("Sorteo cancelado", "Draw cancelled"),
        HistoryStep::Opened => l.t("Sorteo abierto", "Draw opened"),
        HistoryStep::Reopened(agency) => {
            let (what, it) = (l.t("Agencia", "Agency"), l.t("reabierta", "reopened"));
            return format!("{what} {agency} {it}");
        }
        HistoryStep::Closed => l.t("Sorteo cerrado", "Draw closed"),
        HistoryStep::NumberEntered => {
            l.t("Número ingresado por primera vez", "Number entered by the first operator")
        }
        HistoryStep::NumberCorrected => l.t("Número corregido", "Number corrected"),
        HistoryStep::NumberConfirmed => l.t(
            "Los dos números coinciden: el sorteo está hecho",
            "Both numbers match: the draw is made",
        ),
        HistoryStep::NumberDiffered => l.t("Los números no coinciden", "The numbers differ"),
        HistoryStep::VoidAsked => {
            l.t("Pedido de anular el resultado", "Result voided by the first operator")
        }
        HistoryStep::Voided => l.t("Resultado anulado", "Result voided"),
        HistoryStep::Published => l.t("Ganadores publicados", "Winners published"),
    };
    text.to_owned()
}

/// Returns the name of an actor.
pub(super) fn actor(by: &Actor, l: Locale) -> String {
    match by {
        Actor::Clock => l.t("el reloj", "the clock").to_owned(),
        Actor::Operator(name) => name.to_string(),
        Actor::Token { owner, number, label } => {
            format!("{owner} {} {number} «{label}»", l.t("con el token", "with token"))
        }
    }
}

/// Returns the author of an act; nobody knows who fails to log in.
fn author(recorded: &RecordedAct, l: Locale) -> String {
    match &recorded.act {
        Act::Audited(AuditedAction::LogInFailed(_)) => l.t("alguien", "somebody").to_owned(),
        Act::Audited(AuditedAction::OnCommandLine(made)) => {
            format!("{} {}", made.user, l.t("en la línea de comandos", "on the command line"))
        }
        _ => actor(&recorded.by, l),
    }
}

/// Returns who did what in an audited event.
pub(super) fn event(event: &Event, l: Locale) -> (String, String) {
    let central = || l.t("la central", "the central").to_owned();
    match event {
        Event::DrawOpened { draw, terms, .. } => {
            let what = l.t("abrió el sorteo que va solo", "opened the automatic draw");
            (central(), format!("{what}: {draw} «{}»", terms.name))
        }
        Event::BatchAccepted(batch) => {
            let what = l.t("envió apuestas", "sent bets");
            (format!("{} {}", l.t("agencia", "agency"), batch.agency), what.to_owned())
        }
        Event::AgencyFinished { draw, agency } => {
            let what = l.t("terminó el sorteo", "finished draw");
            (format!("{} {agency}", l.t("agencia", "agency")), format!("{what} {draw}"))
        }
        Event::DrawClosed { draw, bets, set } => {
            let closed = l.t("cerró el sorteo", "closed draw");
            let take_part = l.t("apuestas participan; resumen", "bets take part; digest");
            (central(), format!("{closed} {draw}: {} {take_part} {set}", l.n(*bets)))
        }
        Event::DrawMade { draw, number, .. } => {
            let made = l.t("hizo el sorteo", "made draw");
            let won = l.t("número ganador", "winning number");
            (central(), format!("{made} {draw}: {won} {number}"))
        }
        Event::DrawPublished { draw } => {
            (central(), format!("{} {draw}", l.t("publicó el sorteo", "published draw")))
        }
        Event::Acted(recorded) => (author(recorded, l), act(recorded, l)),
    }
}

/// Returns the name of a kind of events, one of [`lottery::ACTIONS`].
pub(super) fn action(action: &str, l: Locale) -> &'static str {
    match action {
        "draw-announced" => l.t("Sorteo programado", "Draw announced"),
        "draw-edited" => l.t("Cambios en lo programado", "Draw edited"),
        "draw-cancelled" => l.t("Sorteo cancelado", "Draw cancelled"),
        "draw-opened" => l.t("Sorteo abierto", "Draw opened"),
        "agency-reopened" => l.t("Agencia reabierta", "Agency reopened"),
        "agency-finished" => l.t("Agencia que terminó", "Agency finished"),
        "draw-closed" => l.t("Sorteo cerrado", "Draw closed"),
        "bets-closed" => l.t("Conjunto de apuestas fijado", "Set of bets fixed"),
        "number-entered" => l.t("Número ingresado", "Number entered"),
        "number-corrected" => l.t("Número corregido", "Number corrected"),
        "draw-made" => l.t("Sorteo hecho", "Draw made"),
        "result-voided" => l.t("Resultado anulado", "Result voided"),
        "draw-published" => l.t("Publicación del sorteo", "Publication of a draw"),
        "winners-published" => l.t("Ganadores publicados", "Winners published"),
        "agency-registered" => l.t("Agencia registrada", "Agency registered"),
        "logged-in" => l.t("Ingreso", "Log-in"),
        "logged-out" => l.t("Salida", "Log-out"),
        "log-in-failed" => l.t("Ingreso fallido", "Failed log-in"),
        "operator-added" => l.t("Operador agregado", "Operator added"),
        "operator-disabled" => l.t("Operador deshabilitado", "Operator disabled"),
        "operator-enabled" => l.t("Operador habilitado", "Operator enabled"),
        "password-changed" => l.t("Contraseña cambiada", "Password changed"),
        "token-given" => l.t("Token creado", "Token created"),
        "token-revoked" => l.t("Token revocado", "Token revoked"),
        "operators-not-changed" => l.t("Cambio no realizado", "Change not made"),
        "bets-searched" => l.t("Búsqueda de apuestas", "Search for bets"),
        "winners-read" => {
            l.t("Ganadores vistos antes de publicar", "Winners read before publication")
        }
        "bets-exported" => l.t("Apuestas descargadas", "Bets exported"),
        _ => "?",
    }
}

/// Describes an act, without the number that was entered.
fn act(recorded: &RecordedAct, l: Locale) -> String {
    let of_draw = |what: &str, draw: &lottery::DrawId| format!("{what} {draw}");
    match &recorded.act {
        Act::Announce { terms, .. } => {
            format!("{} «{}»", l.t("anunció el sorteo", "announced the draw"), terms.name)
        }
        Act::Edit { draw, terms, .. } => {
            let what = l.t("cambió lo programado del sorteo", "edited draw");
            format!("{what} {draw} «{}»", terms.name)
        }
        Act::Cancel(draw) => of_draw(l.t("canceló el sorteo", "cancelled draw"), draw),
        Act::Open(draw) => of_draw(l.t("abrió el sorteo", "opened draw"), draw),
        Act::Reopen { draw, agency } => {
            let (what, of) = (l.t("reabrió la agencia", "reopened agency"), l.t("en", "in"));
            format!("{what} {agency} {of} {} {draw}", l.t("el sorteo", "draw"))
        }
        Act::Close(draw) => of_draw(l.t("cerró el sorteo", "closed draw"), draw),
        Act::EnterNumber { draw, .. } => {
            of_draw(l.t("ingresó un número del sorteo", "entered a number of draw"), draw)
        }
        Act::CorrectNumber { draw, .. } => {
            let what = l.t("corrigió su número del sorteo", "corrected their number of draw");
            of_draw(what, draw)
        }
        Act::Void(draw) => {
            of_draw(l.t("anuló el resultado del sorteo", "voided the result of draw"), draw)
        }
        Act::Publish(draw) => of_draw(l.t("publicó el sorteo", "published draw"), draw),
        Act::Register(it) => {
            let state = if it.enabled {
                l.t("habilitada", "enabled")
            } else {
                l.t("deshabilitada", "disabled")
            };
            let what = l.t("registró la agencia", "registered agency");
            format!("{what} {} «{}», {}, {state}", it.agency, it.name, it.place)
        }
        Act::Audited(action) => audited(action, &recorded.by, l),
    }
}

fn log_in_failed(failed: LogInFailed, name: &Actor, l: Locale) -> String {
    let what = l.t("no pudo ingresar como", "failed to log in as");
    let from = l.t("desde", "from");
    let times = match failed.attempts {
        1 => String::new(),
        many => format!(" ({} {})", l.n(many), l.t("intentos", "attempts")),
    };
    format!("{what} {}, {from} {}{times}", actor(name, l), failed.address)
}

fn audited(action: &AuditedAction, by: &Actor, l: Locale) -> String {
    match action {
        AuditedAction::LogInFailed(failed) => log_in_failed(*failed, by, l),
        AuditedAction::LogIn => l.t("ingresó", "logged in").to_owned(),
        AuditedAction::LogOut => l.t("salió", "logged out").to_owned(),
        AuditedAction::ChangeOperators(change) => operators_change(change, l),
        AuditedAction::OperatorsNotChanged(change) => {
            let what = l.t(
                "no se hizo, no se pudo escribir el archivo",
                "it was not done, the file could not be written",
            );
            format!("{what}: {}", operators_change(change, l))
        }
        AuditedAction::OnCommandLine(made) => {
            format!("{} ({})", operators_change(&made.change, l), l.time(made.at))
        }
        AuditedAction::SearchBets(search) => bets_search(search, l),
        AuditedAction::ReadWinners(draw) => {
            let what = l.t("vio los ganadores del sorteo", "read the winners of draw");
            let when = l.t("antes de su publicación", "before their publication");
            format!("{what} {draw} {when}")
        }
        AuditedAction::ExportBets(draw) => {
            let what = l.t("exportó las apuestas del sorteo", "exported the bets of draw");
            format!("{what} {draw}")
        }
    }
}

fn operators_change(change: &OperatorsChange, l: Locale) -> String {
    match change {
        OperatorsChange::Add { name, role } => {
            let (added, of) = (l.t("agregó a", "added"), l.t("como", "as"));
            format!("{added} {name} {of} {}", role_name(*role, l))
        }
        OperatorsChange::Disable(name) => format!("{} {name}", l.t("deshabilitó a", "disabled")),
        OperatorsChange::Enable(name) => format!("{} {name}", l.t("habilitó a", "enabled")),
        OperatorsChange::ChangePassword(name) => {
            format!("{} {name}", l.t("cambió la contraseña de", "changed the password of"))
        }
        OperatorsChange::GiveToken { role, days, label } => {
            let (given, role) =
                (l.t("se dio un token de", "got a token of a"), role_name(*role, l));
            format!("{given} {role}, {days} {}: «{label}»", l.t("días", "days"))
        }
        OperatorsChange::GiveTokenTo { name, role, days, label } => {
            let given = l.t("dio un token a", "gave a token to");
            let (of, role) = (l.t("de", "of a"), role_name(*role, l));
            format!("{given} {name}, {of} {role}, {days} {}: «{label}»", l.t("días", "days"))
        }
        OperatorsChange::RevokeToken(number) => {
            format!("{} {number}", l.t("revocó el token", "revoked token"))
        }
    }
}

fn bets_search(search: &BetsSearch, l: Locale) -> String {
    let BetsSearch { draw, document, number, agency, after } = search;
    let what = l.t("buscó apuestas del sorteo", "searched bets of draw");
    let of = |what: &str, of: &dyn fmt::Display| format!(", {what} {of}");
    let document = document.as_ref().map(|it| of(l.t("documento", "document"), it));
    let number = number.map(|it| of(l.t("número", "number"), &it));
    let agency = agency.map(|it| of(l.t("agencia", "agency"), &it));
    let after = Some(after).filter(|it| **it > 0);
    let after = after.map(|it| of(l.t("después de la apuesta", "after bet"), it));
    let parts: String = [document, number, agency, after].into_iter().flatten().collect();
    format!("{what} {draw}{parts}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::console::language::tests::spanish;

    #[test]
    fn each_kind_of_events_has_its_own_name() {
        let names: BTreeSet<_> = lottery::ACTIONS.map(|it| action(it, spanish())).into();
        assert!(names.len() == lottery::ACTIONS.len() && !names.contains("?"), "{names:?}");
    }
}
