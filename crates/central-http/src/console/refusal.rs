//! Refusals in the user's language, and as a page.

use askama::Template;
use axum::http::StatusCode;
use lottery::limits::{
    AGENCIES_MAX, AGENCY_RANGES_MAX, DRAWS_MAX, DRAWS_UNMADE_MAX, REGISTERED_MAX,
};
use lottery::text::TextFault;
use lottery::{ActError, AgenciesError, NotInDraw, ReadError, TextError};
use operators::{PasswordError, PeopleError, Permission, Role};

use super::language::Locale;
use super::shell::{Shell, rendered, role_name};
use super::visitor::Visitor;
use crate::access::refusal::Refusal;
use crate::usecases::app::App;

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage {
    p: Shell,
    title: &'static str,
    why: String,
    remedy: &'static str,
}

/// Renders the page of a refusal.
pub(crate) async fn page(app: &App, visitor: Visitor, refusal: &Refusal) -> String {
    // A user whose session has ended is not shown as logged in.
    let user = match refusal.status() {
        StatusCode::UNAUTHORIZED => None,
        _ => visitor.user(app).await,
    };
    let nobody = || Shell::of_nobody(visitor.language, &visitor.path, None);
    let shell = user.map_or_else(nobody, |user| Shell::of(&user, None));
    rendered(&RefusalPage::of(shell, refusal))
}

impl RefusalPage {
    fn of(p: Shell, refusal: &Refusal) -> Self {
        let l = p.l;
        let (title, remedy) = match refusal.status() {
            StatusCode::FORBIDDEN => (l.t("No está permitido", "Not permitted"), ""),
            StatusCode::UNAUTHORIZED => (l.t("Nadie ingresó", "Not logged in"), ""),
            StatusCode::NOT_FOUND => {
                (l.t("No existe", "Not found"), l.t("Revise la dirección.", "Check the address."))
            }
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS => (
                l.t("La central no puede ahora", "Temporarily unavailable"),
                l.t("Pruebe de nuevo en un momento.", "Try again in a moment."),
            ),
            _ => (
                l.t("No se pudo", "The request failed"),
                l.t("Vuelva atrás y revise lo pedido.", "Go back and check your request."),
            ),
        };
        Self { p, title, why: why(refusal, l), remedy }
    }
}

/// Returns the reason of a refusal, in the user's language.
pub(super) fn why(refusal: &Refusal, l: Locale) -> String {
    let text = match refusal {
        Refusal::Permission(permission) => return not_permitted(*permission, l),
        Refusal::Attempts { wait_seconds } => {
            let wait = l.t("Demasiados intentos. Espere", "Too many attempts. Wait");
            return format!("{wait} {} s.", l.n(*wait_seconds));
        }
        Refusal::Act(ActError::Store(_)) | Refusal::Read(ReadError::Unreadable(_)) => {
            unavailable(l)
        }
        Refusal::Act(error) => return act(error, l),
        Refusal::People(error) => return people(error, l),
        Refusal::NotInDraw(NotInDraw::UnknownAgency { agency, registered }) => {
            let is_not = l.t(
                "no es de este sorteo; sus agencias son",
                "is not registered in this draw; its agencies are",
            );
            return format!("{} {agency} {is_not} {registered}.", l.t("La agencia", "Agency"));
        }
        Refusal::Read(ReadError::UnknownDraw(draw))
        | Refusal::NotInDraw(NotInDraw::UnknownDraw(draw)) => return unknown_draw(*draw, l),
        Refusal::Read(ReadError::NotDrawn) => {
            l.t("El sorteo todavía no se hizo.", "The draw has not been made yet.")
        }
        Refusal::NotKnown => l.t(
            "La base de datos no responde ahora, y no se sabe si esto quedó hecho. Mire de nuevo \
             cuando responda, y repítalo si no quedó.",
            "The database does not answer now, and whether this is done is not known. Look again \
             when it answers, and repeat it if it is not done.",
        ),
        Refusal::TooManyExports => l.t(
            "Otros están descargando; repítalo cuando uno haya terminado.",
            "Too many exports are running; try again when one has ended.",
        ),
        Refusal::TooMuchAtOnce(..) => l.t(
            "Hay demasiados pedidos a la vez; repítalo en un momento.",
            "Too many requests at the same time; try again in a moment.",
        ),
        Refusal::Password(error) => password(*error, l),
        Refusal::Csrf => l.t(
            "La página era de otra sesión. Cárguela de nuevo y repita lo que hizo.",
            "The page belongs to another session. Reload it and try again.",
        ),
        Refusal::Elsewhere(origin) => {
            let elsewhere = l.t(
                "El navegador dice que lo pidió otro sitio. Hágalo desde esta consola",
                "According to the browser, another site sent the request. Use this console",
            );
            let here = origin.as_ref().map_or_else(String::new, |origin| format!(", {origin}"));
            return format!("{elsewhere}{here}.");
        }
        Refusal::Login => {
            l.t("El nombre o la contraseña no son correctos.", "The name or the password is wrong.")
        }
        Refusal::Screen => l.t(
            "El token no sirve: debe ser de un observador, y no estar vencido ni revocado.",
            "The token is not valid: it must be a viewer's, neither expired nor revoked.",
        ),
        Refusal::SearchedEarly => l.t(
            "Antes del sorteo las apuestas se buscan sólo por documento.",
            "Before the draw is made, bets can be searched by document only.",
        ),
        Refusal::NoBets => l.t(
            "El sorteo no tiene apuestas. Si debe hacerse igual, confírmelo.",
            "The draw has no bets. Confirm to make it anyway.",
        ),
        Refusal::Plain(problem) => by_status(problem.status(), l),
    };
    text.to_owned()
}

fn by_status(status: StatusCode, l: Locale) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => over(l),
        StatusCode::NOT_FOUND => {
            l.t("No hay nada en esta dirección.", "There is nothing at this address.")
        }
        StatusCode::PAYLOAD_TOO_LARGE => {
            l.t("El formulario es demasiado largo.", "The form is too long.")
        }
        StatusCode::REQUEST_TIMEOUT => {
            l.t("El pedido tardó demasiado.", "The request took too long.")
        }
        StatusCode::SERVICE_UNAVAILABLE => unavailable(l),
        _ => l.t("El pedido no se entiende.", "The request can't be understood."),
    }
}

fn over(l: Locale) -> &'static str {
    l.t(
        "Su sesión terminó antes de que esto se hiciera; no se hizo. Ingrese de nuevo.",
        "Your session ended before this was done; it was not done. Log in again.",
    )
}

fn unavailable(l: Locale) -> &'static str {
    l.t(
        "La central no pudo leer o guardar lo que hace falta; su registro dice por qué.",
        "The central could not read or store what is needed; its log says why.",
    )
}

fn not_permitted(permission: Permission, l: Locale) -> String {
    let roles = Role::ALL.into_iter().filter(|role| permission.is_held_by(*role));
    let roles: Vec<_> = roles.map(|role| role_name(role, l)).collect();
    if permission.once_published().is_some() {
        let who = l.t(
            "Hasta que el sorteo se publique, esto sólo puede hacerlo quien sea",
            "Until the draw is published, only this role can do this:",
        );
        return format!("{who} {}.", roles.join(", "));
    }
    let may = l.t(
        "Su rol no alcanza para esto. Pídaselo a alguien que sea",
        "Your role is not enough for this. Ask somebody who is",
    );
    match roles.split_last() {
        Some((last, others @ [_, ..])) => {
            format!("{may} {} {} {last}.", others.join(", "), l.t("o", "or"))
        }
        _ => format!("{may} {}.", roles.concat()),
    }
}

fn unknown_draw(draw: lottery::DrawId, l: Locale) -> String {
    format!("{} {draw}.", l.t("No hay un sorteo", "There is no draw"))
}

fn password(error: PasswordError, l: Locale) -> &'static str {
    match error {
        PasswordError::TooShort => l.t(
            "La contraseña lleva 12 caracteres o más.",
            "The password has 12 characters or more.",
        ),
        PasswordError::TooLong => {
            l.t("La contraseña es demasiado larga.", "The password is too long.")
        }
        PasswordError::TooSimple => l.t(
            "La contraseña no puede ser una letra repetida ni el nombre.",
            "The password must not be one repeated letter, nor the name.",
        ),
    }
}

fn people(error: &PeopleError, l: Locale) -> String {
    if !l.is_spanish() {
        return sentence(error);
    }
    match error {
        PeopleError::Exists(name) => format!("Ya hay un operador «{name}»."),
        PeopleError::LooksLike(name) => {
            format!("El nombre se confunde con el del operador «{name}»; elija otro.")
        }
        PeopleError::Unknown(name) => format!("No hay un operador «{name}»."),
        PeopleError::LastAdmin(name) => format!(
            "«{name}» es el último administrador habilitado; antes agregue o habilite a otro."
        ),
        PeopleError::TooMany => "No se pueden agregar más operadores.".to_owned(),
        PeopleError::Disabled(name) => format!("«{name}» está deshabilitado; habilítelo antes."),
        PeopleError::RoleAboveOwner { owner, .. } => {
            format!("Un token no puede más que «{owner}», su dueño.")
        }
        PeopleError::Label(fault) => text("el rótulo", "the label", *fault, l),
        PeopleError::Days => "Los días de un token no sirven.".to_owned(),
        PeopleError::TooManyTokens(name) => format!("«{name}» tiene demasiados tokens."),
        PeopleError::UnknownToken(id) => format!("No hay un token {id}."),
        PeopleError::NoTokenNumber => "operators.json dice que ya se dieron todos los números de \
                                       token; restáurelo de una copia."
            .to_owned(),
    }
}

pub(super) fn act(error: &ActError, l: Locale) -> String {
    if !l.is_spanish() {
        return sentence(error);
    }
    match error {
        ActError::UnknownDraw(draw) => unknown_draw(*draw, l),
        ActError::NameTaken => "Ya hay un sorteo con ese nombre; elija otro.".to_owned(),
        ActError::DrawLooksLike { draw, name } => {
            format!("El nombre se confunde con el del sorteo {draw}, «{name}»; elija otro.")
        }
        ActError::AgencyLooksLike { agency, name } => format!(
            "El nombre se confunde con el de la agencia {agency}, «{name}»; elija otro, por \
             ejemplo con su lugar."
        ),
        ActError::TooManyUnmade => format!(
            "Ya hay {} sorteos sin hacer, y no puede haber más; haga antes alguno de ellos. Uno \
             que no se abrió a tiempo se cierra, con un motivo, pasada su hora de cierre.",
            l.n(DRAWS_UNMADE_MAX as u64)
        ),
        ActError::TooManyDraws => format!(
            "Este libro ya tiene {} sorteos, y no puede tener más; inicie una central con una \
             carpeta nueva.",
            l.n(DRAWS_MAX as u64)
        ),
        ActError::TooManyRegistered => format!(
            "Ya hay {} agencias registradas, y no puede haber más; cambie alguna de ellas.",
            l.n(REGISTERED_MAX as u64)
        ),
        ActError::AgencyZero => "No hay agencia 0: las agencias se numeran desde 1.".to_owned(),
        ActError::Schedule => {
            "Un sorteo abre antes de cerrar, y cierra en el futuro; revise los horarios.".to_owned()
        }
        ActError::Expired(closes_at) => format!(
            "Debía cerrar el {}, y esa hora ya pasó; anuncie otro sorteo, con otro nombre.",
            l.time(*closes_at)
        ),
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
        ActError::NoReason(_) => "Hay que decir el motivo.".to_owned(),
        ActError::NotFinished(agency) => format!("La agencia {agency} no terminó este sorteo."),
        ActError::NoEntry => "No hay un número suyo que corregir.".to_owned(),
        ActError::VoidedBefore(who) => {
            format!("{who} ya pidió anular el resultado; ahora debe hacerlo otro operador.")
        }
        ActError::Published => "El resultado está publicado y es definitivo.".to_owned(),
        ActError::TooManyActs => "El sorteo ya tiene demasiados movimientos.".to_owned(),
        ActError::NotTime => "Todavía no es hora.".to_owned(),
        ActError::NumberRange { number, range } => {
            format!("El número {number} está fuera del rango {range} de este sorteo.")
        }
        ActError::EnteredBefore(who) => {
            format!("{who} ya ingresó el número, y puede corregirlo; falta otro operador.")
        }
        ActError::NotForTheClock | ActError::NotForPrograms => {
            "Esto lo hace una persona.".to_owned()
        }
        ActError::NotAllowed => over(l).to_owned(),
        ActError::Store(_) => unavailable(l).to_owned(),
    }
}

/// Returns the field of a draw's form that a refusal is about.
pub(super) fn field(refusal: &Refusal) -> Option<&'static str> {
    let Refusal::Act(error) = refusal else { return None };
    match error {
        ActError::NameTaken | ActError::DrawLooksLike { .. } => Some("name"),
        ActError::AgencyZero => Some("agencies"),
        ActError::Schedule => Some("closes_at"),
        ActError::NumberRange { .. } => Some("number"),
        ActError::ReasonNeeded(_) | ActError::NoReason(_) => Some("why"),
        ActError::NotFinished(_) => Some("agency"),
        _ => None,
    }
}

/// Returns why a set of agencies that the user typed is rejected.
pub(super) fn agencies(error: &AgenciesError, l: Locale) -> String {
    if !l.is_spanish() {
        return sentence(error);
    }
    match error {
        AgenciesError::Text => {
            "Escriba las agencias como números y rangos separados por comas: 1-5, 7.".to_owned()
        }
        AgenciesError::Empty => "Un sorteo tiene al menos una agencia.".to_owned(),
        AgenciesError::NotCanonical => {
            "Escriba los números y rangos en orden, del menor al mayor, \
                                        sin repetir y sin partir los seguidos: 1-5, 7."
                .to_owned()
        }
        AgenciesError::TooManyRanges => {
            format!("Puede haber hasta {} rangos de agencias.", l.n(AGENCY_RANGES_MAX as u64))
        }
        AgenciesError::TooMany => {
            format!("Un sorteo tiene hasta {} agencias.", l.n(AGENCIES_MAX))
        }
    }
}

/// Returns why a text that the user typed is rejected; `what` names the text.
pub(super) fn text(what: &str, what_in_english: &str, fault: TextFault, l: Locale) -> String {
    if !l.is_spanish() {
        return sentence(&format_args!("{what_in_english} {fault}"));
    }
    match fault {
        TextFault::Blank => sentence(&format_args!("{what} no puede estar en blanco")),
        TextFault::TooLong(most) => {
            sentence(&format_args!("{what} es demasiado largo; lleva hasta {most} bytes"))
        }
        TextFault::Padded => {
            sentence(&format_args!("{what} tiene espacios al principio o al final; quítelos"))
        }
        TextFault::Hidden(hidden) => sentence(&format_args!(
            "{what} tiene un carácter que no se ve, U+{:04X}; escríbalo de nuevo, sin pegarlo",
            u32::from(hidden)
        )),
    }
}

/// Returns why a reason that the user typed is rejected.
pub(super) fn reason(error: TextError, l: Locale) -> String {
    let (TextError::Label(fault) | TextError::Reason(fault)) = error;
    text("el motivo", "the reason", fault, l)
}

/// Formats an error as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}
