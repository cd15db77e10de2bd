//! Following the board: what open boards and event streams have in common.

use std::sync::Arc;

use futures_util::Stream;
use futures_util::stream::unfold;

use crate::access::caller::Caller;
use crate::usecases::app::App;
use crate::usecases::board::Board;

/// What a follower is told.
pub(crate) enum Followed {
    /// The board was refreshed.
    Board(Arc<Board>),
    /// The caller's session or token has ended; nothing follows.
    Over,
}

/// Follows the board: as it is now, and after every refresh, until the central stops or the caller's
/// session or token ends.
pub(crate) async fn follow(app: &App, who: Caller) -> impl Stream<Item = Followed> + use<> {
    app.poller.now().await;
    let mut seen = app.poller.watch();
    seen.mark_changed();
    let start = Some((Arc::clone(app), who, seen));
    unfold(start, |state| async move {
        let (app, who, mut seen) = state?;
        let changed = app.stopping.run_until_cancelled(seen.changed()).await;
        if !matches!(changed, Some(Ok(()))) {
            return None;
        }
        if app.access.is_over(&who, None).await {
            return Some((Followed::Over, None));
        }
        let board = Arc::clone(&seen.borrow_and_update());
        Some((Followed::Board(board), Some((app, who, seen))))
    })
}
