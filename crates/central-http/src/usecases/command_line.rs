//! Records in the audit log what was changed on the command line, now or while no central ran.

use std::convert::Infallible;
use std::sync::Arc;

use lottery::{Act, ActError, Actor, AuditedAction, Reason, RecordedAct};
use operators::Unrecorded;
use tokio::runtime::Handle;

use crate::access::state::blocking;
use crate::limits::COMMAND_LINE_LOOK_TIME;
use crate::usecases::app::App;

/// Records the changes that the operators' file keeps for it.
pub(crate) struct Recorder {
    app: App,
    /// Why it failed, if it did; a reason is logged once.
    failing: Option<String>,
}

impl Recorder {
    pub(crate) fn new(app: App) -> Self {
        Self { app, failing: None }
    }

    /// Records the changes again and again, while polled.
    pub(crate) async fn keep_recording(&mut self) -> Infallible {
        loop {
            self.record().await;
            tokio::time::sleep(COMMAND_LINE_LOOK_TIME).await;
        }
    }

    /// Records the changes that are not recorded yet, and removes them from the file. The store
    /// knows those that it has: if the central ends in between, none is recorded twice.
    pub(crate) async fn record(&mut self) {
        let (app, runtime) = (Arc::clone(&self.app), Handle::current());
        let recording = blocking("recording the changes broke off", move || {
            let mut failed = None;
            let recorded = app.access.operators.record_changes(&mut |made| {
                failed = runtime.block_on(store(&app, made)).err();
                failed.is_none()
            });
            let failed = failed.map(|error| error.to_string());
            recorded.err().map(|error| error.to_string()).or(failed)
        });
        let failed = recording.await.unwrap_or_else(|_| Some("it broke off".to_owned()));
        if let Some(error) = failed.as_ref().filter(|it| self.failing.as_ref() != Some(it)) {
            tracing::error!(action = "record_command_line", result = "fail", error);
        }
        self.failing = failed;
    }
}

async fn store(app: &App, made: &Unrecorded) -> Result<(), ActError> {
    let act = Act::Audited(AuditedAction::OnCommandLine(made.record()));
    let version = made.version;
    let judge = Box::new(move || Some(version));
    app.service.act(RecordedAct::new(Actor::Clock, Reason::default(), act), judge).await.map(drop)
}
