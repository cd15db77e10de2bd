//! Log lines: the text form of the original system (see docs/reference/glossary.md), or JSON lines.
//!
//! `2024-08-21 22:11:15-03:00 INFO     action: apuesta_recibida | result: success | cantidad: 93`:
//! the time with its offset from UTC (in the lottery's zone for the central, in the machine's for
//! others), the level padded to eight, then the event's fields in order. Ambiguous values are
//! quoted (see [`values`]). Lines go to standard error; the central's go through a queue (see
//! [`crate::log_queue`]), so that a slow reader delays nothing.

mod values;

use std::fmt;
use std::io::{self, Write};

use central::Zone;
use clap::ValueEnum;
use indicatif::MultiProgress;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, reload};

use crate::log_queue::{LogQueue, Written};

/// The format of log lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines of text.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

/// The lowest level that is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogLevel {
    /// Details for troubleshooting.
    Debug,
    /// Every step of the lottery.
    #[default]
    Info,
    /// Problems that somebody should look at.
    Warn,
    /// Errors.
    Error,
}

/// Changes the lowest level that is logged.
pub(crate) struct LevelHandle(reload::Handle<LevelFilter, Registry>);

impl LevelHandle {
    pub(crate) fn set(&self, level: LogLevel) {
        // It fails only without a subscriber, which lives as long as the process.
        let _ = self.0.reload(level.filter());
    }
}

/// Starts logging through a queue that never blocks. Dropping the returned guard writes the lines
/// still queued.
pub(crate) fn start_queued(
    format: LogFormat,
    level: LogLevel,
    zone: Zone,
) -> anyhow::Result<(Written, LevelHandle)> {
    let (queue, written) = LogQueue::start(io::stderr(), |dropped| {
        tracing::warn!(
            action = "write_log",
            result = "fail",
            lines_lost = dropped,
            error = "the log is read too slowly: these lines are lost",
        );
    })?;
    let level = start(format, level, zone.rules(), move || queue.clone());
    Ok((written, level))
}

/// Starts logging to standard error, above any progress bars.
pub(crate) fn start_above(bars: MultiProgress, format: LogFormat, level: LogLevel) {
    start(format, level, TimeZone::system(), move || AboveBars(bars.clone()));
}

fn start<W>(format: LogFormat, level: LogLevel, zone: TimeZone, writer: W) -> LevelHandle
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(level.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    // Standard error may be closed or full: a line that can't be written is lost.
    let lines = lines.log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.event_format(TextLines { zone }).boxed(),
        LogFormat::Json => lines.event_format(JsonLines).boxed(),
    };
    tracing_subscriber::registry().with(filter).with(lines).init();
    LevelHandle(handle)
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
}

struct AboveBars(MultiProgress);

impl Write for AboveBars {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(line))?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct TextLines {
    zone: TimeZone,
}

struct JsonLines;

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let time = Timestamp::now().to_zoned(self.zone.clone());
        let level = match *event.metadata().level() {
            Level::WARN => "WARNING",
            Level::ERROR => "ERROR",
            Level::INFO => "INFO",
            Level::DEBUG | Level::TRACE => "DEBUG",
        };
        write!(writer, "{} {level:<8} ", time.strftime("%Y-%m-%d %H:%M:%S%:z"))?;
        let mut fields = TextFields { writer: &mut writer, first: true, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        writeln!(writer)
    }
}

struct TextFields<'a, 'b> {
    writer: &'a mut Writer<'b>,
    first: bool,
    result: fmt::Result,
}

impl TextFields<'_, '_> {
    fn put(&mut self, field: &Field, value: &str) {
        let separator = if std::mem::take(&mut self.first) { "" } else { " | " };
        let value = values::in_text(value);
        self.result =
            self.result.and_then(|()| write!(self.writer, "{separator}{}: {value}", field.name()));
    }
}

impl Visit for TextFields<'_, '_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format!("{value:?}"));
    }
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let line = serde_json::to_string(&JsonLine(event)).map_err(|_| fmt::Error)?;
        writeln!(writer, "{}", values::in_json(&line))
    }
}

/// An event as one object. Written without building it in memory: there is one for each batch.
struct JsonLine<'a>(&'a Event<'a>);

impl Serialize for JsonLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("time", &format_args!("{:.3}", Timestamp::now()))?;
        map.serialize_entry("level", event.metadata().level().as_str())?;
        let mut fields = JsonFields { map, result: Ok(()) };
        event.record(&mut fields);
        fields.result?;
        fields.map.end()
    }
}

struct JsonFields<M: SerializeMap> {
    map: M,
    result: Result<(), M::Error>,
}

impl<M: SerializeMap> JsonFields<M> {
    fn put(&mut self, field: &Field, value: &(impl Serialize + ?Sized)) {
        if self.result.is_ok() {
            self.result = self.map.serialize_entry(field.name(), value);
        }
    }
}

impl<M: SerializeMap> Visit for JsonFields<M> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged<
        F: FormatEvent<Registry, tracing_subscriber::fmt::format::DefaultFields>
            + Send
            + Sync
            + 'static,
    >(
        format: F,
        event: impl FnOnce(),
    ) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .event_format(format)
            .finish();
        tracing::subscriber::with_default(subscriber, event);
        String::from_utf8(lines.0.lock().clone()).unwrap()
    }

    fn bets_received() {
        tracing::info!(action = "apuesta_recibida", result = "success", cantidad = 93_u32);
    }

    #[test]
    fn a_text_line_has_the_original_form() {
        let line = logged(TextLines { zone: TimeZone::UTC }, bets_received);
        let (time, rest) = line.split_at(25);
        assert!(time.parse::<Timestamp>().is_ok() && time.ends_with("+00:00"), "{line}");
        assert_eq!(rest, " INFO     action: apuesta_recibida | result: success | cantidad: 93\n");
    }

    #[test]
    fn what_an_agency_sends_can_not_forge_a_line() {
        let line = logged(TextLines { zone: TimeZone::UTC }, || {
            tracing::warn!(action = "exit", error = "a\nb\u{1b}[0m ñ 'D\"");
        });
        assert!(
            line.ends_with(" WARNING  action: exit | error: \"a\\nb\\u{1b}[0m ñ 'D\\\"\"\n"),
            "{line:?}"
        );
        assert_eq!(line.lines().count(), 1);
    }

    #[test]
    fn what_is_logged_can_be_seen_and_is_one_value() {
        let forged = "x\u{202e} | result: success";
        let event = || tracing::warn!(action = "exit", result = "fail", error = forged);
        let line = logged(TextLines { zone: TimeZone::UTC }, event);
        let expected = r#"action: exit | result: fail | error: "x\u{202e} | result: success""#;
        assert!(line.trim_end().ends_with(expected), "{line:?}");
        let line = logged(JsonLines, event);
        assert!(line.contains(r#""x\u202e | result: success""#), "{line:?}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["error"], forged);
    }

    #[test]
    fn a_json_line_is_an_object_with_the_fields() {
        let line = logged(JsonLines, bets_received);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["action"], "apuesta_recibida");
        assert_eq!(value["cantidad"], 93);
        assert_eq!(value["level"], "INFO");
        assert!(value["time"].as_str().unwrap().ends_with('Z'));
    }
}
