//! `bolillero pki`: manages a private authority that issues and revokes certificates.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ::pki::limits::{
    AUTHORITY_DAYS, AUTHORITY_NAME_LEN_MAX, DAYS_MAX, ISSUED_DAYS, PASSPHRASE_LEN_MIN,
};
use ::pki::{Authority, Issued, Kind, Listed, Passphrase, PkiError, Subject};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use lottery::text;
use rustls::pki_types::UnixTime;

use super::bind::EXPIRES_SOON;
use super::prompt;
use crate::exit::{Ending, printed};
use crate::settings::CA_PASSPHRASE;

const EXAMPLES: &str = "\
Examples:
  bolillero pki init                                # ./pki/ca.crt and its key
  bolillero pki central central.example 10.0.0.5    # what agencies connect to
  bolillero pki agency 1                            # agency-1.crt and agency-1.key
  bolillero pki list
  bolillero pki revoke --agency 1                   # then SIGHUP to the central

The central needs central.crt, central.key, ca.crt and crl.pem; an agency its own two files and
ca.crt. Only this command needs ca.key: put the folder on a machine where nothing else runs.";

const DAY_SECS: u64 = 86_400;

/// A private authority, and what to do with it.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PkiArgs {
    /// Folder of the authority.
    #[arg(long, env = "BOLILLERO_PKI", value_name = "DIR", default_value = "pki", global = true)]
    dir: PathBuf,

    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Create an authority, once.
    #[command(after_help = "Example:\n  bolillero pki init --encrypt --name \"Lotería de prueba\"")]
    Init {
        /// Name of the authority, as shown in certificates.
        #[arg(
            long, value_name = "TEXT", default_value = "Bolillero", value_parser = authority_name
        )]
        name: String,
        /// Validity in days; also limits the certificates that it issues.
        #[arg(long, value_name = "N", default_value_t = AUTHORITY_DAYS, value_parser = days())]
        days: u32,
        /// Encrypt its key with a passphrase, read from BOLILLERO_CA_PASSPHRASE or the terminal.
        #[arg(long)]
        encrypt: bool,
    },
    /// Issue an agency's certificate and key.
    #[command(after_help = "Example:\n  bolillero pki agency 1 --days 90")]
    Agency {
        /// Number of the agency, from 1.
        #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        agency: u32,
        #[command(flatten)]
        how: HowToIssue,
    },
    /// Issue the central's certificate and key.
    #[command(after_help = "Example:\n  bolillero pki central central.example 10.0.0.5 --replace")]
    Central {
        /// Host names and IP addresses that agencies connect to.
        #[arg(value_name = "HOST", required = true)]
        hosts: Vec<String>,
        #[command(flatten)]
        how: HowToIssue,
    },
    /// Revoke a certificate, or all of an agency's; the central reloads the list at SIGHUP.
    #[command(after_help = "Example:\n  bolillero pki revoke --agency 1")]
    Revoke {
        /// Serial number, as `pki list` shows it.
        #[arg(value_name = "SERIAL", required_unless_present = "agency")]
        serial: Option<String>,
        /// Revoke every certificate of this agency.
        #[arg(long, value_name = "N", conflicts_with = "serial")]
        agency: Option<u32>,
    },
    /// List the issued certificates: their validity and their state.
    #[command(after_help = "Example:\n  bolillero pki list --dir ./pki")]
    List,
}

#[derive(Args, Clone, Debug)]
struct HowToIssue {
    /// Validity in days, at most as long as the authority's.
    #[arg(long, value_name = "N", default_value_t = ISSUED_DAYS, value_parser = days())]
    days: u32,
    /// Replace the files of the previous one, which stays valid until it is revoked.
    #[arg(long)]
    replace: bool,
}

fn authority_name(name: &str) -> Result<String, String> {
    text::accept(name, AUTHORITY_NAME_LEN_MAX).map_err(|fault| format!("its name {fault}"))
}

fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(DAYS_MAX))
}

/// Runs the command.
pub(crate) fn run(args: PkiArgs) -> Result<(), Ending> {
    let (dir, now) = (&*args.dir, UnixTime::now());
    let said = match args.action {
        Action::Init { name, days, encrypt } => {
            let passphrase = encrypt.then(new_passphrase).transpose()?;
            Authority::create(dir, &name, days, passphrase.as_ref(), now).map_err(ending)?;
            format!("created an authority in {}; its key is {0}/ca.key", dir.display())
        }
        Action::Agency { agency, how } => issue(dir, &Subject::Agency(agency), &how, now)?,
        Action::Central { hosts, how } => issue(dir, &Subject::Central(hosts), &how, now)?,
        Action::Revoke { serial, agency } => revoke(dir, serial, agency, now)?,
        Action::List => table(&::pki::list(dir).map_err(ending)?, now),
    };
    Ok(printed(writeln!(std::io::stdout(), "{said}").context("can't write the result"))?)
}

fn issue(dir: &Path, subject: &Subject, how: &HowToIssue, now: UnixTime) -> Result<String, Ending> {
    let issued = open(dir)?.issue(subject, how.days, how.replace, now).map_err(ending)?;
    let Issued { certificate, key, serial, until } = issued;
    let (certificate, key) = (certificate.display(), key.display());
    Ok(format!("issued {certificate} with {key}, serial number {serial}, valid until {until}"))
}

fn revoke(
    dir: &Path,
    serial: Option<String>,
    agency: Option<u32>,
    now: UnixTime,
) -> Result<String, Ending> {
    let authority = open(dir)?;
    let revoked = match (serial, agency) {
        (Some(serial), _) => {
            if !authority.revoke_serial(&serial, now).map_err(ending)? {
                return Ok(format!("{serial} is already revoked"));
            }
            vec![serial]
        }
        (None, Some(agency)) => authority.revoke_agency(agency, now).map_err(ending)?,
        (None, None) => return Err(Ending::wrong("set a serial number or --agency")),
    };
    let (revoked, list) = (revoked.join(", "), dir.join("crl.pem"));
    let list = list.display();
    Ok(format!("revoked {revoked} in {list}: copy this file to the central and send it SIGHUP"))
}

fn table(listed: &[Listed], now: UnixTime) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["serial number", "for", "names", "valid from", "valid until", "state"]);
    for it in listed {
        let kind = match it.kind {
            Kind::Agency(agency) => format!("agency {agency}"),
            Kind::Central => "central".to_owned(),
            Kind::Other => "other".to_owned(),
        };
        let (from, until) = (it.from.to_string(), it.until.to_string());
        let subject = text::shown(&it.subject);
        table.add_row([&it.serial, &kind, &*subject, &from, &until, &state(it, now)]);
    }
    table.trim_fmt()
}

fn state(it: &Listed, now: UnixTime) -> String {
    let left = it.until.0.as_secs().checked_sub(now.as_secs());
    match (it.revoked, left) {
        (Some(at), _) => format!("revoked at {at}"),
        (None, None) => "expired".to_owned(),
        (None, Some(left)) if left < EXPIRES_SOON.as_secs() => {
            format!("expires in {} days", left / DAY_SECS)
        }
        (None, Some(_)) => "valid".to_owned(),
    }
}

/// Opens the authority, and gets its passphrase if its key is encrypted.
fn open(dir: &Path) -> Result<Authority, Ending> {
    let passphrase = if ::pki::is_encrypted(dir).map_err(ending)? {
        let given = match in_the_environment()? {
            Some(given) => Some(given),
            None => prompt::on_the_terminal("Passphrase of the authority's key: ")?,
        };
        Some(Passphrase::given(given.ok_or_else(|| ending(PkiError::PassphraseNeeded))?))
    } else {
        None
    };
    Authority::open(dir, passphrase.as_ref()).map_err(ending)
}

fn new_passphrase() -> Result<Passphrase, Ending> {
    let question =
        format!("Passphrase for the authority's key (at least {PASSPHRASE_LEN_MIN} characters): ");
    let chosen = match in_the_environment()? {
        Some(given) => Some(given),
        None => prompt::twice_on_the_terminal(&question)?,
    };
    let chosen = chosen.ok_or_else(|| ending(PkiError::PassphraseNeeded))?;
    Passphrase::chosen(chosen).map_err(ending)
}

fn in_the_environment() -> Result<Option<String>, Ending> {
    let given = std::env::var_os(CA_PASSPHRASE).filter(|given| !given.is_empty());
    let given = given.map(std::ffi::OsString::into_string);
    given.transpose().map_err(|_| Ending::wrong(format!("{CA_PASSPHRASE} is not text in UTF-8")))
}

fn ending(error: PkiError) -> Ending {
    Ending::of(error.is_wrong_input(), error.into())
}
