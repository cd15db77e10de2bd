//! Names of draws with composed or decomposed accents, from agencies and listeners.

use lottery::DrawId;
use wire::ErrorCode;

use crate::client::LORCA;
use crate::setting::{Running, Setting};

const JOINED: &str = "mañana";
const APART: &str = "man\u{303}ana";

/// Returns how many batches the first agency has stored in a draw.
fn batches_of(central: &Running, draw: DrawId) -> u64 {
    central.service.view().all_begun(draw).map(|totals| totals.batches).sum()
}

#[tokio::test]
async fn a_draw_is_meant_by_its_name_in_any_form_and_named_back_as_it_was_given() {
    for kept in [JOINED, APART] {
        let central = Setting::operated().start().await;
        let draw = central.opened(kept).await;
        for (chunk, given) in (0..).zip([JOINED, APART]) {
            let mut agency = central.connect().await;
            agency.hello(1, 1, given).await;
            assert_eq!(agency.welcome().await.draw_name.as_str(), given);
            agency.store(1, chunk, LORCA).await;
        }
        assert_eq!(batches_of(&central, draw), 2);
        let mut agency = central.connect().await;
        agency.hello(1, 1, "").await;
        assert_eq!(agency.welcome().await.draw_name.as_str(), kept);
        let mut agency = central.connect().await;
        agency.hello(1, 1, "manana").await;
        assert_eq!(agency.error().await.code(), ErrorCode::UnknownDraw);
    }
}

#[tokio::test]
async fn an_address_is_for_its_draw_in_any_form_of_the_name() {
    let bound: &[&str] = &[JOINED, APART];
    for kept in [JOINED, APART] {
        let central = Setting { bound, ..Setting::operated() }.start().await;
        let draw = central.opened(kept).await;
        central.opened("otro").await;
        for (chunk, at) in [(0, 0), (1, 1)] {
            central.connect_bound(at).await.store(1, chunk, LORCA).await;
        }
        assert_eq!(batches_of(&central, draw), 2);
    }
}
