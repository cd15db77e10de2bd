//! Backups in a bucket, by real processes and a real server of the protocol of S3: moto, which
//! `cargo xtask objects` installs and names in the variable MOTO_PYTHON.

#![allow(clippy::unwrap_used, reason = "a test that can't go on should fail")]

mod server;
#[path = "../support/mod.rs"]
mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use server::proxy::{Holding, Proxy};
use server::{KEYS, Server, anywhere};
use support::raw::{Raw, ack, bets, finish};
use support::{
    Central, Process, anchor, bolillero, drawn, exported, output_of, refused, run_well, str, text,
};

/// A ledger and a bucket for it.
struct Place {
    folder: tempfile::TempDir,
    data: PathBuf,
    bucket: String,
    /// Where the program finds the store.
    endpoint: String,
}

impl Place {
    fn new(bucket: &str) -> Self {
        let server = anywhere();
        server.put(&format!("/{bucket}"), b"");
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let endpoint = format!("http://{}", server.address);
        Self { folder, data, bucket: bucket.to_owned(), endpoint }
    }

    fn with_draws(bucket: &str, draws: &[&str]) -> Self {
        let place = Self::new(bucket);
        draws.iter().for_each(|draw| place.add_draw(draw));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("s3://{}/lottery/ana", self.bucket)
    }

    /// The path of a piece on the server.
    fn object(&self, number: u32) -> String {
        format!("/{}/lottery/ana/piece-{number:08}.bolb", self.bucket)
    }

    fn add_draw(&self, name: &str) {
        let central = start(&self.data, name);
        let mut agency = Raw::connect(&central.address);
        agency.send(&bets(1, 0, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(0));
        agency.send(&finish(1)).expect(&finish(1));
        assert_eq!(central.process.terminate().code, Some(0));
    }

    fn run(&self, args: &[&str]) -> Output {
        run_with(&at(&self.endpoint), args)
    }

    fn run_well(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn back_up(&self) -> String {
        self.run_well(&["backup", "--data", str(&self.data), "--to", &self.url()])
    }

    fn start_backup(&self, endpoint: &str) -> Process {
        let (data, to) = (str(&self.data), self.url());
        Process::start_with(&at(endpoint), &["backup", "--data", data, "--to", &to])
    }
}

/// Returns the variables for the store at a URL.
fn at(endpoint: &str) -> Vec<(&str, &str)> {
    [&KEYS[..], &[("AWS_ENDPOINT_URL", endpoint)]].concat()
}

fn run_with(environment: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command: Command = bolillero();
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    let output = output_of(command.args(args).envs(environment.iter().copied()));
    let message = text(&output.stderr);
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    assert!(!message.contains(KEYS[1].1), "a secret is shown: {message}");
    output
}

fn start(data: &Path, draw: &str) -> Central {
    let more = ["--agencies", "1", "--winning-number", "7", "--draw", draw];
    Central::start(data, "127.0.0.1:0", &more)
}

#[test]
fn runs_beside_a_central_add_pieces_and_everything_reads_them() {
    let place = Place::new("beside");
    let central = start(&place.data, "first");
    let mut agency = Raw::connect(&central.address);
    for chunk in 0..3 {
        agency.send(&bets(1, chunk, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(chunk));
        let printed = place.back_up();
        assert!(printed.contains("with 1 bet in 1 piece\n"), "{printed}");
    }
    agency.send(&finish(1)).expect(&finish(1));
    assert_eq!(central.process.terminate().code, Some(0));
    place.add_draw("second");
    let printed = place.back_up();
    let (url, data) = (place.url(), str(&place.data));
    let checked = run_well(&["check", "--data", data]);
    assert_eq!(anchor(&printed), anchor(&checked));
    let printed = place.back_up();
    assert!(printed.starts_with("nothing is new\n"), "{printed}");
    assert_eq!(anchor(&printed), anchor(&checked));
    // What is beside and below it belongs to others.
    let server = anywhere();
    server.put("/beside/lottery/ana/below/piece-00000001.bolb", b"another");
    server.put("/beside/lottery/ana/notes.txt", b"notes");
    server.put("/beside/lottery/ana2/piece-00000001.bolb", b"another");

    for command in [
        &["winners", "--draw", "second", "--format", "csv"][..],
        &["export", "--draw", "first"],
        &["audit"],
    ] {
        let expected = run_well(&[command, &["--data", data]].concat());
        assert_eq!(place.run_well(&[command, &["--backup", &url]].concat()), expected);
        assert!(expected.lines().count() > 1);
    }
    assert_eq!(anchor(&place.run_well(&["check", "--backup", &url])), anchor(&checked));

    let restored = place.path("restored");
    let restore = ["restore", "--from", &url, "--data", str(&restored)];
    let printed = place.run_well(&[&restore[..], &["--until", "first"]].concat());
    assert!(printed.contains("; 1 later draw\n"), "{printed}");
    assert_eq!(anchor(&place.run_well(&restore)), anchor(&checked));
    run_well(&["check", "--data", str(&restored)]);
    // It is the same history, which the bucket goes on with.
    let restored = Place { data: restored, ..place };
    restored.add_draw("third");
    assert!(restored.back_up().contains("in 1 piece\n"));
    server.get(&restored.object(5));
}

#[test]
fn pieces_that_are_copied_between_a_folder_and_a_bucket_are_read_and_continued() {
    let place = Place::with_draws("copied", &["first"]);
    let folder = place.path("backup");
    run_well(&["backup", "--data", str(&place.data), "--to", str(&folder)]);
    let name = |number: u32| {
        let files = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name());
        let mut names = files.map(|name| name.into_string().unwrap());
        names.find(|name| name.starts_with(&format!("piece-{number:08}-"))).unwrap()
    };
    let piece = std::fs::read(folder.join(name(1))).unwrap();
    let server = anywhere();
    server.put(&format!("/copied/lottery/ana/{}", name(1)), &piece);
    place.add_draw("second");
    place.back_up();
    let expected = anchor(&run_well(&["check", "--data", str(&place.data)]));
    assert_eq!(anchor(&place.run_well(&["check", "--backup", &place.url()])), expected);

    std::fs::write(folder.join("piece-00000002.bolb"), server.get(&place.object(2))).unwrap();
    assert_eq!(anchor(&run_well(&["check", "--backup", str(&folder)])), expected);
    place.add_draw("third");
    run_well(&["backup", "--data", str(&place.data), "--to", str(&folder)]);
    assert!(folder.join(name(3)).exists());
}

#[test]
fn a_backup_that_is_killed_leaves_whole_pieces_and_goes_on_when_it_is_run_again() {
    let place = Place::new("killed");
    drawn(place.folder.path(), 20_000);
    let server = anywhere();
    let whole = Proxy::to(&server.address, Holding::Nothing);
    assert_eq!(place.start_backup(&whole.url()).ended().code, Some(0));
    let expected = anchor(&run_well(&["check", "--data", str(&place.data)]));
    let piece = server.get(&place.object(1));
    let total = whole.bytes();
    assert!(total > 2 * piece.len() as u64, "stored, and read back");

    let mut stored = Vec::new();
    for part in 0..12 {
        server.delete(&place.object(1));
        let proxy = Proxy::to(&server.address, Holding::After(total * part / 12));
        let running = place.start_backup(&proxy.url());
        proxy.held();
        running.kill();
        drop(proxy);
        let checked = place.run(&["check", "--backup", &place.url()]);
        stored.push(checked.status.success());
        match checked.status.success() {
            true => assert_eq!(anchor(&text(&checked.stdout)), expected),
            false => refused(&checked, 2, &["there are no pieces of a backup there"]),
        }
        assert_eq!(anchor(&place.back_up()), expected);
        assert!(server.get(&place.object(1)) == piece);
    }
    // It was killed before the piece was there, and after that.
    assert!(!stored[0] && stored[11], "{stored:?}");
    let restored = place.path("restored");
    place.run_well(&["restore", "--from", &place.url(), "--data", str(&restored)]);
    assert_eq!(exported(&restored), exported(&place.data));
}

#[test]
fn of_two_runs_at_once_one_stores_the_piece_and_the_other_is_told() {
    let place = Place::new("twice");
    let central = start(&place.data, "first");
    let mut agency = Raw::connect(&central.address);
    agency.send(&bets(1, 0, &["Ana|Paz|1|2000-01-01|7"])).expect(&ack(0));
    let server = anywhere();
    let proxy = Proxy::to(&server.address, Holding::Requests("PUT /twice/"));
    let slow = place.start_backup(&proxy.url());
    proxy.held();
    agency.send(&bets(1, 1, &["Ana|Paz|2|2000-01-01|7"])).expect(&ack(1));
    let expected = anchor(&place.back_up());
    proxy.release();
    let ended = slow.ended();
    assert_eq!(ended.code, Some(1), "{:?}", ended.log);
    let why = "another backup to it was faster: piece-00000001.bolb is there already";
    assert!(ended.log.iter().any(|line| line.contains(why)), "{:?}", ended.log);
    assert_eq!(anchor(&place.run_well(&["check", "--backup", &place.url()])), expected);

    // With the same records, both are done.
    agency.send(&bets(1, 2, &["Ana|Paz|3|2000-01-01|7"])).expect(&ack(2));
    let proxy = Proxy::to(&server.address, Holding::Requests("PUT /twice/"));
    let slow = place.start_backup(&proxy.url());
    proxy.held();
    let expected = anchor(&place.back_up());
    proxy.release();
    let ended = slow.ended();
    assert_eq!(ended.code, Some(0), "{:?}", ended.log);
    assert_eq!(anchor(&ended.stdout), expected);
    assert_eq!(anchor(&place.run_well(&["check", "--backup", &place.url()])), expected);
}

#[test]
fn a_piece_that_is_damaged_cut_or_missing_is_refused_and_named() {
    let place = Place::new("damaged");
    for draw in ["first", "second", "third"] {
        place.add_draw(draw);
        place.back_up();
    }
    let server = anywhere();
    let (url, second) = (place.url(), place.object(2));
    let sound = server.get(&second);
    let mut flipped = sound.clone();
    flipped[170] ^= 4;
    let restored = place.path("restored");
    for (bytes, why) in [
        (&flipped[..], "does not continue the chain of those before it"),
        (&sound[..sound.len() - 1], "it is cut off after its records"),
        (&sound[..300], "it is cut off in or before record "),
        (b"", "it is cut off in its header"),
    ] {
        server.put(&second, bytes);
        for command in [
            &["check", "--backup", &url][..],
            &["restore", "--data", str(&restored), "--from", &url],
        ] {
            refused(&place.run(command), 1, &[&url, "piece-00000002.bolb", why]);
        }
    }
    server.delete(&second);
    let missing = "piece 00000002 is missing, before piece-00000003.bolb";
    let back_up = ["backup", "--data", str(&place.data), "--to", &url];
    for command in [&["check", "--backup", &url][..], &back_up] {
        refused(&place.run(command), 1, &[&url, missing, "another copy of the backup"]);
    }
    // It is taken away after it was listed.
    server.put(&second, &sound);
    let proxy =
        Proxy::to(&server.address, Holding::Requests("GET /damaged/lottery/ana/piece-00000002"));
    let endpoint = proxy.url();
    let checking = Process::start_with(&at(&endpoint), &["check", "--backup", &url]);
    proxy.held();
    server.delete(&second);
    proxy.release();
    let ended = checking.ended();
    let why = "piece-00000002.bolb: it is missing; put it back from another copy of the backup";
    assert!(
        ended.code == Some(1) && ended.log.iter().any(|line| line.contains(why)),
        "{:?}",
        ended.log
    );
    server.put(&second, &sound);
    let printed = place.run_well(&["restore", "--data", str(&restored), "--from", &url]);
    assert_eq!(anchor(&printed), anchor(&run_well(&["check", "--data", str(&place.data)])));
    // The last piece is what a backup continues.
    server.put(&place.object(3), b"BOLIRECS");
    refused(&place.run(&back_up), 1, &["piece-00000003.bolb", "it is cut off in its header"]);
}

#[test]
fn an_answer_that_breaks_off_is_asked_for_again() {
    let place = Place::new("broken");
    drawn(place.folder.path(), 5_000);
    let expected = anchor(&place.back_up());
    let len = anywhere().get(&place.object(1)).len();
    let proxy = Proxy::to(&anywhere().address, Holding::Nothing);
    proxy.break_off_after(len / 2);
    let output = run_with(&at(&proxy.url()), &["check", "--backup", &place.url()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(anchor(&text(&output.stdout)), expected);
    assert!(proxy.has_broken_off());
}

#[test]
fn what_is_wrong_with_an_address_or_the_environment_is_told_at_once() {
    let place = Place::with_draws("wrong", &["first"]);
    let run = |environment: &[(&str, &str)], to: &str| {
        run_with(environment, &["backup", "--data", str(&place.data), "--to", to])
    };
    let here = at(&place.endpoint);
    refused(
        &run(&here, "s3://nowhere/x"),
        2,
        &["backup s3://nowhere/x: ", "has no bucket nowhere; make it, or check the address"],
    );
    refused(&place.run(&["check", "--backup", "s3://nowhere/x"]), 2, &["has no bucket nowhere"]);
    refused(
        &place.run(&["check", "--backup", "s3://wrong/x"]),
        2,
        &["there are no pieces of a backup there"],
    );
    refused(&run(&here, "s3://"), 2, &["it has no bucket: give s3://BUCKET/PREFIX"]);
    refused(&run(&here, "s3://wrong/a//b"), 2, &["s3://wrong/a//b: "]);
    refused(
        &run(&here, "gs://wrong/x"),
        2,
        &["gs://wrong/x is neither a path nor s3://BUCKET/PREFIX"],
    );
    refused(&run(&[], "s3://wrong/x"), 2, &["set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"]);
    for (endpoint, why) in [
        ("http://10.0.0.7:9000", "http://10.0.0.7:9000 is another host, and a backup has numbers"),
        ("http://localhost.example", "is another host"),
        ("https://ana:secret@store.example", "AWS_ENDPOINT_URL has a user"),
        ("ftp://127.0.0.1", "AWS_ENDPOINT_URL is no URL such as https://"),
        ("127.0.0.1:9000", "AWS_ENDPOINT_URL is no URL such as https://"),
        ("https://10.0.0.999", "AWS_ENDPOINT_URL is no URL such as https://"),
        ("", "AWS_ENDPOINT_URL is no URL such as https://"),
    ] {
        refused(&run(&at(endpoint), "s3://wrong/x"), 2, &[why]);
    }
    let why = "the name of a bucket has letters, digits, '.', '-' and '_' only";
    refused(&run(&here, "s3://wrong?/x"), 2, &[why]);
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION"] {
        let broken = [&here[..], &[(variable, "with a line's end\n")]].concat();
        refused(&run(&broken, "s3://wrong/x"), 2, &[variable, "a line's end"]);
    }
    // What is not encrypted goes to no proxy.
    let proxied = [&here[..], &[("HTTP_PROXY", "http://127.0.0.1:1")]].concat();
    assert!(run(&proxied, "s3://wrong/proxied").status.success());
    let forced = ["backup", "--force", "--data", str(&place.data), "--to", "s3://wrong/x"];
    refused(&place.run(&forced), 2, &["--force is for a file"]);
}

#[test]
fn a_store_that_denies_is_away_or_says_nothing_is_named() {
    let place = Place::with_draws("denied", &["first"]);
    let back_up = ["backup", "--data", str(&place.data), "--to", "s3://denied/x"];
    let run = |endpoint: &str| run_with(&at(endpoint), &back_up);
    // It allows one request to anybody.
    let strict = Server::start(&[], &[("INITIAL_NO_AUTH_ACTION_COUNT", "1")]);
    strict.put("/denied", b"");
    let endpoint = format!("http://{}", strict.address);
    let why = "refuses it: InvalidAccessKeyId; check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY";
    refused(&run(&endpoint), 2, &[&format!("{endpoint} {why}")]);

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let why = format!("can't reach http://{nobody}: ");
    refused(
        &run(&format!("http://{nobody}")),
        1,
        &["backup s3://denied/x: ", &why, "check AWS_ENDPOINT_URL"],
    );

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let why = format!("http://{address} has not answered for 30 s; check that the store is up");
    refused(&run(&format!("http://{address}")), 1, &[&why]);
}

#[test]
fn a_store_over_tls_is_one_that_the_system_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.distinguished_name.push(DnType::CommonName, "an authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(path("ca.crt"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certified = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    std::fs::write(path("server.crt"), certified.pem()).unwrap();
    std::fs::write(path("server.key"), key.serialize_pem()).unwrap();
    let (crt, key) = (path("server.crt"), path("server.key"));
    let server = Server::start(&["-s", "-c", str(&crt), "-k", str(&key)], &[]);
    let port = server.address.rsplit(':').next().unwrap();

    let place = Place::with_draws("tls", &["first"]);
    let endpoint = format!("https://localhost:{port}");
    let authority = path("ca.crt");
    let trusting = [("SSL_CERT_FILE", str(&authority))];
    let back_up = ["backup", "--data", str(&place.data), "--to", "s3://tls/x"];
    // The bucket is not there: it was asked.
    refused(
        &run_with(&[&at(&endpoint)[..], &trusting].concat(), &back_up),
        2,
        &["has no bucket tls"],
    );
    let others = run_with(&at(&endpoint), &back_up);
    refused(&others, 1, &[&format!("can't reach {endpoint}: "), "UnknownIssuer"]);
    // As in an image that has none.
    let (none, nowhere) = (path("none.crt"), path("nowhere"));
    std::fs::write(&none, "").unwrap();
    std::fs::create_dir(&nowhere).unwrap();
    let empty = [("SSL_CERT_FILE", str(&none)), ("SSL_CERT_DIR", str(&nowhere))];
    let none = run_with(&[&at(&endpoint)[..], &empty].concat(), &back_up);
    refused(&none, 2, &["No CA certificates were loaded from the system", "SSL_CERT_FILE"]);
}
