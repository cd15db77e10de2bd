//! Draws whose names were stored before the rule for texts: a central continues with them, and
//! agencies can name them.

use std::path::Path;
use std::sync::Arc;

use crate::support::{Central, agency, exported_draw, run, str, text};
use engine::conformance::{TestClock, wait};
use engine::{Engine, LedgerId};
use ledger::{Ledger, Options};
use lottery::{Agencies, DrawId, DrawName, DrawTerms, NumberRange, SealedNumber};

/// A name with a variation selector, which the rule rejects.
const KEPT: &str = "Lotería ❤\u{fe0f}";

/// Makes a ledger with a draw for one agency, opened before the rule existed.
fn kept_before(data: &Path) {
    std::fs::create_dir(data).unwrap();
    let (name, agencies) = (DrawName::stored(KEPT).unwrap(), Agencies::first(1).unwrap());
    let terms = DrawTerms { name, agencies, numbers: NumberRange::default() };
    let ledger = Ledger::open(data, Options::new(LedgerId([7; 16]))).unwrap();
    let engine = Engine::start(Box::new(ledger), Arc::new(TestClock::default())).unwrap();
    let opened = wait(|done| engine.open_draw(terms, SealedNumber(7574), done));
    assert_eq!(opened, Ok(DrawId(1)));
}

#[test]
fn an_automatic_draw_continues_under_a_name_from_before_the_rule() {
    let folder = tempfile::tempdir().unwrap();
    let (data, bets) = (folder.path().join("data"), folder.path().join("bets.csv"));
    kept_before(&data);
    std::fs::write(&bets, "Ana,Paz,30000001,2000-01-01,7574\n").unwrap();
    // Also typed with the accent as a separate character.
    for typed in [KEPT, &KEPT.replace('í', "i\u{301}")] {
        let central = Central::start(&data, "127.0.0.1:0", &["--agencies", "1", "--draw", typed]);
        let agency = agency(1, &central.address, &bets, &["--draw", typed]).ended();
        assert_eq!(agency.code, Some(0), "{:?}", agency.log);
        assert_eq!(central.process.terminate().code, Some(0));
    }
    assert_eq!(exported_draw(&data, KEPT)[&1].len(), 1);
}

#[test]
fn a_new_draw_gets_no_such_name_automatically_or_from_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    kept_before(&data);
    let serve = |more: &[&str]| {
        let output = run(&[&["serve", "--data", str(&data)], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    for more in [
        &["--listen", "127.0.0.1:0", "--agencies", "1", "--draw", "a\u{fe0f}"][..],
        &["--listen", "127.0.0.1:0=a\u{fe0f}", "--http", "127.0.0.1:0"],
    ] {
        let (code, output) = serve(more);
        assert_eq!(code, Some(2), "{output}");
        assert!(
            output.contains(r"there is no draw 'a\u{fe0f}', and it is not a valid name"),
            "{output}"
        );
        assert!(output.contains("such as U+FE0F: type it instead"), "{output}");
    }
    let bound = format!("127.0.0.1:0={KEPT}");
    let central = Central::start(&data, &bound, &["--http", "127.0.0.1:0"]);
    assert_eq!(central.process.terminate().code, Some(0));
}
