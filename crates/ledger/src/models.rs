//! Model checking: runs the ledger's real code on the checker's threads, under all schedules or as
//! many as a bounded time allows. `cargo xtask models` runs every `models` module.
//!
//! - [`every_schedule`] tries all schedules with at most a given number of preemptions.
//! - [`sampled`] tries random schedules, half of them with few preemptions at well-chosen places
//!   (PCT).
//! - Seeds are fixed, so that runs are reproducible. A failing schedule is written to a file, and
//!   the command to replay it is printed.
//!
//! Assumed, not checked: sequentially consistent memory (the atomics here publish one number, or
//! are only compared), no spurious wake-ups, no unwinding by a panic.
#![allow(clippy::unwrap_used, reason = "tests, under more conditions than clippy knows")]

mod held_disk;
mod preemptions;

use std::io::Write;
use std::path::PathBuf;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner};

pub(crate) use held_disk::HeldDisk;
use preemptions::Preemptions;

/// The checker's stacks do not grow, and recovery keeps some blocks on the stack.
const STACK_LEN: usize = 512 << 10;
const SEED: u64 = 7;
/// The number of preemptions in PCT schedules.
const PCT_DEPTH: usize = 3;
/// The environment variable in which `cargo xtask models --replay` passes the file to replay.
const REPLAY_VARIABLE: &str = "BOLILLERO_MODELS_REPLAY";

/// No bound on preemptions: all schedules.
pub(crate) const UNBOUNDED: usize = usize::MAX;

/// Runs `model` under every schedule with at most `preemptions_max` preemptions.
pub(crate) fn every_schedule(preemptions_max: usize, model: fn()) {
    let what = match preemptions_max {
        UNBOUNDED => "all there are".to_owned(),
        max => format!("all with at most {max} preemptions"),
    };
    check(&what, vec![Box::new(Preemptions::new(preemptions_max))], model);
}

/// Runs `model` under `schedules` random schedules.
pub(crate) fn sampled(schedules: usize, model: fn()) {
    let random = RandomScheduler::new_from_seed(SEED, schedules / 2);
    let telling = PctScheduler::new_from_seed(SEED, PCT_DEPTH, schedules / 2);
    check("sampled", vec![Box::new(random), Box::new(telling)], model);
}

/// Runs a model with a planted bug, which must fail; panics as the model does.
pub(crate) fn planted(preemptions_max: usize, model: fn()) {
    let scheduler = Preemptions::new(preemptions_max);
    Runner::new(scheduler, config(FailurePersistence::None)).run(model);
}

fn check(what: &str, schedulers: Vec<Box<dyn Scheduler + Send>>, model: fn()) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let _failing = SaysHowToReplay(&test);
    let config = config(FailurePersistence::File(Some(schedules_folder())));
    if let Some(file) = std::env::var_os(REPLAY_VARIABLE) {
        let mut replay = ReplayScheduler::new_from_file(PathBuf::from(file)).unwrap();
        // The recorded schedule ends where it failed.
        replay.set_allow_incomplete();
        Runner::new(replay, config).run(model);
        return say(&format!("{test}: the schedule does not fail"));
    }
    let runs = schedulers.into_iter().map(|it| Runner::new(it, config.clone()).run(model));
    let explored: usize = runs.sum();
    say(&format!("{test}: {explored} schedules, {what}"));
}

fn config(failure_persistence: FailurePersistence) -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_LEN;
    config.failure_persistence = failure_persistence;
    config.silence_warnings = true;
    config
}

fn schedules_folder() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = root.join("target/models/schedules");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Prints past the test runner, which captures the output of passing tests.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

struct SaysHowToReplay<'a>(&'a str);

impl Drop for SaysHowToReplay<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let test = self.0;
            say(&format!(
                "{test}: FAILED; its schedule is in the first file named below; replay it with\n  \
                 cargo xtask models --replay {test} FILE"
            ));
        }
    }
}
