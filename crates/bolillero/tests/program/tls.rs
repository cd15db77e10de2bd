//! Access to the agencies' port: over real sockets, with certificates of every kind, while another
//! agency is served.

mod bound;
mod certificates;
mod openssl;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::support::http::Http;
use crate::support::raw::{Raw, ack, bets, finish, get_winners, hello};
use crate::support::{Bets, PATIENCE, Process, agency, exported, run, str, text};
use certificates::{Client, Folder, Shape, URN};
use rustix::process::Signal;

const LORCA: &str = "Santiago Lionel|Lorca|30904465|1999-03-17|7574";

/// A central that agencies 1 and 2, of a draw of three, reach by TLS.
struct Served {
    folder: Folder,
    process: Process,
    address: String,
}

impl Served {
    fn start(more: &[&str]) -> Self {
        Self::start_in(Folder::new(), more)
    }

    fn start_in(folder: Folder, more: &[&str]) -> Self {
        let mut process = started(&folder, more);
        let line = process.wait_for("tls: true");
        let address = line.split("address: ").nth(1).unwrap();
        let address = address.split(' ').next().unwrap().to_owned();
        Self { folder, process, address }
    }

    fn connect(&self, client: &Client) -> Tls {
        Tls::connect(&self.address, client)
    }
}

fn started(folder: &Folder, more: &[&str]) -> Process {
    let args = folder.serve_args();
    let mut args: Vec<_> = args.iter().map(String::as_str).collect();
    args.extend(["--tls-listen", "127.0.0.1:0", "--agencies", "3"]);
    args.extend(more);
    Process::start(&args)
}

type Stream = rustls::StreamOwned<rustls::ClientConnection, TcpStream>;

/// A TLS connection that sends and receives raw bytes.
struct Tls(Stream);

impl Tls {
    fn connect(address: &str, client: &Client) -> Self {
        let name = "127.0.0.1".try_into().unwrap();
        let connection = rustls::ClientConnection::new(client.config(), name).unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(rustls::StreamOwned::new(connection, stream))
    }

    fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_all(bytes).unwrap();
        self
    }

    fn expect(&mut self, bytes: &[u8]) -> &mut Self {
        let mut read = vec![0; bytes.len()];
        self.0.read_exact(&mut read).unwrap();
        assert_eq!(read, bytes);
        self
    }

    /// Stores a batch.
    fn stores(&mut self, agency: u32, chunk: u32) {
        self.send(&bets(agency, chunk, &[LORCA])).expect(&ack(chunk));
    }

    /// Reads an ERROR and the end of the connection; returns its code and reason.
    fn refused(&mut self) -> (u16, String) {
        let mut message = Vec::new();
        self.0.read_to_end(&mut message).unwrap();
        assert_eq!(message[..2], [0, 20], "{message:?}");
        let code = u16::from_be_bytes([message[4], message[5]]);
        (code, String::from_utf8_lossy(&message).into_owned())
    }

    /// Returns the TLS error that ends the connection.
    fn fails(&mut self) -> String {
        let sent = self.0.write_all(&hello(1, ""));
        let failed = sent.and_then(|()| self.0.read_exact(&mut [0]));
        failed.unwrap_err().to_string()
    }
}

/// Returns the cases: name, client, what the central logs, and the alert that the agency gets.
fn refusals(folder: &Folder) -> Vec<(&'static str, Client, &'static str, &'static str)> {
    let other = Folder::new();
    let shaped = |shape| folder.client(&shape);
    let agency = Shape::agency(1);
    let two = format!("{URN}2");
    vec![
        (
            "of another authority",
            other.client(&agency).trusting(folder),
            "is from an unknown authority",
            "UnknownCA",
        ),
        (
            "expired",
            shaped(Shape { days: -30..-1, ..agency.clone() }),
            "its certificate expired at 20",
            "CertificateExpired",
        ),
        (
            "not valid yet",
            shaped(Shape { days: 1..30, ..agency.clone() }),
            "its certificate is valid from 20",
            "CertificateExpired",
        ),
        ("revoked", folder.issued(3), "its certificate is revoked", "CertificateRevoked"),
        (
            "its own authority",
            shaped(Shape { self_signed: true, ..agency.clone() }),
            "is from an unknown authority",
            "UnknownCA",
        ),
        (
            "the central's own",
            folder.central_as_client(),
            "is for another purpose",
            "UnsupportedCertificate",
        ),
        (
            "without an agency",
            shaped(Shape { uris: vec!["https://example.com/".to_owned()], ..agency.clone() }),
            "it names no agency",
            "CertificateUnknown",
        ),
        (
            "with two agencies",
            shaped(Shape { uris: vec![format!("{URN}1"), two], ..agency.clone() }),
            "it names 2 agencies",
            "CertificateUnknown",
        ),
        (
            "with half a number",
            shaped(Shape { uris: vec![format!("{URN}1x")], ..agency }),
            "does not end in an agency's number",
            "CertificateUnknown",
        ),
        ("none", folder.without_certificate(), "it sent no certificate", "CertificateRequired"),
    ]
}

#[test]
fn a_connection_without_a_valid_agency_certificate_is_refused_with_a_reason() {
    let mut served = Served::start(&[]);
    let mut other = served.connect(&served.folder.issued(2));
    other.stores(2, 0);
    for (chunk, (case, client, logged, alert)) in (1..).zip(refusals(&served.folder)) {
        let failed = served.connect(&client).fails();
        assert!(failed.contains(alert), "{case}: {failed}");
        let line = served.process.wait_for("tls_handshake | result: fail | ip: 127.0.0.1");
        assert!(line.contains(logged), "{case}: {line}");
        other.stores(2, chunk);
    }
    let ended = served.process.terminate();
    assert_eq!(ended.code, Some(0));
    assert!(!exported(&served.folder.data()).contains_key(&1));
}

#[test]
fn what_is_not_tls_1_3_is_refused_while_others_are_served() {
    let mut served = Served::start(&[]);
    let mut other = served.connect(&served.folder.issued(2));
    other.stores(2, 0);
    let mut plain = Raw::connect(&served.address);
    plain.send(&hello(1, ""));
    served.process.wait_for("error: it does not use TLS");
    // The central answers with a TLS alert, which means nothing to a plain-text agency.
    let mut answer = Vec::new();
    plain.0.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[0], 21, "{answer:?}");

    let mut old = Raw::connect(&served.address);
    old.send(&hello_of_tls_1_2());
    served.process.wait_for("error: it does not support TLS 1.3");
    let mut answer = Vec::new();
    old.0.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[5..7], [2, 70], "fatal, protocol_version: {answer:?}");
    other.stores(2, 1);
}

/// Returns a ClientHello of an older program, which does not offer TLS 1.3.
fn hello_of_tls_1_2() -> Vec<u8> {
    let with_len =
        |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let extension = |id: u16, bytes: &[u8]| [&id.to_be_bytes()[..], &with_len(bytes)].concat();
    let extensions = [
        extension(10, &with_len(&[0, 23])),
        extension(11, &[1, 0]),
        extension(13, &with_len(&[4, 3, 8, 4])),
    ];
    let ciphers = with_len(&[0xc0, 0x2b, 0xc0, 0x2f]);
    let extensions = with_len(&extensions.concat());
    let body = [&[3, 3][..], &[7; 32], &[0], &ciphers, &[1, 0], &extensions].concat();
    let message = [&[1, 0][..], &with_len(&body)].concat();
    [&[22, 3, 1][..], &with_len(&message)].concat()
}

#[test]
fn tls_at_the_port_for_plain_text_is_refused_as_what_it_is() {
    let mut served = Served::start(&["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    let logged = served.process.log.iter().find(|line| line.contains("action: listen |")).unwrap();
    let plain = logged.split("address: ").nth(1).unwrap().to_owned();
    let failed = Tls::connect(&plain, &served.folder.issued(1)).fails();
    assert!(failed.contains("InvalidContentType"), "{failed}");
    served.process.wait_for("receive_message | result: fail | ip: 127.0.0.1 | error: unknown");
    let bets = served.folder.path.join("bets.csv");
    std::fs::write(&bets, "Ana,Paz,1,2000-01-01,5\n").unwrap();
    let files = served.folder.agency_args(1);
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    let logged = served.process.log.iter().find(|line| line.contains("listen_http")).unwrap();
    let http = logged.split("address: ").nth(1).unwrap().to_owned();
    for (address, more, expected) in [
        (&plain, &files[..], "does not use TLS"),
        (&http, &files, "serves HTTP"),
        (&served.address, &[], "uses TLS"),
        (&served.address, &["--legacy"], "uses TLS"),
    ] {
        let refused = agency(1, address, &bets, more).ended();
        let last = refused.log.last().unwrap();
        assert_eq!(refused.code, Some(1), "{last}");
        assert!(last.contains(expected) && last.contains(address), "{last}");
    }
}

#[test]
fn a_central_must_have_a_certificate_for_its_own_address() {
    let mut served = Served::start(&["--tls-listen", "127.0.0.2:0"]);
    let line = served.process.wait_for("address: 127.0.0.2:");
    let other = line.split("address: ").nth(1).unwrap().split(' ').next().unwrap();
    let bets = served.folder.path.join("bets.csv");
    std::fs::write(&bets, "Ana,Paz,1,2000-01-01,5\n").unwrap();
    let run = |id: u32, addresses: &[&str]| {
        let files = served.folder.agency_args(id);
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        agency(id, &addresses.join(","), &bets, &files)
    };
    let fault = "its certificate is not for 127.0.0.2";
    let connected = format!("connect | result: success | address: {}", served.address);
    let mut lost = 0;
    for id in [1, 2] {
        let mut agency = run(id, &[other, &served.address]);
        agency.wait_for(&connected);
        lost += agency.kill().iter().filter(|line| line.contains(fault)).count();
    }
    assert!(lost > 0, "no agency began at {other}");
    let ended = run(1, &[other, other]).ended();
    let last = ended.log.last().unwrap();
    assert_eq!((ended.code, last.matches(fault).count()), (Some(1), 2), "{last}");
}

#[test]
fn a_message_for_another_agency_than_the_certificates_is_refused_and_stored_nowhere() {
    let mut served = Served::start(&[]);
    let first = served.folder.issued(1);
    let mut other = served.connect(&served.folder.issued(2));
    let reason = "a message for agency 2 on a connection with agency 1's certificate";
    let messages = [hello(2, ""), bets(2, 0, &[LORCA]), finish(2), get_winners(2)];
    for (chunk, message) in (0..).zip(messages) {
        let (code, words) = served.connect(&first).send(&message).refused();
        assert_eq!(code, 8, "{words}");
        assert!(words.contains(reason), "{words}");
        served.process.wait_for(&format!("ip: 127.0.0.1 | error: {reason}"));
        other.stores(2, chunk);
    }
    // Not after messages of its own agency either, with HELLO or without.
    let mut own = served.connect(&first);
    own.stores(1, 0);
    assert_eq!(own.send(&bets(2, 9, &[LORCA])).refused().0, 8);
    let mut own = served.connect(&first);
    own.send(&[hello(1, ""), bets(1, 1, &[LORCA]), finish(2)].concat());
    let mut answer = Vec::new();
    own.0.read_to_end(&mut answer).unwrap();
    assert!(answer.windows(6).any(|bytes| bytes == ack(1)), "{answer:?}");
    assert_eq!(served.process.terminate().code, Some(0));
    let stored = exported(&served.folder.data());
    assert_eq!((stored[&1].len(), stored[&2].len()), (2, 4));
}

#[test]
fn agencies_with_their_certificates_are_served_from_first_bet_to_winners() {
    let folder = Folder::new();
    folder.pki(&["agency", "3", "--replace"]);
    let bets = Bets::generated(&folder.path.join("bets"), 60_000);
    let served = Served::start_in(folder, &["--winning-number", &bets.winning_number]);
    let run = |id, certified| {
        let files = served.folder.agency_args(certified);
        let files: Vec<_> = files.iter().map(String::as_str).collect();
        agency(id, &served.address, bets.file(id), &files)
    };
    let other = run(3, 4).ended();
    assert_eq!(other.code, Some(2), "{:?}", other.log);
    let last = other.log.last().unwrap();
    assert!(last.contains("agency-4.crt belongs to agency 4, not to agency 3"), "{last}");
    for (id, running) in (1..).zip([1, 2, 3].map(|id| run(id, id))) {
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{:?}", ended.log);
        assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), bets.winners(id));
    }
    assert_eq!(served.process.terminate().code, Some(0));
    let stored = exported(&served.folder.data());
    for id in 1..=3 {
        let mut lines = bets.lines[&id].clone();
        lines.sort_unstable();
        assert_eq!(stored[&id], lines, "agency {id}");
    }
}

#[test]
fn batches_are_taken_however_they_lie_in_records_of_tls() {
    let served = Served::start(&[]);
    let mut own = served.connect(&served.folder.issued(1));
    own.stores(1, 0);
    let messages: Vec<_> = (1..200).map(|chunk| bets(1, chunk, &[LORCA; 93])).collect();
    let bytes = messages.concat();
    let (mut rest, mut enciphered) = (&bytes[..], Vec::new());
    // Records of 16 kB hold many batches and parts of batches, followed by short ones.
    for piece_len in [60_000, 3, 16_384, 15_000, 700, 1, 4_096, 300].into_iter().cycle() {
        let (piece, behind) = rest.split_at(piece_len.min(rest.len()));
        own.0.conn.writer().write_all(piece).unwrap();
        while own.0.conn.wants_write() {
            own.0.conn.write_tls(&mut enciphered).unwrap();
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    own.0.sock.write_all(&enciphered).unwrap();
    for chunk in 1..200 {
        own.expect(&ack(chunk));
    }
}

#[test]
fn certificates_are_read_again_at_sighup_and_bad_files_keep_those_before() {
    let mut served = Served::start(&[]);
    let first = served.folder.issued(1);
    let mut before = served.connect(&first);
    before.stores(1, 0);
    served.folder.revoke(1);
    before.stores(1, 1);
    served.connect(&first).stores(1, 2);
    let mut other = served.connect(&served.folder.issued(2));
    other.stores(2, 0);
    served.process.signal(Signal::HUP);
    served.process.wait_for("load_certificates | result: success");
    served.process.wait_for("end_revoked | result: success | connections: 1");
    let mut rest = Vec::new();
    assert_eq!(before.0.read_to_end(&mut rest).unwrap(), 0, "it ends in order: {rest:?}");
    other.stores(2, 1);
    assert!(served.connect(&first).fails().contains("CertificateRevoked"));
    std::fs::write(served.folder.path.join("pki/crl.pem"), "nothing").unwrap();
    served.process.signal(Signal::HUP);
    let line = served.process.wait_for("load_certificates | result: fail");
    assert!(line.contains("crl.pem has no revocation list"), "{line}");
    assert!(line.ends_with("the previous certificates stay in use\""), "{line}");
    assert!(served.connect(&first).fails().contains("CertificateRevoked"));
    served.connect(&served.folder.issued(2)).stores(2, 2);
}

#[test]
fn an_older_revocation_list_at_sighup_is_reported_and_not_used() {
    let mut served = Served::start(&["--http", "127.0.0.1:0"]);
    let list = served.folder.path.join("pki/crl.pem");
    let older = std::fs::read(&list).unwrap();
    let first = served.folder.issued(1);
    served.folder.revoke(1);
    served.process.signal(Signal::HUP);
    served.process.wait_for("load_certificates | result: success");
    std::fs::write(&list, older).unwrap();
    served.process.signal(Signal::HUP);
    let message = served.process.wait_for("WARNING  action: load_certificates");
    assert!(message.contains("crl.pem has an older revocation list by CN="), "{message}");
    assert!(served.connect(&first).fails().contains("CertificateRevoked"));
    served.connect(&served.folder.issued(2)).stores(2, 0);
    let metrics = Http::of_process(&mut served.process).ask("GET", "/metrics", "").body;
    let ends = metrics.lines().filter(|line| line.starts_with("bolillero_tls_expiry_timestamp"));
    let ends: Vec<_> = ends.filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!(ends, ["central", "authority", "revocations"], "{metrics}");
}

#[test]
fn who_came_by_an_authority_that_is_taken_out_is_ended() {
    let mut served = Served::start(&[]);
    let mut own = served.connect(&served.folder.issued(1));
    own.stores(1, 0);
    let other = Folder::new();
    for name in ["pki/ca.crt", "pki/crl.pem"] {
        std::fs::copy(other.path.join(name), served.folder.path.join(name)).unwrap();
    }
    served.process.signal(Signal::HUP);
    let line = served.process.wait_for("end_connection | result: success | ip: 127.0.0.1");
    assert!(
        line.contains("agency: 1 | error: its certificate is from an unknown author"),
        "{line}"
    );
    let mut rest = Vec::new();
    assert_eq!(own.0.read_to_end(&mut rest).unwrap(), 0, "it ends in order: {rest:?}");
}

#[test]
fn a_central_with_an_agencys_certificate_does_not_start() {
    let folder = Folder::new();
    let mut args = folder.serve_args();
    for arg in &mut args {
        *arg = arg.replace("central.crt", "agency-1.crt").replace("central.key", "agency-1.key");
    }
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let more = ["--tls-listen", "127.0.0.1:0", "--agencies", "3"];
    let refused = run(&[&args[..], &more].concat());
    let message = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{message}");
    assert!(message.contains("is not the central's: it belongs to agency 1"), "{message}");
    assert!(!folder.data().exists(), "refused before anything was made");
}

#[test]
fn a_hangup_while_the_ledger_is_opened_has_certificates_read_once_more() {
    let folder = Folder::new();
    let mut process = started(&folder, &[]);
    // The ledger is opened after this.
    process.wait_for("load_certificates | result: success");
    process.signal(Signal::HUP);
    process.wait_for("load_certificates | result: success");
    assert_eq!(process.terminate().code, Some(0));
}

#[test]
fn unfinished_handshakes_delay_no_other_connection_and_are_cut() {
    let more = ["--handshake-time-max", "1s", "--connections-max", "60"];
    let mut served = Served::start(&more);
    let second = served.folder.issued(2);
    let mut other = served.connect(&second);
    other.stores(2, 0);
    let silent: Vec<_> = (0..50)
        .map(|begun| {
            let mut raw = Raw::connect(&served.address);
            raw.send(&hello_of_tls_1_2()[..begun % 40]);
            raw
        })
        .collect();
    for chunk in 1..200 {
        other.stores(2, chunk);
    }
    served.connect(&second).stores(2, 200);
    served.process.wait_for_many("error: the TLS handshake took too long", 50);
    drop(silent);
    assert_eq!(served.process.terminate().code, Some(0));
}

#[test]
fn plain_text_leaves_this_host_only_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let args = ["serve", "--listen", "0.0.0.0:0", "--data", str(&data), "--agencies", "1"];
    let refused = run(&args);
    assert_eq!(refused.status.code(), Some(2));
    let words = text(&refused.stderr);
    assert!(words.contains("--tls-listen") && words.contains("--allow-plaintext"), "{words}");
    assert!(!data.exists(), "refused before anything was made");
    let mut allowed = Process::start(&[&args[..], &["--allow-plaintext"]].concat());
    allowed.wait_for("WARNING  action: listen");
    allowed.wait_for("action: listen | result: success");
}
