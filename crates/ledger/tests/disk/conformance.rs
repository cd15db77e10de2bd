//! Runs the engine's conformance suite over the ledger, with long and with short segments.

use engine::conformance::Reopening;
use engine::{Engine, LedgerId};
use ledger::{Ledger, Options};

fn on_disk(segment_len: u64) -> Reopening {
    let options = Options { id: LedgerId([7; 16]), segment_len, spares: 1 };
    let folder = tempfile::tempdir().unwrap();
    Reopening::new(move |clock| {
        let ledger = Ledger::open(folder.path(), options).unwrap();
        Engine::start(Box::new(ledger), clock).unwrap()
    })
}

mod long_segments {
    engine::conformance_suite!(super::on_disk(4 << 20));
}

mod short_segments {
    engine::conformance_suite!(super::on_disk(96 << 10));
}
