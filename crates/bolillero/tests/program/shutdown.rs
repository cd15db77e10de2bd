//! Shutdown of a real central, with every kind of client connected.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::http::{Http, add_operator};
use crate::support::{Central, drawn, run_well, str};

/// Far below the time allowed for an unfinished request.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Opens a connection and sends only these bytes.
fn begun(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is promised")]
fn incomplete_requests_and_slow_clients_do_not_delay_the_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    // More bytes than the system buffers for a socket that is not read.
    let (data, _) = drawn(folder.path(), 300_000);
    add_operator(&data, "eva", "auditor");
    let pki = folder.path().join("pki");
    run_well(&["pki", "--dir", str(&pki), "init"]);
    run_well(&["pki", "--dir", str(&pki), "central", "127.0.0.1"]);
    let files = ["central.crt", "central.key", "ca.crt"].map(|file| pki.join(file));
    let [crt, key, ca] = files.each_ref().map(|file| str(file));
    let tls = ["--tls-cert", crt, "--tls-key", key, "--tls-agencies-ca", ca];
    // If the central waited for anything, it would take longer than the test allows.
    let more =
        ["--tls-listen", "127.0.0.1:0", "--http", "127.0.0.1:0", "--shutdown-time-max", "2m"];
    let mut central = Central::start(&data, "127.0.0.1:0", &[&more[..], &tls].concat());
    let tls_address = central.process.wait_for("tls: true");
    let tls_address = tls_address.split("address: ").nth(1).unwrap().split(' ').next().unwrap();
    let http = Http::of(&mut central);
    let eva = http.log_in("eva");

    let login = http.request("POST", "/api/v1/session", "{\"name\": \"eva\"}");
    let (half_head, half_body) = (&login.as_bytes()[..30], &login.as_bytes()[..login.len() - 5]);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(begun(&http.address, half_head));
        open.push(begun(&http.address, half_body));
        open.push(eva.begin("/board/events"));
        // The beginning of a batch, and of a handshake.
        open.push(begun(&central.address, &[0, 12, 0, 100]));
        open.push(begun(tls_address, &[22, 3, 1, 2, 0]));
        open.push(begun(tls_address, b""));
    }
    open.push(eva.begin("/api/v1/draws/1/bets.csv"));
    // This response shows that the central has handled what was sent before.
    assert_eq!(eva.ask("GET", "/api/v1/draws", "").status, 200);

    let begun = Instant::now();
    let ended = central.process.terminate();
    let took = begun.elapsed();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
    assert!(took < AT_ONCE, "{took:?}: {:#?}", ended.log);
    drop(open);
}
