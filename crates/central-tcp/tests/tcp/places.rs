//! More connections than allowed, in all or from one address.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use wire::ErrorCode;

use crate::client::{Client, LORCA, patiently};
use crate::log::Log;
use crate::setting::{Running, Setting};

const ONE: [u8; 4] = [127, 0, 0, 1];
const OTHER: [u8; 4] = [127, 0, 0, 2];
/// An address other than the twenty that hold places.
const ANOTHER: [u8; 4] = [127, 0, 0, 21];

/// HELLO of agency 1, sent before the central can reject the connection.
const HELLO: &[u8] = &[0, 18, 0, 6, 0, 1, 0, 0, 0, 1];

/// How many rejected connections may linger in all, and below from one address:
/// `central_tcp::limits`.
const LINGERING: usize = central_tcp::limits::REJECTED_MAX;
const LINGERING_OF_ADDRESS: usize = 8;

async fn per_address(max: usize) -> Running {
    let central = Setting::limits(|limits| {
        limits.connections_per_address_max = max;
        // Longer than any test: rejected connections linger until the agency closes.
        limits.linger_time_max = Duration::from_secs(3600);
    });
    central.start().await
}

async fn welcomed(central: &Running, address: [u8; 4]) -> Client {
    let mut client = Client::connect_from(address, central.port, HELLO);
    client.welcome().await;
    client
}

/// Opens a connection that is rejected; returns it and whether it lingers.
async fn turned_away(central: &Running, address: [u8; 4]) -> (Client, bool) {
    let mut client = Client::connect_from(address, central.port, HELLO);
    assert_eq!(client.error().await.code(), ErrorCode::Busy);
    let lingers = client.ends_without_reset().await;
    (client, lingers)
}

#[tokio::test]
async fn an_address_with_too_many_connections_is_refused_while_others_are_served() {
    let log = Log::keep();
    let central = per_address(2).await;
    let first = welcomed(&central, ONE).await;
    let mut second = welcomed(&central, ONE).await;
    for _ in 0..10 {
        let mut third = Client::connect_from(ONE, central.port, HELLO);
        let refused = third.error().await;
        assert_eq!((refused.code(), refused.chunk()), (ErrorCode::Busy, None));
        assert!(refused.reason().contains("from one address"), "{}", refused.reason());
        third.ends().await;
    }
    log.one("action: accept_connections | result: fail | ip: 127.0.0.1 | cantidad: 1 | error: too");
    let mut other = welcomed(&central, OTHER).await;
    other.store(1, 0, LORCA).await;
    second.store(1, 1, LORCA).await;
    drop(first);
    let served = async {
        let mut third = Client::connect_from(ONE, central.port, HELLO);
        while !third.is_welcome().await {
            third = Client::connect_from(ONE, central.port, HELLO);
        }
    };
    patiently(served).await;
}

#[tokio::test]
async fn the_limit_of_all_connections_has_its_own_reason() {
    let central = Setting::limits(|limits| limits.connections_max = 1).start().await;
    let _first = welcomed(&central, ONE).await;
    let refused = Client::connect_from(OTHER, central.port, HELLO).error().await;
    assert_eq!(refused.code(), ErrorCode::Busy);
    assert!(!refused.reason().contains("address"), "{}", refused.reason());
}

#[tokio::test]
async fn who_said_hello_before_being_turned_away_reads_why_and_then_an_orderly_end() {
    let central = per_address(1).await;
    let _first = welcomed(&central, ONE).await;
    let (mut client, lingers) = turned_away(&central, ONE).await;
    assert!(lingers);
    // Data sent later is not answered by a reset either.
    client.send(HELLO).await;
    assert!(client.ends_without_reset().await);
}

#[tokio::test]
async fn few_linger_of_one_address_and_a_bounded_number_in_all() {
    let central = per_address(1).await;
    let addresses: Vec<_> = (1..=20).map(|host| [127, 0, 0, host]).collect();
    let mut held = Vec::new();
    let mut lingering = 0;
    for address in addresses {
        held.push(welcomed(&central, address).await);
        let mut of_address = 0;
        for _ in 0..2 * LINGERING_OF_ADDRESS {
            let (client, lingers) = turned_away(&central, address).await;
            of_address += usize::from(lingers);
            held.push(client);
        }
        assert_eq!(of_address, LINGERING_OF_ADDRESS.min(LINGERING - lingering), "{address:?}");
        lingering += of_address;
    }
    assert_eq!(lingering, LINGERING);
    // Connections that close free their places.
    held.clear();
    let mut first = welcomed(&central, ANOTHER).await;
    patiently(async { while !turned_away(&central, ANOTHER).await.1 {} }).await;
    first.store(1, 0, LORCA).await;
}

#[tokio::test]
async fn who_goes_on_sending_after_being_turned_away_is_cut() {
    let central = per_address(1).await;
    let _first = welcomed(&central, ONE).await;
    let (mut client, lingers) = turned_away(&central, ONE).await;
    assert!(lingers);
    let sends = async { while client.stream.write_all(&[0; 8192]).await.is_ok() {} };
    patiently(sends).await;
}

#[tokio::test]
async fn many_may_connect_before_the_central_comes_to_accept_them() {
    let central = Setting::default().start().await;
    // The server listens, and gets no turn after this.
    welcomed(&central, ONE).await;
    let address = std::net::SocketAddr::from((ONE, central.port));
    let connect = |_| std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5));
    let connections: Result<Vec<_>, _> = (0..500).map(connect).collect();
    drop(connections.unwrap());
    welcomed(&central, ONE).await.store(1, 0, LORCA).await;
}

#[tokio::test]
async fn those_who_linger_do_not_hold_up_the_end() {
    let central = per_address(1).await;
    let _first = welcomed(&central, ONE).await;
    let (_client, lingers) = turned_away(&central, ONE).await;
    assert!(lingers);
    tokio::time::timeout(Duration::from_secs(5), central.shut_down()).await.unwrap();
}
