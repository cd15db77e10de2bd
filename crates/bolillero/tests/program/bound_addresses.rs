//! Legacy agencies, which can't name a draw, on addresses that `serve --listen HOST:PORT=DRAW`
//! binds to one draw each.

use crate::support::http::{Http, add_operator};
use crate::support::raw::{Raw, ack, bets};
use crate::support::{Central, exported_draw, free_address};
use serde_json::json;

const ANA: &str = "Ana|Paz|30000001|2000-01-01|7";
const EVA: &str = "Eva|Paz|30000002|2000-01-01|7";

#[test]
fn each_address_is_for_its_draw_and_the_other_for_none_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    add_operator(&data, "ana", "operator");
    let bound = ["--listen", "127.0.0.1:0=matutina", "--listen", "127.0.0.1:0=nocturna de hoy"];
    let more = [&["--http", "127.0.0.1:0"], &bound[..]].concat();
    let mut central = Central::start(&data, &free_address(), &more);
    let address_of = |central: &mut Central, draw: &str| {
        let line = central.process.wait_for(&format!("draw: {draw}"));
        line.split(" | ").nth(2).unwrap().strip_prefix("address: ").unwrap().to_owned()
    };
    let morning = address_of(&mut central, "matutina");
    let evening = address_of(&mut central, "nocturna de hoy");
    let ana = Http::of(&mut central).log_in("ana");
    let ask = |method, path: &str, body| {
        let answer = ana.ask(method, &format!("/api/v1/{path}"), &format!("{body}"));
        assert!(answer.status < 300, "{answer:?}");
    };
    ask("PUT", "agencies/1", json!({ "name": "Agencia 1", "place": "Rosario" }));
    assert_eq!(Raw::connect(&evening).send(&bets(1, 0, &[EVA])).error().code, 10);
    for (draw, name) in [(1, "matutina"), (2, "nocturna de hoy")] {
        ask("POST", "draws", json!({ "name": name, "numbers": { "min": 0, "max": 9999 } }));
        ask("POST", &format!("draws/{draw}/open"), json!({}));
    }
    Raw::connect(&morning).send(&bets(1, 0, &[ANA])).expect(&ack(0));
    Raw::connect(&evening).send(&bets(1, 0, &[EVA])).expect(&ack(0));
    let refused = Raw::connect(&central.address).send(&bets(1, 0, &[ANA])).error();
    assert_eq!(refused.code, 10);
    assert!(refused.reason.contains("\"nocturna de hoy\" (open)"), "{}", refused.reason);
    assert_eq!(central.process.terminate().code, Some(0));
    for (draw, who) in [("matutina", "Ana"), ("nocturna de hoy", "Eva")] {
        let stored = &exported_draw(&data, draw)[&1];
        assert!(stored.len() == 1 && stored[0].contains(who), "{stored:?}");
    }
}
