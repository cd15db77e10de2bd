//! Agencies by TLS that name no draw, on addresses that `serve --tls-listen HOST:PORT=DRAW` binds
//! to one draw each.

use serde_json::json;

use super::certificates::Folder;
use super::{LORCA, Tls};
use crate::support::http::{Http, add_operator};
use crate::support::raw::{ack, bets};
use crate::support::{Process, exported_draw};

const ROJAS: &str = "Agustin|Rojas|21689196|1967-12-20|7";

#[test]
fn each_address_by_tls_is_for_its_draw_and_the_other_for_none_of_several() {
    let folder = Folder::new();
    add_operator(&folder.data(), "ana", "operator");
    let mut args = folder.serve_args();
    let addresses = ["127.0.0.1:0", "127.0.0.1:0=matutina", "127.0.0.1:0=nocturna"];
    args.extend(addresses.iter().flat_map(|address| ["--tls-listen", address]).map(str::to_owned));
    args.extend(["--http", "127.0.0.1:0"].map(str::to_owned));
    let mut process = Process::start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let mut address_of = |part: &str| {
        let line = process.wait_for(part);
        let address = line.split("address: ").nth(1).unwrap();
        address.split(' ').next().unwrap().to_owned()
    };
    let unbound = address_of("tls: true");
    let (morning, evening) = (address_of("draw: matutina"), address_of("draw: nocturna"));
    let ana = Http::of_process(&mut process).log_in("ana");
    let ask = |method, path: &str, body| {
        let answer = ana.ask(method, &format!("/api/v1/{path}"), &format!("{body}"));
        assert!(answer.status < 300, "{answer:?}");
    };
    ask("PUT", "agencies/1", json!({ "name": "Agencia 1", "place": "Rosario" }));
    for (draw, name) in [(1, "matutina"), (2, "nocturna")] {
        ask("POST", "draws", json!({ "name": name, "numbers": { "min": 0, "max": 9999 } }));
        ask("POST", &format!("draws/{draw}/open"), json!({}));
    }
    let agency = folder.issued(1);
    let sends = |address: &str, bet| {
        let mut tls = Tls::connect(address, &agency);
        tls.send(&bets(1, 0, &[bet]));
        tls
    };
    sends(&morning, LORCA).expect(&ack(0));
    sends(&evening, ROJAS).expect(&ack(0));
    let (code, reason) = sends(&unbound, LORCA).refused();
    assert!(code == 10 && reason.contains("\"nocturna\" (open)"), "{code}: {reason}");
    assert_eq!(process.terminate().code, Some(0));
    for (draw, who) in [("matutina", "Lorca"), ("nocturna", "Rojas")] {
        let stored = &exported_draw(&folder.data(), draw)[&1];
        assert!(stored.len() == 1 && stored[0].contains(who), "{stored:?}");
    }
}
