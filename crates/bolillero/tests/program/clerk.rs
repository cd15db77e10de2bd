//! Messages of `agency` to the person who runs it: progress, unfinished work, and unexpected files
//! or addresses.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::support::http::{Http, add_operator};
use crate::support::raw::{Raw, finish};
use crate::support::{Bets, Central, agency, bolillero, exported, free_address, str, text};
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;

const ROW: &str = "Ana,Paz,1,2000-01-01,7574\n";

fn last(log: &[String]) -> &str {
    log.last().unwrap()
}

#[test]
fn winners_among_the_stored_bets_are_printed_after_a_draw_without_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 4_000);
    let central = Central::start(
        &folder.path().join("data"),
        "127.0.0.1:0",
        &["--agencies", "1", "--winning-number", &bets.winning_number],
    );
    let slowly = ["--batch-max-bets", "4", "--window", "1"];
    let mut killed = agency(1, &central.address, bets.file(1), &slowly);
    killed.wait_for_many("apuesta_enviada | result: success", 20);
    killed.kill();
    Raw::connect(&central.address).send(&finish(1)).expect(&finish(1));
    let file = std::fs::read_to_string(bets.file(1)).unwrap();
    for more in [&[][..], &["--legacy"]] {
        let again = agency(1, &central.address, bets.file(1), &[&slowly[..], more].concat());
        let ended = again.ended();
        assert_eq!(ended.code, Some(1), "{:#?}", ended.log);
        let message = last(&ended.log);
        assert!(message.contains("not all bets of the file take part"), "{message}");
        let stored = message.split("lines 1 to ").nth(1).unwrap();
        let stored: usize = stored.split(' ').next().unwrap().parse().unwrap();
        assert!(stored >= 80 && stored < file.lines().count(), "{message}");
        assert!(message.contains(&format!("and lines {} to ", stored + 1)), "{message}");
        let winning = format!(",{}", bets.winning_number);
        let winners = file.lines().take(stored).filter(|line| line.ends_with(&winning));
        let winners: Vec<_> = winners.map(|line| line.split(',').nth(2).unwrap()).collect();
        assert!(!winners.is_empty());
        assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), winners);
    }
    // The batches are cut differently, but the winners are those of the stored bets.
    let other = agency(1, &central.address, bets.file(1), &["--batch-max-bets", "7"]).ended();
    assert_eq!((other.code, other.stdout.is_empty()), (Some(1), false), "{:#?}", other.log);
}

#[test]
fn an_agency_that_is_stopped_says_what_is_left_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let bets = Bets::generated(folder.path(), 3_000);
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "5"]);
    let slowly = ["--batch-max-bets", "4", "--window", "1"];
    let mut sending = agency(1, &central.address, bets.file(1), &slowly);
    sending.wait_for_many("apuesta_enviada | result: success", 3);
    let ended = sending.terminate();
    let of_all = format!(" of {}; run it again", bets.lines[&1].len());
    assert_eq!(ended.code, Some(1));
    assert!(last(&ended.log).contains(&of_all), "{:#?}", ended.log);
    let mut waiting = agency(2, &central.address, bets.file(2), &[]);
    waiting.wait_for("apuesta_enviada | result: success");
    drop(central);
    waiting.wait_for("connect | result: fail");
    let ended = waiting.terminate();
    assert_eq!(ended.code, Some(1));
    assert!(last(&ended.log).contains("run it again with the same file"), "{:#?}", ended.log);
}

#[test]
fn a_terminal_shows_all_bets_and_that_the_draw_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, ROW.repeat(290 * 4)).unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
    // No process that another test starts meanwhile inherits the terminal.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let theirs = open(&*name, flags, Mode::empty()).unwrap();
    let mut command = bolillero();
    command.args(["agency", "--id", "1", "--central", &central.address, "--bets", str(&bets)]);
    command.args(["--batch-max-bets", "4"]).env("TERM", "xterm");
    command.stdout(Stdio::null()).stderr(File::from(theirs));
    let mut child = command.spawn().unwrap();
    // The child then holds the only copy of that end: once it has ended, reading fails.
    drop(command);
    let (mut terminal, mut shown) = (File::from(ours), String::new());
    let mut finished = false;
    let mut piece = [0; 4096];
    while let Ok(len @ 1..) = terminal.read(&mut piece) {
        shown.push_str(&String::from_utf8_lossy(&piece[..len]));
        // The next second of waiting is shown too.
        if !finished && shown.contains("waiting for the draw, 2s") {
            finished = true;
            Raw::connect(&central.address).send(&finish(2)).expect(&finish(2));
        }
    }
    assert!(child.wait().unwrap().success());
    let waiting: Vec<_> = shown.split('\r').filter(|it| it.contains("waiting for")).collect();
    assert!(waiting.iter().any(|it| it.contains("1160/1160 bets")), "{waiting:#?}");
    assert!(!waiting.last().unwrap().contains("left"), "{waiting:#?}");
}

#[test]
fn a_server_that_is_not_a_central_for_agencies_is_reported_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, ROW).unwrap();
    let data = folder.path().join("data");
    let more = ["--agencies", "1", "--http", "127.0.0.1:0"];
    let mut central = Central::start(&data, "127.0.0.1:0", &more);
    let http = Http::of(&mut central);
    let nobody = free_address();
    let in_vain = ["--connect-time-max", "300ms"];
    let cases: [(&str, &[&str], &str); 3] = [
        (&http.address, &[], "serves HTTP"),
        (&nobody, &in_vain, "nothing listens on this port"),
        ("central.invalid:12345", &in_vain, "can't resolve the host name"),
    ];
    for (address, more, expected) in cases {
        for mode in [&[][..], &["--legacy"]] {
            let ended = agency(1, address, &bets, &[more, mode].concat()).ended();
            assert_eq!(ended.code, Some(1), "{:#?}", ended.log);
            let error = last(&ended.log);
            assert!(error.contains(expected) && error.contains(address), "{error}");
            // The first failure was logged already.
            assert!(ended.log[0].contains(expected), "{:#?}", ended.log);
        }
    }
}

#[test]
fn the_client_waits_for_an_announced_draw_and_asks_for_a_name_among_several() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, ROW).unwrap();
    let data = folder.path().join("data");
    add_operator(&data, "ana", "operator");
    let mut central = Central::start(&data, "127.0.0.1:0", &["--http", "127.0.0.1:0"]);
    let ana = Http::of(&mut central).log_in("ana");
    let ask = |path: &str, body: serde_json::Value| {
        let answer = ana.ask("POST", &format!("/api/v1/{path}"), &body.to_string());
        assert!(answer.status < 300, "{answer:?}");
    };
    let agencies = json!([{ "first": 1, "last": 1 }]);
    let opens_at = "2199-11-30T08:00:00Z";
    ask("draws", json!({ "name": "lunes", "agencies": agencies, "opens_at": opens_at }));
    let lunes = ["--draw", "lunes"];
    let early = agency(1, &central.address, &bets, &lunes).ended();
    assert_eq!(early.code, Some(1));
    let message = last(&early.log);
    assert!(message.contains("lunes") && message.contains("2199-11-30"), "{message}");
    assert!(message.contains("use --wait to wait"), "{message}");

    let mut waiting = agency(1, &central.address, &bets, &["--draw", "lunes", "--wait"]);
    waiting.wait_for("wait_for_opening | result: in_progress");
    ask("draws/1/open", json!({}));
    waiting.wait_for("apuesta_enviada | result: success");
    assert_eq!(waiting.terminate().code, Some(1));

    ask("draws", json!({ "name": "martes", "agencies": agencies }));
    ask("draws/2/open", json!({}));
    let unnamed = agency(1, &central.address, &bets, &[]).ended();
    assert_eq!(unnamed.code, Some(1));
    let message = last(&unnamed.log);
    for part in ["lunes", "martes", "--draw"] {
        assert!(message.contains(part), "'{part}': {message}");
    }
}

#[test]
fn a_spreadsheets_file_is_recognized_and_can_be_sent() {
    let folder = tempfile::tempdir().unwrap();
    let sheet = "Nombre;Apellido;Documento;Nacimiento;Número\r\n\
                 José;Ñandú;1;2000-01-01;7574\r\n\"Paz; la\";O'Connor;2;2000-01-02;22\r\n";
    let bytes: Vec<_> = sheet.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let file = folder.path().join("sheet.csv");
    std::fs::write(&file, bytes).unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    let refused = agency(1, &central.address, &file, &[]).ended();
    assert_eq!(refused.code, Some(2));
    let message = last(&refused.log);
    let remedies = ["--encoding windows-1252", "--delimiter ';'", "--header"];
    assert!(remedies.iter().all(|remedy| message.contains(remedy)), "{message}");
    let more = ["--encoding", "windows-1252", "--delimiter", ";", "--header"];
    let sent = agency(1, &central.address, &file, &more).ended();
    assert_eq!((sent.code, sent.stdout.as_str()), (Some(0), "1\n"), "{:#?}", sent.log);
    // The same bets in another file: nothing is sent twice.
    let plain = folder.path().join("plain.csv");
    std::fs::write(&plain, "José,Ñandú,1,2000-01-01,7574\nPaz; la,O'Connor,2,2000-01-02,22\n")
        .unwrap();
    let again = agency(1, &central.address, &plain, &[]).ended();
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "1\n"), "{:#?}", again.log);
    assert_eq!(central.process.terminate().code, Some(0));
    let stored = ["José,Ñandú,1,2000-01-01,7574", "Paz; la,O'Connor,2,2000-01-02,22"];
    assert_eq!(exported(&data)[&1], stored);
}

#[test]
fn a_file_without_bets_does_not_finish_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    let file = folder.path().join("bets.csv");
    let run = |content: &str, more: &[&str]| {
        std::fs::write(&file, content).unwrap();
        agency(1, &central.address, &file, more).ended()
    };
    for (content, more) in [
        ("", &[][..]),
        ("", &["--legacy"]),
        ("Ana;Paz;1;2000-01-01;7574\n", &["--skip-invalid"]),
        ("nombre,apellido,documento,nacimiento,numero\n", &["--header"]),
        (ROW, &["--header"]),
    ] {
        let ended = run(content, more);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{:#?}", ended.log);
    }
    let ended = run(ROW, &[]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), "1\n"), "{:#?}", ended.log);

    let data = folder.path().join("other");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    std::fs::write(&file, "").unwrap();
    let ended = agency(1, &central.address, &file, &["--allow-empty"]).ended();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), ""), "{:#?}", ended.log);
}

#[test]
fn there_is_no_agency_zero() {
    let mut command = bolillero();
    command.args(["agency", "--id", "0", "--central", "127.0.0.1:1", "--bets", "Cargo.toml"]);
    let output = command.output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    assert!(message.contains("agencies are numbered from 1"), "{message}");
}

#[test]
fn rejected_rows_are_written_to_a_private_file_for_a_spreadsheet() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1"]);
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, "Ana;Paz;1;2000-02-30;7574\n=A1;Paz\nEva;Paz;2;2000-01-01;22\n").unwrap();
    let rejected = folder.path().join("rejected.csv");
    let more = ["--delimiter", ";", "--rejected", str(&rejected)];
    let spanish = [&more[..], &["--lang", "es"]].concat();
    let refused = agency(1, &central.address, &bets, &spanish).ended();
    assert_eq!(refused.code, Some(2), "{:#?}", refused.log);
    let bets_text = str(&bets);
    let date = "la fecha de nacimiento debe ser una fecha real escrita AAAA-MM-DD";
    let fields = "una apuesta tiene cinco campos (nombre, apellido, documento, fecha de \
                  nacimiento, número), no 2";
    let expected = format!(
        "\u{feff}archivo;línea;motivo;nombre;apellido;documento;fecha de nacimiento;número\n\
         {bets_text};1;{date};Ana;Paz;1;2000-02-30;7574\n{bets_text};2;{fields};'=A1;Paz\n"
    );
    assert_eq!(std::fs::read_to_string(&rejected).unwrap(), expected);
    let mode = std::fs::metadata(&rejected).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = format!("{bets_text}:1: {date}");
    assert!(refused.log.contains(&listed), "{:#?}", refused.log);
    let remedy = "the file of --rejected has them";
    assert!(refused.log.iter().any(|line| line.contains(remedy)), "{:#?}", refused.log);
    // What is there is kept, and nothing is sent.
    let kept = agency(1, &central.address, &bets, &[&more[..], &["--skip-invalid"]].concat());
    let kept = kept.ended();
    assert_eq!(kept.code, Some(2));
    assert!(last(&kept.log).contains("--force overwrites it"), "{:#?}", kept.log);
    let skipped = [&more[..], &["--skip-invalid", "--force"]].concat();
    let sent = agency(1, &central.address, &bets, &skipped).ended();
    assert_eq!(sent.code, Some(0), "{:#?}", sent.log);
    let written = std::fs::read_to_string(&rejected).unwrap();
    assert!(written.contains("file;line;reason") && written.lines().count() == 3, "{written}");
}

#[test]
fn winners_are_printed_even_if_the_file_of_bets_changed_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "2"]);
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, format!("{ROW}x\n")).unwrap();
    let rejected = folder.path().join("rejected.csv");
    let more = ["--skip-invalid", "--format", "csv", "--rejected", str(&rejected)];
    let mut waiting = agency(1, &central.address, &bets, &more);
    waiting.wait_for("apuesta_enviada | result: success");
    std::fs::write(&bets, "").unwrap();
    Raw::connect(&central.address).send(&finish(2)).expect(&finish(2));
    let ended = waiting.ended();
    let printed = "first_name,last_name,document,birthdate,number\n,,1,,\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), printed), "{:#?}", ended.log);
    assert!(last(&ended.log).contains("can't write the rejected rows"), "{:#?}", ended.log);
    assert!(!rejected.exists());
}

#[test]
fn a_failed_file_of_rejected_rows_is_told_after_the_error_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, "x\n").unwrap();
    let full = ["--rejected", "/dev/full"];
    let ended = agency(1, "127.0.0.1:1", &bets, &full).ended();
    assert_eq!(ended.code, Some(2), "{:#?}", ended.log);
    let message = ended.log.iter().rfind(|line| line.starts_with("error: ")).unwrap();
    assert!(!message.starts_with("error: can't write"), "{message}");
    assert!(ended.log.concat().contains("; can't write the rejected rows"), "{:#?}", ended.log);
}

#[test]
fn the_file_of_bets_is_not_overwritten_by_its_rejected_rows() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, "x\n").unwrap();
    let ended = agency(1, "127.0.0.1:1", &bets, &["--rejected", str(&bets), "--force"]).ended();
    assert_eq!(ended.code, Some(2), "{:#?}", ended.log);
    assert!(last(&ended.log).contains("is the file of bets"), "{:#?}", ended.log);
    assert_eq!(std::fs::read_to_string(&bets).unwrap(), "x\n");
}

#[test]
fn winners_are_printed_as_bets_and_their_absence_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let bets = folder.path().join("bets.csv");
    std::fs::write(&bets, format!("{ROW}Eva,=1+1,2,2000-01-02,7574\nEva,Sol,2,2000-01-02,5\n"))
        .unwrap();
    let of = |number: &str, more: &[&str]| {
        let data = folder.path().join(number);
        let options = ["--agencies", "1", "--winning-number", number];
        let central = Central::start(&data, "127.0.0.1:0", &options);
        let ended = agency(1, &central.address, &bets, more).ended();
        assert_eq!(ended.code, Some(0), "{:#?}", ended.log);
        (ended.stdout, ended.log)
    };
    let header = "first_name,last_name,document,birthdate,number\n";
    let (printed, log) = of("7574", &["--format", "csv"]);
    let rows = "Ana,Paz,1,2000-01-01,7574\nEva,'=1+1,2,2000-01-02,7574\n";
    assert_eq!(printed, format!("{header}{rows}"));
    assert_eq!(last(&log), "Bets in the draw: 3. Winners: 2.");
    let (printed, log) = of("8", &["--lang", "es"]);
    assert_eq!((printed.as_str(), last(&log)), ("", "Apuestas en el sorteo: 3. Sin ganadores."));
    let (_, log) = of("9", &["--quiet"]);
    assert!(!log.iter().any(|line| line.contains("No winners")), "{log:#?}");
}

#[test]
fn the_locale_chooses_the_language_of_messages() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.csv");
    let first_line = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = bolillero();
        command.args(["agency", "--id", "1", "--central", "127.0.0.1:1", "--bets", str(&missing)]);
        let output = command.args(more).envs(variables.iter().copied()).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        text(&output.stderr)
    };
    let spanish = format!("error: no se puede abrir '{}': no existe\n", missing.display());
    for variables in [
        &[("LANG", "es_AR.UTF-8")][..],
        &[("LC_MESSAGES", "es_AR.UTF-8"), ("LANG", "en_US.UTF-8")],
        &[("LC_ALL", "es"), ("LC_MESSAGES", "en_US.UTF-8")],
        &[("LC_ALL", ""), ("LANG", "es")],
    ] {
        assert_eq!(first_line(variables, &[]), spanish, "{variables:?}");
    }
    assert_eq!(first_line(&[("LC_ALL", "en_US.UTF-8")], &["--lang", "es"]), spanish);
    for variables in [&[][..], &[("LC_ALL", "C"), ("LANG", "es_AR.UTF-8")]] {
        assert!(first_line(variables, &[]).starts_with("error: can't open"), "{variables:?}");
    }
}
