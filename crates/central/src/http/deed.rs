//! What operators do besides leading draws, as it is put on record.
//!
//! The words are the ledger's and stay as they are; they are understood again, to be told in other
//! words.

use std::fmt;

use operators::Role;

/// See the module. Names and labels are kept as they are written on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    LogIn,
    LogOut,
    AddOperator {
        name: String,
        role: Role,
    },
    DisableOperator {
        name: String,
    },
    EnableOperator {
        name: String,
    },
    ChangePassword {
        name: String,
    },
    GiveToken {
        role: Role,
        days: u32,
        quoted_label: String,
    },
    RevokeToken {
        id: u32,
    },
    SearchBets(Search),
    /// Before their publication.
    ReadWinners {
        draw: u32,
    },
    ExportBets {
        draw: u32,
        name: String,
    },
    /// It was on record already, and then the operators' file could not be written.
    NotWritten(Box<Deed>),
}

/// A deed as it is put on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// The number and the quoted label of the token that it was done with: in records of before
    /// acts had their token beside who acts.
    pub(super) token: Option<String>,
    pub(super) deed: Deed,
}

/// What was sought among the bets of a draw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Search {
    pub(super) draw: u32,
    pub(super) document: Option<String>,
    pub(super) number: Option<u32>,
    pub(super) agency: Option<u32>,
    /// How many bets were passed over, since another part of the answer has them.
    pub(super) after: u64,
}

impl Note {
    /// Understands what is on record; not what was cut for its length.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Some(rest) = text.strip_prefix("with token ") else {
            return Deed::parse(text).map(|deed| Self { token: None, deed });
        };
        // The label may hold anything, a deed too.
        let mut ends = rest.match_indices("\": ").map(|(at, _)| at + 1);
        ends.find_map(|end| {
            let (token, deed) = (rest[..end].to_owned(), Deed::parse(&rest[end + 2..])?);
            Some(Self { token: Some(token), deed })
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.token.iter().try_for_each(|token| write!(f, "with token {token}: "))?;
        self.deed.fmt(f)
    }
}

impl Deed {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "log in" => return Some(Self::LogIn),
            "log out" => return Some(Self::LogOut),
            _ => {}
        }
        let after = |start| text.strip_prefix(start);
        if let Some(deed) = after("not done, the file can't be written: ") {
            return Self::parse(deed).map(|deed| Self::NotWritten(Box::new(deed)));
        }
        if let Some(rest) = after("add operator ") {
            let (name, role) = rest.split_once(" as ")?;
            Some(Self::AddOperator { name: name.to_owned(), role: role.parse().ok()? })
        } else if let Some(name) = after("disable operator ") {
            Some(Self::DisableOperator { name: name.to_owned() })
        } else if let Some(name) = after("enable operator ") {
            Some(Self::EnableOperator { name: name.to_owned() })
        } else if let Some(name) = after("change the password of ") {
            Some(Self::ChangePassword { name: name.to_owned() })
        } else if let Some(rest) = after("give a token as ") {
            let (role, rest) = rest.split_once(" for ")?;
            let (days, label) = rest.split_once(" days, labelled ")?;
            let (role, days) = (role.parse().ok()?, days.parse().ok()?);
            Some(Self::GiveToken { role, days, quoted_label: label.to_owned() })
        } else if let Some(id) = after("revoke token ") {
            Some(Self::RevokeToken { id: id.parse().ok()? })
        } else if let Some(rest) = after("search bets of draw ") {
            Search::parse(rest).map(Self::SearchBets)
        } else if let Some(rest) = after("read the winners of draw ") {
            let draw = rest.strip_suffix(" before their publication")?.parse().ok()?;
            Some(Self::ReadWinners { draw })
        } else if let Some(rest) = after("export the bets of draw ") {
            let (draw, name) = rest.strip_suffix('"')?.split_once(" \"")?;
            Some(Self::ExportBets { draw: draw.parse().ok()?, name: name.to_owned() })
        } else {
            None
        }
    }
}

impl Search {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(", ");
        let mut search = Self { draw: parts.next()?.parse().ok()?, ..Self::default() };
        for part in parts {
            match part.split_once(' ')? {
                ("document", document) => search.document = Some(document.to_owned()),
                ("number", number) => search.number = Some(number.parse().ok()?),
                ("agency", agency) => search.agency = Some(agency.parse().ok()?),
                ("after", rest) => search.after = rest.strip_prefix("bet ")?.parse().ok()?,
                _ => return None,
            }
        }
        Some(search)
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LogIn => f.write_str("log in"),
            Self::LogOut => f.write_str("log out"),
            Self::AddOperator { name, role } => write!(f, "add operator {name} as {role}"),
            Self::DisableOperator { name } => write!(f, "disable operator {name}"),
            Self::EnableOperator { name } => write!(f, "enable operator {name}"),
            Self::ChangePassword { name } => write!(f, "change the password of {name}"),
            Self::GiveToken { role, days, quoted_label } => {
                write!(f, "give a token as {role} for {days} days, labelled {quoted_label}")
            }
            Self::RevokeToken { id } => write!(f, "revoke token {id}"),
            Self::SearchBets(Search { draw, document, number, agency, after }) => {
                write!(f, "search bets of draw {draw}")?;
                document.iter().try_for_each(|document| write!(f, ", document {document}"))?;
                number.iter().try_for_each(|number| write!(f, ", number {number}"))?;
                agency.iter().try_for_each(|agency| write!(f, ", agency {agency}"))?;
                if *after > 0 { write!(f, ", after bet {after}") } else { Ok(()) }
            }
            Self::ReadWinners { draw } => {
                write!(f, "read the winners of draw {draw} before their publication")
            }
            Self::NotWritten(deed) => write!(f, "not done, the file can't be written: {deed}"),
            Self::ExportBets { draw, name } => {
                write!(f, "export the bets of draw {draw} \"{name}\"")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_on_record_is_understood_again() {
        let name = || "eva".to_owned();
        let sought = Search { draw: 3, number: Some(7), ..Search::default() };
        for (deed, text) in [
            (Deed::LogIn, "log in"),
            (Deed::LogOut, "log out"),
            (
                Deed::AddOperator { name: name(), role: Role::Auditor },
                "add operator eva as auditor",
            ),
            (Deed::DisableOperator { name: name() }, "disable operator eva"),
            (Deed::EnableOperator { name: name() }, "enable operator eva"),
            (Deed::ChangePassword { name: name() }, "change the password of eva"),
            (
                Deed::GiveToken { role: Role::Viewer, days: 9, quoted_label: "\"hall\"".into() },
                "give a token as viewer for 9 days, labelled \"hall\"",
            ),
            (Deed::RevokeToken { id: 2 }, "revoke token 2"),
            (
                Deed::NotWritten(Box::new(Deed::RevokeToken { id: 2 })),
                "not done, the file can't be written: revoke token 2",
            ),
            (Deed::ReadWinners { draw: 4 }, "read the winners of draw 4 before their publication"),
            (Deed::SearchBets(sought.clone()), "search bets of draw 3, number 7"),
            (
                Deed::SearchBets(Search {
                    document: Some("3 0".into()),
                    agency: Some(1),
                    after: 31,
                    ..sought
                }),
                "search bets of draw 3, document 3 0, number 7, agency 1, after bet 31",
            ),
            (
                Deed::ExportBets { draw: 1, name: "la \"gran\" 5".into() },
                "export the bets of draw 1 \"la \"gran\" 5\"",
            ),
        ] {
            for token in [None, Some(r#"2 "robot""#), Some(r#"9 "a\": log in\\""#)] {
                let note = Note { token: token.map(str::to_owned), deed: deed.clone() };
                let with = token.map_or_else(String::new, |it| format!("with token {it}: "));
                assert_eq!(note.to_string(), format!("{with}{text}"));
                assert_eq!(Note::parse(&note.to_string()), Some(note), "{text}");
            }
        }
    }

    #[test]
    fn other_words_are_not_understood() {
        for text in ["", "log", "add operator eva", "revoke token x", "search bets of draw 3, a b"]
        {
            assert_eq!(Note::parse(text), None, "{text}");
        }
    }
}
