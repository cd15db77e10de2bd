//! A standby follows a central, and takes its place.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustix::process::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::service_manager::{Manager, OPENS};
use crate::support::http::{Http, add_operator};
use crate::support::raw::{Raw, bets, hello};
use crate::support::{
    Bets, Central, Process, agency, exported, free_address, run, run_well, str, text, until,
};

const STORED: &str = "apuesta_recibida | result: success";
const CAUGHT_UP: &str = "action: follow | result: success";
/// Small batches, so that a day takes long enough to be interrupted.
const SLOWLY: [&str; 2] = ["--batch-max-bets", "4"];
const BATCH_BETS: u64 = 4;

/// Adds an operator, and returns a file with a token of theirs.
fn token(data: &Path, name: &str, role: &str) -> PathBuf {
    add_operator(data, name, role);
    token_file(data.with_extension(format!("{name}.token")), &Http::new_token(data, name))
}

fn token_file(path: PathBuf, token: &str) -> PathBuf {
    fs::write(&path, format!("{token}\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

/// A central with a standby's token, which agencies and standbys reach.
struct Site {
    central: Central,
    http: String,
}

impl Site {
    fn start(data: &Path, listen: &str, http: &str, more: &[&str]) -> Self {
        let mut central = Central::start(data, listen, &[&["--http", http], more].concat());
        let http = Http::of(&mut central).address;
        Self { central, http }
    }

    fn metrics(&self) -> String {
        let of = Http::of_address(&self.http);
        of.ask("GET", "/metrics", "").body
    }

    /// Waits until the standby was sent all records.
    fn wait_for_standby(&self) {
        let line = "bolillero_standby_behind_records{operator=\"reserve\"} 0\n";
        until("the standby has all", || self.metrics().contains(line).then_some(()));
    }
}

fn arguments<'a>(from: &'a str, token: &'a Path, data: &'a Path) -> [&'a str; 7] {
    ["follow", "--from", from, "--token-file", str(token), "--data", str(data)]
}

fn follow(http: &str, token: &Path, data: &Path) -> Process {
    Process::start(&arguments(&format!("http://{http}"), token, data))
}

/// Starts the agencies of all files of bets; returns them by their number.
fn all_agencies(central: &str, bets: &Bets) -> Vec<(u32, Process)> {
    (1..=5).map(|id| (id, agency(id, central, bets.file(id), &SLOWLY))).collect()
}

/// Returns the number of records and the chain that a check prints.
fn end_of(data: &Path) -> (u64, String) {
    let check = run_well(&["check", "--data", str(data)]);
    assert!(check.starts_with("intact\n"), "{check}");
    let value = |name: &str| {
        let line = check.lines().find_map(|line| line.strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {check}"));
        line.split_whitespace().next().unwrap().to_owned()
    };
    (value("records").parse().unwrap(), value("chain"))
}

/// Returns how many bets an agency misses at the central, of those that were acknowledged.
fn lost_bets(log: &[String]) -> u64 {
    let error = log.last().unwrap();
    let counts = error.split(" acknowledged ").nth(1).unwrap_or_else(|| panic!("{log:#?}"));
    let (acknowledged, rest) = counts.split_once(" bets and now has only ").unwrap();
    let now: u64 = rest.split(':').next().unwrap().parse().unwrap();
    acknowledged.parse::<u64>().unwrap() - now
}

fn copied(folder: &Path, to: &str) -> PathBuf {
    let copy = folder.with_extension(to);
    let status = Command::new("cp").args(["-r", str(folder), str(&copy)]).status().unwrap();
    assert!(status.success());
    copy
}

#[test]
fn a_standby_takes_the_place_of_a_central_that_is_killed_in_mid_day() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let token = token(&data, "reserve", "standby");
    add_operator(&data, "ana", "admin");
    let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
    let (first, second) = (free_address(), free_address());
    let mut site = Site::start(&data, &first, "127.0.0.1:0", &more);
    let mut standby = follow(&site.http, &token, &copy);
    standby.wait_for(CAUGHT_UP);
    let addresses = [&*first, &second].join(",");
    let agencies = all_agencies(&addresses, &bets);
    site.central.process.wait_for_many(STORED, 120);
    site.central.process.kill();
    standby.wait_for("action: follow | result: fail");
    assert_eq!(standby.terminate().code, Some(0));

    // What was stored and not yet sent is what the promoted central does not have.
    let ((stored, _), (received, _)) = (end_of(&data), end_of(&copy));
    assert!(received > 5 && received <= stored, "{received} of {stored}");
    // It is the beginning of the lost ledger: that one continues it.
    let whole = copied(&copy, "whole");
    run_well(&["copy", "--from", str(&data), "--to", str(&whole)]);

    let promoted = Site::start(&copy, &second, "127.0.0.1:0", &more);
    // An agency whose acknowledged bets are not all there says so, and sends them when it is run
    // again.
    let lost = thread::scope(|scope| {
        let finish = |(id, process): (u32, Process)| {
            let (second, bets) = (&second, &bets);
            scope.spawn(move || {
                let ended = process.ended();
                if ended.code == Some(0) {
                    bets.are_printed_by(id, &ended);
                    return 0;
                }
                let again = agency(id, second, bets.file(id), &SLOWLY);
                bets.are_printed_by(id, &again.ended());
                lost_bets(&ended.log)
            })
        };
        let finishing: Vec<_> = agencies.into_iter().map(finish).collect();
        finishing.into_iter().map(|done| done.join().unwrap()).sum::<u64>()
    });
    assert!(lost <= BATCH_BETS * (stored - received), "{lost} bets, {received} of {stored}");
    let ana = Http::of_address(&promoted.http).log_in("ana");
    assert_eq!(ana.ask("GET", "/api/v1/operators", "").status, 200);
    assert_eq!(promoted.central.process.terminate().code, Some(0));
    bets.are_all_in(&exported(&copy));
}

#[test]
fn a_standby_that_is_killed_at_any_moment_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let token = token(&data, "reserve", "standby");
    let more = ["--agencies", "5", "--winning-number", &bets.winning_number];
    let mut site = Site::start(&data, "127.0.0.1:0", "127.0.0.1:0", &more);
    let address = site.central.address.clone();
    let agencies = all_agencies(&address, &bets);
    for moment in ["open_ledger", CAUGHT_UP, "follow_operators | result: success"] {
        let mut standby = follow(&site.http, &token, &copy);
        standby.wait_for(moment);
        site.central.process.wait_for_many(STORED, 40);
        standby.kill();
    }
    let mut standby = follow(&site.http, &token, &copy);
    standby.wait_for(CAUGHT_UP);
    // No central starts beside it.
    let serve = ["serve", "--listen", "127.0.0.1:0", "--agencies", "5", "--data", str(&copy)];
    let refused = run(&serve);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("another process is using"), "{refused:?}");
    for (id, process) in agencies {
        bets.are_printed_by(id, &process.ended());
    }
    site.wait_for_standby();
    assert!(site.metrics().contains("bolillero_standbys 1\n"));
    assert_eq!(standby.terminate().code, Some(0));
    site.central.process.wait_for("action: standby | result: fail | operator: reserve");
    let came = site.central.process.log.iter().filter(|line| line.contains("action: standby"));
    assert!(came.count() > 1);
    assert_eq!(site.central.process.terminate().code, Some(0));
    assert_eq!(end_of(&data), end_of(&copy));
    let people = |data: &Path| fs::read_to_string(data.join("operators.json")).unwrap();
    assert_eq!(people(&data), people(&copy));
}

#[test]
fn a_central_that_has_another_history_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let token = token(&data, "reserve", "standby");
    let start = |data: &Path| Site::start(data, "127.0.0.1:0", "127.0.0.1:0", &["--agencies", "2"]);
    let send = |site: &Site, chunks: std::ops::Range<u32>, document: &str| {
        let mut raw = Raw::connect(&site.central.address);
        raw.send(&hello(1, "")).payload(19);
        let bet = format!("Ana|Paz|{document}|2000-01-01|7");
        for chunk in chunks {
            raw.send(&bets(1, chunk, &[&bet]));
            assert_eq!(raw.reply(), Ok(chunk));
        }
    };
    let site = start(&data);
    send(&site, 0..3, "1");
    site.central.process.terminate();
    let old = copied(&data, "old");
    let site = start(&data);
    send(&site, 3..6, "2");
    let mut standby = follow(&site.http, &token, &copy);
    standby.wait_for(CAUGHT_UP);
    standby.terminate();
    let end = end_of(&copy);
    site.central.process.terminate();

    let other =
        "the copy are not the first ones of this ledger; find out which of the two is right";
    let refused = |site: &Site| {
        let ended = follow(&site.http, &token, &copy).ended();
        assert_eq!(ended.code, Some(1), "{:#?}", ended.log);
        assert!(ended.log.last().unwrap().contains(other), "{:#?}", ended.log);
        assert_eq!(end_of(&copy), end);
    };
    // It is behind, and then it goes another way.
    let restored = start(&old);
    refused(&restored);
    send(&restored, 3..9, "3");
    refused(&restored);
    restored.central.process.terminate();
    // So does another lottery.
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::copy(data.join("operators.json"), elsewhere.join("operators.json")).unwrap();
    refused(&start(&elsewhere));
    // The one that it followed goes on.
    let site = start(&data);
    send(&site, 6..7, "2");
    let mut standby = follow(&site.http, &token, &copy);
    standby.wait_for(CAUGHT_UP);
    standby.terminate();
    assert_eq!(end_of(&copy).0, end.0 + 1);
}

#[test]
fn wrong_tokens_and_addresses_are_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let viewer = token(&data, "eva", "viewer");
    let admin = token(&data, "ana", "admin");
    let unknown = token_file(folder.path().join("unknown"), &"7".repeat(64));
    let site = Site::start(&data, "127.0.0.1:0", "127.0.0.1:0", &["--agencies", "2"]);
    let here = format!("http://{}", site.http);
    let role = "give --token-file a token of an operator with the role standby";
    let valid = "give --token-file a token that is valid";
    for (token, part) in [(&viewer, role), (&admin, role), (&unknown, valid)] {
        let refused = run(&arguments(&here, token, &copy));
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        assert!(text(&refused.stderr).contains(part), "{refused:?}");
    }
    let readable = token_file(folder.path().join("readable"), &"7".repeat(64));
    fs::set_permissions(&readable, Permissions::from_mode(0o640)).unwrap();
    let garbage = token_file(folder.path().join("garbage"), "a token");
    let missing = folder.path().join("missing");
    for (from, token, more, part) in [
        (&*here, &readable, &[][..], "run `chmod 600` on it"),
        (&*here, &garbage, &[], "holds no token: put there the line"),
        (&*here, &missing, &[], "No such file"),
        ("http://10.0.0.7:8080", &viewer, &[], "use https://"),
        ("central", &viewer, &[], "give one as in https://central.example"),
        ("https://127.0.0.1:1", &viewer, &[], "https:// requires --ca"),
        ("https://127.0.0.1:1", &viewer, &["--ca", str(&viewer)], "no certificate in PEM"),
        (&*here, &viewer, &["--ca", str(&viewer)], "--ca has no effect with http://"),
    ] {
        let refused = run(&[&arguments(from, token, &copy), more].concat());
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(text(&refused.stderr).contains(part), "{part}: {refused:?}");
    }
    assert!(!copy.exists());
}

#[test]
fn a_standby_waits_for_its_central_and_tells_the_service_manager_when_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let token = token(&data, "reserve", "standby");
    let manager = Manager::in_folder(folder.path());
    let http = free_address();
    let from = format!("http://{http}");
    let mut standby = manager.start_standby(&arguments(&from, &token, &copy));
    assert_eq!(manager.told(), OPENS);
    standby.wait_for("action: follow | result: fail");
    assert_eq!(manager.told(), format!("STATUS=can't follow {from}: the log says why\n"));
    let site = Site::start(&data, "127.0.0.1:0", &http, &["--agencies", "2"]);
    until("it is ready", || manager.told().starts_with("READY=1\n").then_some(()));
    site.central.process.kill();
    // Whatever answers now is no central.
    let listener = TcpListener::bind(&http).unwrap();
    drop(listener.accept().unwrap());
    standby.signal(Signal::TERM);
    until("it stops", || (manager.told() == "STOPPING=1\nSTATUS=shuts down\n").then_some(()));
    assert_eq!(standby.ended().code, Some(0));
    assert_eq!(end_of(&data), end_of(&copy));
}

/// A proxy with TLS in front of a central.
fn encrypted(pki: &Path, central: &str) -> String {
    let certificate = CertificateDer::pem_file_iter(pki.join("central.crt")).unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.join("central.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificate.map(Result::unwrap).collect(), key);
    let config = Arc::new(config.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let central = central.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut client = StreamOwned::new(connection, stream.unwrap());
            let central = central.clone();
            thread::spawn(move || {
                let mut question = Vec::new();
                let mut byte = [0];
                while !question.ends_with(b"\r\n\r\n") {
                    // Who does not trust the certificate leaves.
                    let Ok(1) = client.read(&mut byte) else { return };
                    question.push(byte[0]);
                }
                let mut central = TcpStream::connect(central).unwrap();
                central.write_all(&question).unwrap();
                let mut part = [0; 4096];
                while let Ok(len @ 1..) = central.read(&mut part) {
                    if client.write_all(&part[..len]).and_then(|()| client.flush()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn over_tls_the_central_is_known_by_its_authority_and_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (data, copy) = (folder.path().join("data"), folder.path().join("copy"));
    let token = token(&data, "reserve", "standby");
    let issued = |name: &str, host: &str| {
        let folder = folder.path().join(name);
        run_well(&["pki", "--dir", str(&folder), "init"]);
        run_well(&["pki", "--dir", str(&folder), "central", host]);
        folder
    };
    let (own, other) = (issued("own", "127.0.0.1"), issued("other", "127.0.0.2"));
    let site = Site::start(&data, "127.0.0.1:0", "127.0.0.1:0", &["--agencies", "2"]);
    let follow = |from: &str, ca: &Path| {
        let ca = ca.join("ca.crt");
        Process::start(&[&arguments(from, &token, &copy)[..], &["--ca", str(&ca)]].concat())
    };
    let address = encrypted(&own, &site.http);
    for (address, ca) in [(&address, &other), (&encrypted(&other, &site.http), &other)] {
        let mut standby = follow(address, ca);
        let line = standby.wait_for("action: follow | result: fail");
        assert!(line.contains("invalid peer certificate"), "{line}");
        assert_eq!(standby.terminate().code, Some(0));
        assert!(!copy.exists());
    }
    let mut standby = follow(&address, &own);
    standby.wait_for(CAUGHT_UP);
    standby.wait_for("action: follow_operators | result: success");
    assert_eq!(standby.terminate().code, Some(0));
    assert_eq!(site.central.process.terminate().code, Some(0));
    assert_eq!(end_of(&data), end_of(&copy));
}
