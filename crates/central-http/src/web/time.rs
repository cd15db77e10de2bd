//! Moments as they are written: RFC 3339.

use lottery::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A moment: `2026-11-23T21:00:00-03:00` is read, and told in UTC.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = text.parse::<jiff::Timestamp>().ok();
        let ms = parsed.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        let wrong = || format!("'{text}' is not a time such as 2026-11-23T21:00:00-03:00");
        ms.map(|ms| Self(Timestamp(ms))).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        time.build().into()
    }
}

impl ToSchema for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_any_zone_and_told_in_utc() {
        let time: Time = serde_json::from_str("\"2026-11-23T21:00:00.5-03:00\"").unwrap();
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"2026-11-24T00:00:00.500Z\"");
        for wrong in ["", "2026-11-23", "2026-11-23T21:00:00", "1969-01-01T00:00:00Z", "now"] {
            assert!(serde_json::from_value::<Time>(wrong.into()).is_err(), "{wrong}");
        }
    }
}
