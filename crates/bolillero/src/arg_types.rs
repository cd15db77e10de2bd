//! Types for values given on the command line, in the environment and in configuration files.

use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use jiff::SignedDuration;
use ledger_postgres::Target;
use serde::de::{IntoDeserializer as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::exit::Ending;

/// A duration: `10m`, `1h 30m`, `250ms`; a bare number is in seconds. At most 136 years, so that
/// every value read can be written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) Duration);

/// An inclusive range of numbers: `0-9999`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers(pub(crate) lottery::NumberRange);

/// The field separator of a file: `;`, `tab`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delimiter(pub(crate) agency::Delimiter);

/// The encoding of a file: `windows-1252`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Encoding(pub(crate) agency::Encoding);

/// A language of messages to people: `es`, `en`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Lang {
    /// Spanish.
    Es,
    /// English.
    En,
}

/// The name of an existing or a new draw. Whether a draw of that name exists, or may be created, is
/// checked where the draws are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) lottery::DrawName);

/// A short text on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) lottery::Label);

/// The URL of a store that several centrals share: `postgres://USER@HOST,HOST/DATABASE`. Its
/// password is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct StoreUrl(String);

/// An address that agencies connect to, and the draw it is bound to: `HOST:PORT` or
/// `HOST:PORT=DRAW`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) address: String,
    pub(crate) draw: Option<lottery::DrawName>,
}

impl From<Lang> for agency::Language {
    fn from(lang: Lang) -> Self {
        match lang {
            Lang::Es => Self::Spanish,
            Lang::En => Self::English,
        }
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seconds) = text.parse::<u32>() {
            return Ok(Self(Duration::from_secs(seconds.into())));
        }
        let duration: Option<SignedDuration> = text.parse().ok();
        let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
        duration
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a time such as 10m, 90s or 250ms"))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX);
        write!(f, "{duration:#}")
    }
}

impl FromStr for Numbers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once('-').and_then(|(min, max)| {
            let range = lottery::NumberRange::new(min.parse().ok()?, max.parse().ok()?);
            range.ok()
        });
        range.map(Self).ok_or_else(|| format!("'{text}' is not a range of numbers such as 0-9999"))
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Name {
    type Err = lottery::DrawNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        lottery::DrawName::requested(text).map(Self)
    }
}

/// Implements `FromStr` and `Display` by delegating to the wrapped value.
macro_rules! as_its_own {
    ($($value:ident of $inner:ty),*) => {$(
        impl FromStr for $value {
            type Err = <$inner as FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $value {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

as_its_own!(Delimiter of agency::Delimiter, Encoding of agency::Encoding);

impl StoreUrl {
    /// Reads it, and the certificates that it names.
    pub(crate) fn target(&self) -> Result<Target, Ending> {
        self.0.parse().map_err(|error| Ending::wrong(format!("--store: {error}")))
    }
}

impl FromStr for StoreUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// Whole, as settings are written to be read again.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreUrl(..)")
    }
}

impl FromStr for Line {
    type Err = lottery::TextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        lottery::Label::new(text).map(Self)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // An address never contains `=`, but a draw's name may.
        let (address, draw) = match text.split_once('=') {
            None => (text, None),
            Some((address, draw)) => {
                let draw = lottery::DrawName::requested(draw).map_err(|error| error.to_string())?;
                (address, Some(draw))
            }
        };
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
        if port.is_none() {
            return Err(format!(
                "can't listen on {address}: give a host and a port, such as 127.0.0.1:12345"
            ));
        }
        Ok(Self { address: address.to_owned(), draw })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)?;
        self.draw.as_ref().map_or(Ok(()), |draw| write!(f, "={draw}"))
    }
}

/// Deserializes one value or a list of them. Errors in an element read as for a single value.
pub(crate) fn one_or_more<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_any(OneOrMore(PhantomData))
}

struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text in quotes, or a list of such")
    }

    fn visit_str<E: serde::de::Error>(self, one: &str) -> Result<Vec<T>, E> {
        T::deserialize(one.into_deserializer()).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut more: A) -> Result<Vec<T>, A::Error> {
        let mut all = Vec::new();
        while let Some(next) = more.next_element()? {
            all.push(next);
        }
        Ok(all)
    }
}

/// Serializes values in files in the same form as on the command line.
macro_rules! in_files_as_text {
    ($($value:ty),*) => {$(
        impl Serialize for $value {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

in_files_as_text!(StoreUrl, Span, Numbers, Name, Line, Listen, Delimiter, Encoding);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let cases =
            [("10m", 600_000), ("0", 0), ("90", 90_000), ("1h 30m", 5_400_000), ("250ms", 250)];
        for (text, ms) in cases {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
        for text in ["", "-1s", "ten", "1 fortnight", "-5", "18446744073709551615"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        let printed = Span(Duration::from_secs(90)).to_string();
        assert_eq!(printed.parse(), Ok(Span(Duration::from_secs(90))));
    }

    #[test]
    fn an_address_may_be_for_a_draw() {
        for text in ["127.0.0.1:0", "[::1]:1=sorteo", "central:12345=a=b, c"] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
        let listen: Listen = "central:12345=a=b, c".parse().unwrap();
        assert_eq!(
            (listen.address.as_str(), listen.draw.unwrap().as_str()),
            ("central:12345", "a=b, c")
        );
        for text in ["central:12345=", "nowhere", "nowhere=sorteo", "a:65536", "a:", ""] {
            assert!(text.parse::<Listen>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_read_as_people_write_them() {
        assert_eq!("1-99".parse::<Numbers>().unwrap().0.max(), 99);
        for text in ["", "5", "9-1", "-1-5", "a-b", "1-4294967296"] {
            assert!(text.parse::<Numbers>().is_err(), "{text}");
        }
    }
}
