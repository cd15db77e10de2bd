//! What the domain says, in the languages of the console.

use lottery::{Act, ActError, Acted, Actor, DrawState, DrawStatus, Event};

use super::language::Language;

/// Where a draw is.
pub(super) fn state(status: &DrawStatus, l: Language) -> &'static str {
    match status.state {
        DrawState::Announced => l.t("Anunciado", "Announced"),
        DrawState::Open => l.t("Abierto", "Open"),
        DrawState::Closed => l.t("Cerrado", "Closed"),
        DrawState::Drawn { .. } if status.is_published() => l.t("Publicado", "Published"),
        DrawState::Drawn { .. } => l.t("Sorteado", "Drawn"),
    }
}

/// A word for style sheets.
pub(super) fn state_class(status: &DrawStatus) -> &'static str {
    match status.state {
        DrawState::Announced => "announced",
        DrawState::Open => "open",
        DrawState::Closed => "closed",
        DrawState::Drawn { .. } if status.is_published() => "published",
        DrawState::Drawn { .. } => "drawn",
    }
}

/// What came of an act.
pub(super) fn acted(act: &Act, acted: Acted, l: Language) -> &'static str {
    match (act, acted) {
        (_, Acted::Repeated) => l.t("Ya estaba hecho.", "It was done already."),
        (_, Acted::NumberAwaited) => l.t(
            "Número ingresado. Falta que lo ingrese otro operador, sin ver el suyo.",
            "Number entered. Another operator must enter it now, without seeing yours.",
        ),
        (_, Acted::NumbersAgree(_)) => l.t(
            "Los dos números coinciden: el sorteo está hecho.",
            "Both numbers agree: the draw is made.",
        ),
        (_, Acted::NumbersDiffer) => l.t(
            "Los números no coinciden. Los dos operadores deben ingresarlo de nuevo.",
            "The numbers differ. Both operators must enter it again.",
        ),
        (Act::Announce { .. }, _) => l.t("Sorteo anunciado.", "Draw announced."),
        (Act::Open(_), _) => l.t("Sorteo abierto.", "Draw opened."),
        (Act::Close(_), _) => l.t("Sorteo cerrado.", "Draw closed."),
        (Act::Publish(_), _) => l.t("Ganadores publicados.", "Winners published."),
        (Act::Register(_), _) => l.t("Agencia guardada.", "Agency saved."),
        (Act::EnterNumber { .. } | Act::Note { .. }, _) => l.t("Hecho.", "Done."),
    }
}

/// Why an act was refused.
pub(super) fn refused(error: &ActError, l: Language) -> String {
    if !l.is_spanish() {
        return format!("{}.", capitalized(&error.to_string()));
    }
    match error {
        ActError::UnknownDraw(draw) => format!("No hay un sorteo {draw}."),
        ActError::NameTaken => "Ya hay un sorteo con ese nombre; elija otro.".to_owned(),
        ActError::Schedule => {
            "Un sorteo abre antes de cerrar, y cierra en el futuro; revise los horarios.".to_owned()
        }
        ActError::Expired(closes_at) => format!(
            "Debía cerrar el {}, y esa hora ya pasó; anuncie otro sorteo, con otro nombre.",
            l.time(*closes_at)
        ),
        ActError::Automatic => "Los operadores no conducen este sorteo: lo hace una central \
                                iniciada para él, cuando todas sus agencias terminan."
            .to_owned(),
        ActError::State { .. } => {
            "El sorteo ya no está en ese paso; vea en qué estado está.".to_owned()
        }
        ActError::ReasonNeeded(unfinished) => {
            let missing = match unfinished.agencies {
                0 => String::new(),
                1 => " Falta que termine una agencia.".to_owned(),
                many => format!(" Falta que terminen {} agencias.", l.n(many)),
            };
            let early = unfinished.closes_at.map_or_else(String::new, |at| {
                format!(" El cierre está previsto para el {}.", l.time(at))
            });
            format!("Para cerrar ahora hay que decir el motivo.{missing}{early}")
        }
        ActError::NotTime => "Todavía no es hora.".to_owned(),
        ActError::NumberRange { number, range } => {
            format!("El número {number} está fuera del rango {range} de este sorteo.")
        }
        ActError::EnteredBefore(who) => {
            format!("{who} ya ingresó el número; ahora debe hacerlo otro operador.")
        }
        ActError::NotForTheClock => "Esto lo hace una persona.".to_owned(),
        ActError::Store(_) => {
            "El libro no acepta nada ahora; el registro del central dice por qué.".to_owned()
        }
    }
}

/// Who did something.
pub(super) fn actor(by: &Actor, l: Language) -> String {
    match by {
        Actor::Clock => l.t("el reloj", "the clock").to_owned(),
        Actor::Operator(name) => name.to_string(),
    }
}

/// Who did what, in an event that is no batch.
pub(super) fn event(event: &Event, l: Language) -> (String, String) {
    let central = || l.t("el central", "the central").to_owned();
    match event {
        Event::DrawOpened { draw, terms } => {
            let what = l.t("abrió el sorteo que va solo", "opened the draw that goes by itself");
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
        Event::DrawClosed { draw } => {
            (central(), format!("{} {draw}", l.t("cerró el sorteo", "closed draw")))
        }
        Event::DrawMade { draw, number, bets } => {
            let made = l.t("hizo el sorteo", "made draw");
            let won = l.t("número ganador", "winning number");
            let took_part = l.t("apuestas", "bets");
            (central(), format!("{made} {draw}: {won} {number}, {} {took_part}", l.n(*bets)))
        }
        Event::Acted(signed) => (actor(&signed.by, l), act(&signed.act, l)),
    }
}

/// An act, without the number that was entered.
fn act(act: &Act, l: Language) -> String {
    let of_draw = |what: &str, draw: &lottery::DrawId| format!("{what} {draw}");
    match act {
        Act::Announce { terms, .. } => {
            format!("{} «{}»", l.t("anunció el sorteo", "announced the draw"), terms.name)
        }
        Act::Open(draw) => of_draw(l.t("abrió el sorteo", "opened draw"), draw),
        Act::Close(draw) => of_draw(l.t("cerró el sorteo", "closed draw"), draw),
        Act::EnterNumber { draw, .. } => {
            of_draw(l.t("ingresó un número del sorteo", "entered a number of draw"), draw)
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
        Act::Note { topic, text } => format!("{topic}: {text}"),
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + characters.as_str()
}
