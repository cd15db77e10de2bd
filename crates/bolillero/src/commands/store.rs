//! `bolillero store`: prepares the PostgreSQL database that several centrals share.

use clap::{Args, Subcommand};
use engine::LedgerId;
use ledger_postgres::report;
use ledger_postgres::schema::{self, Made};

use crate::arg_types::StoreUrl;
use crate::exit::{Ending, print};
use crate::random::secret_bytes;

const EXAMPLES: &str = "\
Examples:
  bolillero store init --store 'postgres://owner@db1,db2/lottery?sslrootcert=ca.crt'
  bolillero store check --store 'postgres://central@db1,db2/lottery?sslrootcert=ca.crt'

init creates the tables, or brings them to the version of this program, and grants rights to the
roles bolillero_central, bolillero_reader and bolillero_auditor: run it as the owner of the
database, before the centrals of a new version start. check changes nothing, and says what the
centrals would find.";

/// The store, and what to do with it.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StoreArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Create the tables of a ledger, or bring them to this version.
    #[command(after_help = "Example:\n  bolillero store init --store postgres://owner@db1/lottery")]
    Init(UrlArgs),
    /// Say which servers there are, and whether a central can use them.
    #[command(
        after_help = "Example:\n  bolillero store check --store postgres://central@db1/lottery"
    )]
    Check(UrlArgs),
}

#[derive(Args, Clone, Debug)]
struct UrlArgs {
    /// The database: all its servers, the user and the name.
    #[arg(long, env = "BOLILLERO_STORE", value_name = "URL", hide_env_values = true)]
    store: StoreUrl,
}

/// Runs the action.
pub(crate) fn run(args: &StoreArgs) -> Result<(), Ending> {
    let text = match &args.action {
        Action::Init(UrlArgs { store }) => {
            let target = store.target()?;
            let id = LedgerId(secret_bytes().map_err(Ending::Failed)?);
            match schema::init(&target, id)
                .map_err(|error| Ending::of_store(error, format!("store {target}")))?
            {
                Made::Created(id) => format!("created the ledger {id} in {target}\n"),
                Made::Migrated(from) => format!(
                    "brought the tables in {target} from version {from} to {}\n",
                    schema::VERSION
                ),
                Made::Nothing => format!(
                    "{target} has the tables of version {} already; granted the rights again\n",
                    schema::VERSION
                ),
            }
        }
        Action::Check(UrlArgs { store }) => {
            let target = store.target()?;
            report::of(&target)
                .map_err(|error| Ending::of_store(error, format!("store {target}")))?
                .to_string()
        }
    };
    print(&text)
}
