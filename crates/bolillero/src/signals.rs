//! Signals: the first one asks for an orderly end, the second ends the process at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What SIGTERM and SIGINT cancel. Must be called within a runtime.
pub(crate) fn shutdown_token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(watch(signals, token.clone()));
    Ok(token)
}

#[expect(clippy::disallowed_methods, reason = "the second signal asks for just this")]
async fn watch((mut terminate, mut interrupt): (Signal, Signal), token: CancellationToken) {
    either(&mut terminate, &mut interrupt).await;
    token.cancel();
    either(&mut terminate, &mut interrupt).await;
    std::process::exit(1);
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
