//! Signals: the first one asks for an orderly end, the second ends the process at once. That of a
//! file over its limit ends nothing: whoever wrote is told by the error. Nor does SIGHUP, which asks
//! for what was read to be read again.

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What SIGTERM and SIGINT cancel. Must be called within a runtime.
pub(crate) fn shutdown_token() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(watch(signals, token.clone()));
    Ok(token)
}

/// Lets a write over the limit on the length of files fail, where otherwise it would end the
/// process: the ledger treats it as a full disk. Must be called within a runtime.
pub(crate) fn outlive_file_limits() -> std::io::Result<()> {
    // It stays handled, though nobody listens.
    signal(SignalKind::from_raw(Number::XFSZ.as_raw())).map(drop)
}

/// What tells of each SIGHUP from now on: it ends nothing any more. Must be called within a runtime.
pub(crate) fn hangups() -> std::io::Result<Signal> {
    signal(SignalKind::hangup())
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
