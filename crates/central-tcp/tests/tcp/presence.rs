//! The list of connected agencies, for monitoring.

use central::Connected;
use lottery::{AgencyId, DrawName, Timestamp};

use crate::client::{LORCA, patiently};
use crate::setting::{NOW, Running, Setting};

/// Returns the connected agencies once there are `count` of them.
async fn connected(central: &Running, count: usize) -> Vec<Connected> {
    let listed = async {
        loop {
            let connected = central.presence.snapshot();
            if connected.len() == count {
                return connected;
            }
            tokio::task::yield_now().await;
        }
    };
    patiently(listed).await
}

fn draw_of(connected: &Connected) -> Option<&str> {
    connected.draw.as_ref().map(DrawName::as_str)
}

#[tokio::test]
async fn every_connection_is_listed_with_what_is_known_of_it() {
    let central = Setting::agencies(2).start().await;
    let silent = central.connect().await;
    let greeted = central.greeted(2).await;
    let mut legacy = central.connect().await;
    legacy.store(1, 0, LORCA).await;
    let listed = connected(&central, 3).await;
    assert_eq!(
        listed.iter().map(|it| it.agency.map(|it| it.0)).collect::<Vec<_>>(),
        [None, Some(1), Some(2)]
    );
    assert_eq!(
        listed.iter().map(draw_of).collect::<Vec<_>>(),
        [None, Some("sorteo"), Some("sorteo")]
    );
    for one in &listed {
        assert_eq!((one.certified, one.since), (false, Timestamp(NOW)));
    }
    assert_eq!(listed[0].peer, silent.stream.local_addr().unwrap());
    assert_eq!(listed[2].peer, greeted.stream.local_addr().unwrap());
    drop(silent);
    connected(&central, 2).await;
}

#[tokio::test]
async fn an_agencys_connections_are_ended_in_order_while_others_are_served() {
    let central = Setting::agencies(3).start().await;
    let mut other = central.greeted(2).await;
    let mut greeted = central.greeted(1).await;
    let mut waiting = central.greeted(1).await;
    waiting.get_winners(1).await;
    let mut legacy = central.connect().await;
    legacy.store(1, 0, LORCA).await;
    connected(&central, 4).await;

    assert_eq!(central.presence.disconnect(AgencyId(1)), 3);
    greeted.ends().await;
    legacy.ends().await;
    waiting.no_winners().await;
    waiting.ends().await;
    other.store(2, 0, LORCA).await;
    drop((greeted, waiting, legacy));
    assert_eq!(connected(&central, 1).await[0].agency, Some(AgencyId(2)));
    assert_eq!(central.presence.disconnect(AgencyId(1)), 0);
    // The agency may reconnect; what it may do then is decided elsewhere.
    central.greeted(1).await.store(1, 1, LORCA).await;
}
