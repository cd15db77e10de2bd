//! The operators' file format: JSON with a format number.

use std::collections::BTreeMap;
use std::fmt::Display;

use lottery::limits::COMMAND_LINE_CHANGES_MAX;
use serde::{Deserialize, Serialize};

use crate::limits::{LABEL_LEN_MAX, OPERATORS_MAX};
use crate::{Name, Operator, People, PeopleError, Token, TokenId, Unrecorded};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    operators: BTreeMap<Name, Operator>,
    tokens: BTreeMap<TokenId, Token>,
    last_token: u32,
    version: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unrecorded: Vec<Unrecorded>,
}

#[derive(Deserialize)]
struct Beginning {
    format: u32,
}

pub(crate) fn render(people: &People) -> String {
    let People { operators, tokens, last_token, version, unrecorded } = people.clone();
    let written = Written { format: FORMAT, operators, tokens, last_token, version, unrecorded };
    let mut text = serde_json::to_string_pretty(&written).expect("all its keys are text");
    text.push('\n');
    text
}

/// Parses and validates, as the file may have been edited by hand.
pub(crate) fn parse(text: &str) -> Result<People, String> {
    let message = |error: serde_json::Error| error.to_string();
    let Beginning { format } = serde_json::from_str(text).map_err(message)?;
    if format != FORMAT {
        return Err(format!(
            "it has format {format} and this program knows {FORMAT}; use the newer program that \
             wrote it"
        ));
    }
    let written: Written = serde_json::from_str(text).map_err(message)?;
    let Written { operators, tokens, last_token, version, unrecorded, .. } = written;
    if operators.len() > OPERATORS_MAX {
        return Err(PeopleError::TooMany.to_string());
    }
    if unrecorded.len() > COMMAND_LINE_CHANGES_MAX {
        return Err(format!("it keeps more than {COMMAND_LINE_CHANGES_MAX} changes to record"));
    }
    for (id, token) in &tokens {
        let why = |why: &dyn Display| format!("token {id}: {why}");
        check_label(&token.label).map_err(|error| why(&error))?;
        if !operators.contains_key(&token.owner) {
            return Err(why(&PeopleError::Unknown(token.owner.clone())));
        }
        if id.0 > last_token {
            return Err(why(&format!("its number is above the last one, {last_token}")));
        }
    }
    Ok(People { operators, tokens, last_token, version, unrecorded })
}

/// Checks a label leniently: it may predate the rules for texts.
fn check_label(label: &str) -> Result<(), String> {
    let fits = (1..=LABEL_LEN_MAX).contains(&label.len());
    if fits && !label.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!("a token's label has 1 to {LABEL_LEN_MAX} bytes, without control characters"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Password, Role, Secret, TokenGrant};

    fn people() -> People {
        let mut people = People::default();
        let name = Name::new("ana").unwrap();
        let password = Password::given("a long password".to_owned());
        people.add(name.clone(), Role::Admin, password.hash(&name, [1; 16]).unwrap()).unwrap();
        let label = "board".to_owned();
        let grant = TokenGrant { owner: name, label, role: Role::Viewer, days: 1 };
        people.grant(grant, Secret::from_random([2; 32]).digest(), 7).unwrap();
        let name = || Name::new("ana").unwrap();
        let (role, days, label) = (Role::Viewer, 1, "board".to_owned());
        for change in [
            Change::Add { name: name(), role: Role::Admin },
            Change::Disable(name()),
            Change::Enable(name()),
            Change::ChangePassword(name()),
            Change::GiveToken { name: name(), role, days, label },
            Change::RevokeToken(TokenId(1)),
        ] {
            let at = 1_700_000_000_123;
            people = people.changed_on_command_line("root", at, |_| Ok(change)).unwrap();
        }
        people
    }

    #[test]
    fn people_round_trip() {
        for people in [People::default(), people()] {
            assert_eq!(parse(&render(&people)), Ok(people));
        }
    }

    #[test]
    fn the_file_contains_no_secrets() {
        let text = render(&people());
        assert!(!text.contains("a long password"));
        assert!(!text.contains(&Secret::from_random([2; 32]).text()));
    }

    #[test]
    fn invalid_files_are_refused_with_a_reason() {
        let good = render(&people());
        let changed = |from: &str, to: &str| {
            assert!(good.contains(from), "{from} is not in {good}");
            good.replacen(from, to, 1)
        };
        let cases = [
            (String::new(), "EOF"),
            (good[..good.len() / 2].to_owned(), "EOF"),
            (changed("\"format\": 1", "\"format\": 2"), "it has format 2"),
            (changed("\"format\": 1", "\"format\": 2, \"new\": 3"), "it has format 2"),
            (changed("\"format\": 1", "\"format\": 1, \"new\": 3"), "unknown field `new`"),
            (changed("\"disabled\"", "\"disable\""), "unknown field `disable`"),
            (changed("\"role\": \"admin\"", "\"role\": \"root\""), "'root' is no role"),
            (changed("\"ana\": {", "\"Ana\": {"), "an operator's name has"),
            (changed("\"owner\": \"ana\"", "\"owner\": \"eva\""), "there is no operator 'eva'"),
            (changed("\"label\": \"board\"", "\"label\": \"\""), "a token's label has"),
            (changed("\"last_token\": 1", "\"last_token\": 0"), "above the last one, 0"),
            (changed("m=19456", "m=99999"), "hash is not one that this program writes"),
            (changed("\"digest\": \"", "\"digest\": \"0"), "64 hexadecimal digits"),
            (changed("\"add\": {", "\"remove\": {"), "unknown variant `remove`"),
            (good.clone() + "x", "trailing characters"),
        ];
        for (text, part) in cases {
            let why = parse(&text).unwrap_err();
            assert!(why.contains(part), "'{part}' is not in: {why}");
        }
    }
}
