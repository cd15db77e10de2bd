//! Tests the log events: their levels and fields, in order.

mod scripted;

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use scripted::{Central, file, options, play, rows, run, welcome};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};
use wire::{ErrorCode, ErrorMessage};

/// Collects every event at DEBUG or above as `LEVEL name: value | name: value`.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("agency") && *metadata.level() <= Level::DEBUG
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let line = format!("{}{}", event.metadata().level(), fields.0);
        self.0.lock().expect("no test panics in it").push(line);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let separator = if self.0.is_empty() { " " } else { " | " };
        write!(self.0, "{separator}{}: {value:?}", field.name()).expect("a string");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

async fn lines_of(script: impl Future<Output = ()>, agency: agency::Options) -> Vec<String> {
    let lines = Lines::default();
    let logged = tracing::subscriber::set_default(lines.clone());
    let _ = play(run(agency), script).await;
    drop(logged);
    let lines = lines.0.lock().expect("no test panics in it");
    lines.clone()
}

#[tokio::test]
async fn a_run_logs_each_batch_for_troubleshooting_and_the_winners_for_everybody() {
    let central = Central::bind().await;
    let file = file(&rows(3));
    let script = async {
        drop(central.accept_raw().await);
        central.greet(welcome()).await.serve(0, &["30000001"]).await;
    };
    let lines = lines_of(script, options(&central, &file)).await;
    let address = central.address();
    let lost = format!(
        "WARN action: connect | result: fail | address: {address} | error: the central closed the \
         connection"
    );
    assert!(lines[0].starts_with(&lost), "{}", lines[0]);
    let connected = format!("INFO action: connect | result: success | address: {address}");
    let expected = [
        &*connected,
        "DEBUG action: apuesta_enviada | result: success | cantidad: 2 | chunk_id: 0",
        "DEBUG action: apuesta_enviada | result: success | cantidad: 1 | chunk_id: 1",
        "INFO action: consulta_ganadores | result: success | cant_ganadores: 1",
    ];
    assert_eq!(lines[1..], expected);
}

#[tokio::test]
async fn a_refused_batch_is_logged_with_its_error() {
    let central = Central::bind().await;
    let file = file(&rows(2));
    let script = async {
        let mut line = central.greet(welcome()).await;
        let (ticket, _) = line.bets(0).await;
        let conflict = ErrorMessage::of_chunk(ErrorCode::ChunkConflict, 0, "");
        line.refuse(ticket, conflict).await;
        while line.request().await.is_some() {}
    };
    let lines = lines_of(script, options(&central, &file)).await;
    let address = central.address();
    let expected = format!(
        "ERROR action: apuesta_enviada | result: fail | cantidad: 2 | chunk_id: 0 | error: the \
         central at {address} rejected lines 1 to 2 (2 bets): this chunk was already stored with \
         other content"
    );
    assert_eq!(lines[1..], [expected]);
}
