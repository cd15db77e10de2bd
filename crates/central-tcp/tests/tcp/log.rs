//! Collects the log lines of one test with a tracing subscriber.
//!
//! It applies to the thread that created it: to all of a test that runs on one thread.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tracing::Dispatch;
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::DefaultGuard;

/// The lines logged since creation, in the form `name: value | name: value`.
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<String>>>,
    _guard: DefaultGuard,
}

/// Unused subscribers. With only one in the process, tracing would let the first thread that logs a
/// line decide for all threads whether it is wanted.
static OTHERS: LazyLock<[Dispatch; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Dispatch::new(Keeper { lines: Arc::default() })));

impl Log {
    pub(crate) fn keep() -> Self {
        LazyLock::force(&OTHERS);
        let lines = Arc::default();
        let guard = tracing::subscriber::set_default(Keeper { lines: Arc::clone(&lines) });
        Self { lines, _guard: guard }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|logged| *logged == line).count()
    }

    pub(crate) fn has(&self, start: &str) -> bool {
        self.lines().iter().any(|line| line.starts_with(start))
    }

    /// Returns the only line that starts with `start`.
    pub(crate) fn one(&self, start: &str) -> String {
        let found: Vec<_> =
            self.lines().into_iter().filter(|line| line.starts_with(start)).collect();
        let [line] = &found[..] else { panic!("not one line {start:?}: {:#?}", self.lines()) };
        line.clone()
    }
}

struct Keeper {
    lines: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Line(String);

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let separator = if self.0.is_empty() { "" } else { " | " };
        write!(self.0, "{separator}{}: {value:?}", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Keeper {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("central")
    }

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        self.lines.lock().push(line.0);
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}
