//! The form of a draw's terms and schedule: to announce the draw, and to edit it.

use lottery::{
    Agencies, DrawName, DrawNameError, DrawStatus, DrawTerms, NumberRange, Schedule, Timestamp,
};

use super::form::Form;
use super::language::{Choice, Locale};
use super::refusal;

/// The form, as its template shows it.
pub(super) struct TermsForm {
    pub(super) form: Form,
    /// Options for local times that occur twice, when clocks are set back.
    pub(super) opens_choices: Vec<Choice>,
    pub(super) closes_choices: Vec<Choice>,
}

impl TermsForm {
    pub(super) fn of(form: Form, l: Locale) -> Self {
        let [opens_choices, closes_choices] =
            ["opens_at", "closes_at"].map(|name| l.choices(form.get(name)));
        Self { form, opens_choices, closes_choices }
    }

    /// Returns the form to announce a draw, with the usual numbers.
    pub(super) fn new(mut form: Form, l: Locale) -> Self {
        let usual = NumberRange::default();
        form.or_set("number_min", usual.min().to_string());
        form.or_set("number_max", usual.max().to_string());
        Self::of(form, l)
    }
}

/// Returns the form of a draw as it is.
pub(super) fn filled(draw: &DrawStatus, l: Locale) -> Form {
    let (terms, schedule, mut form) = (&draw.terms, draw.life.schedule, Form::default());
    form.or_set("name", terms.name.as_str());
    form.or_set("agencies", terms.agencies.to_string());
    form.or_set("number_min", terms.numbers.min().to_string());
    form.or_set("number_max", terms.numbers.max().to_string());
    for (name, which, at) in [
        ("opens_at", "opens_at_which", schedule.opens_at),
        ("closes_at", "closes_at_which", schedule.closes_at),
    ] {
        let typed = at.map_or_else(String::new, |at| l.typed(at));
        if let Some(at) = at.filter(|_| !l.choices(&typed).is_empty()) {
            form.or_set(which, at.to_string());
        }
        form.or_set(name, typed);
    }
    form
}

/// Reads the form; marks what is wrong with it. Times that were not changed stay as they were
/// `before`, to the millisecond.
pub(super) fn read(
    form: &mut Form,
    before: Option<&DrawStatus>,
    l: Locale,
) -> Option<(DrawTerms, Schedule)> {
    let name = DrawName::new(form.get("name"))
        .map_err(|DrawNameError(fault)| refusal::text("el nombre", "the name", fault, l));
    let agencies = form.get("agencies").parse().map_err(|error| refusal::agencies(&error, l));
    let min = number(form.get("number_min"), l);
    let max = number(form.get("number_max"), l);
    let max = max.and_then(|max| match min {
        Ok(min) => NumberRange::new(min, max).map(Some).map_err(|_| {
            let text = l.t(
                "El número menor no puede superar al mayor.",
                "The smallest number can't be above the largest.",
            );
            text.to_owned()
        }),
        Err(_) => Ok(None),
    });
    let schedule = before.map(|draw| draw.life.schedule).unwrap_or_default();
    let filled = before.map(|draw| filled(draw, l)).unwrap_or_default();
    let time = |name: &str, which: &str, at: Option<Timestamp>| {
        let is_same = [name, which].iter().all(|it| form.get(it) == filled.get(it));
        if is_same { Ok(at) } else { l.read_time(form.get(name), form.get(which)) }
    };
    let opens_at = time("opens_at", "opens_at_which", schedule.opens_at);
    let closes_at = time("closes_at", "closes_at_which", schedule.closes_at);
    let name: Option<DrawName> = marked(form, "name", name);
    let agencies: Option<Agencies> = marked(form, "agencies", agencies);
    let _ = marked(form, "number_min", min);
    let numbers = marked(form, "number_max", max).flatten();
    let opens_at = marked(form, "opens_at", opens_at);
    let closes_at = marked(form, "closes_at", closes_at);
    let terms = DrawTerms { name: name?, agencies: agencies?, numbers: numbers? };
    Some((terms, Schedule { opens_at: opens_at?, closes_at: closes_at? }))
}

/// Reads a number.
pub(super) fn number(text: &str, l: Locale) -> Result<u32, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().map_err(|_| {
        if is_number {
            let large =
                l.t("El número es demasiado grande; hasta", "The number is too large; up to");
            format!("{large} {}.", l.n(u32::MAX))
        } else {
            l.t("Escriba el número con cifras.", "Write the number in digits.").to_owned()
        }
    })
}

/// Returns what was read from a field, or marks it with what is wrong.
pub(super) fn marked<T>(form: &mut Form, name: &'static str, read: Result<T, String>) -> Option<T> {
    read.map_err(|why| form.mark(name, why)).ok()
}
