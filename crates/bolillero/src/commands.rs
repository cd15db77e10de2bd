//! The subcommands, one module each.

mod agency;
mod audit;
mod backup;
mod bench;
mod bind;
mod check;
mod compose;
mod config;
mod copy;
mod demo;
mod export;
mod follow;
mod generate;
mod health;
mod http;
mod location;
mod nodes;
mod operator;
mod pki;
mod place;
mod processes;
mod progress;
mod prompt;
mod reload;
mod restore;
mod serve;
mod shell;
mod store;
mod stored;
mod winners;

pub(crate) use agency::AgencyArgs;
pub use agency::agency_settings;
pub(crate) use audit::AuditArgs;
pub(crate) use backup::BackupArgs;
pub(crate) use bench::BenchArgs;
pub(crate) use check::CheckArgs;
pub(crate) use compose::ComposeArgs;
pub(crate) use config::ConfigArgs;
pub(crate) use copy::CopyArgs;
pub(crate) use demo::DemoArgs;
pub(crate) use export::ExportArgs;
pub(crate) use follow::FollowArgs;
pub(crate) use generate::GenerateArgs;
pub(crate) use health::HealthArgs;
pub(crate) use operator::OperatorArgs;
pub(crate) use pki::PkiArgs;
pub(crate) use restore::RestoreArgs;
pub(crate) use serve::ServeArgs;
pub use serve::serve_settings;
pub(crate) use shell::{CompletionsArgs, ManArgs};
pub(crate) use store::StoreArgs;
pub(crate) use winners::WinnersArgs;

use crate::cli::Command;
use crate::exit::Ending;

/// Runs the given command.
pub(crate) fn run(command: Command) -> Result<(), Ending> {
    match command {
        Command::Serve(args) => serve::run(*args),
        Command::Agency(args) => agency::run(*args),
        Command::Demo(args) => demo::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Winners(args) => winners::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Operator(args) => operator::run(args),
        Command::Pki(args) => pki::run(args),
        Command::Check(args) => check::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Copy(args) => copy::run(&args),
        Command::Follow(args) => follow::run(args),
        Command::Store(args) => store::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Compose(args) => compose::run(&args),
        Command::Health(args) => health::run(args),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
        Command::Bench(args) => bench::run(&args),
    }
}
