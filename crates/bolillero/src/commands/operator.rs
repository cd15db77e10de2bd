//! `bolillero operator`: manages the operators of a lottery, on the central's machine or in the store
//! that several centrals share.
//!
//! The first admin can only be created here. A running central is not involved: it reads the
//! changed operators at the next request, and records the change, which is kept for it.

use std::convert::Infallible;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use central::Zone;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use engine::Clock as _;
use ledger::disk::make_folder;
use ledger_postgres::{OperatorsChangeError, OperatorsTable, StoreError};
use lottery::Timestamp;
use operators::limits::PASSWORD_CHARS_MIN;
use operators::{
    Change as Changed, ChangeError, Name, OperatorsFile, Password, People, PeopleError, Role,
    Secret, TokenGrant, TokenId,
};
use rustix::process::getuid;

use super::prompt;
use super::serve::SystemClock;
use crate::arg_types::StoreUrl;
use crate::exit::{Ending, print};
use crate::random::secret_bytes;
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  bolillero operator add ana --role admin --data ./data
  bolillero operator token ana --label board --role viewer --days 90 --data ./data
  bolillero operator list --data ./data
  echo 'a long password' | bolillero operator password ana --password-stdin --data ./data
  bolillero operator list --store 'postgres://central@db1,db2,db3/lottery?sslrootcert=ca.crt'

Changes apply from the next request on, also in a running central. Disabling an operator or changing
a password logs the operator out and revokes their tokens. The central records each change, with
the user of this machine who made it and its time, within two seconds or when it starts.";

/// Where the operators are, and what to do with them.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct OperatorArgs {
    /// The central's data folder; created if missing when the first operator is added.
    #[arg(long, env = "BOLILLERO_DATA", value_name = "DIR", global = true)]
    data: Option<PathBuf>,

    /// The store that several centrals share, as `serve --store` has it, instead of a folder.
    #[arg(
        long,
        env = "BOLILLERO_STORE",
        value_name = "URL",
        hide_env_values = true,
        global = true
    )]
    store: Option<StoreUrl>,

    #[command(subcommand)]
    change: Change,
}

#[derive(Clone, Debug, Subcommand)]
enum Change {
    /// Add an operator.
    #[command(after_help = "Example:\n  bolillero operator add ana --role admin --data ./data")]
    Add {
        /// Name to log in with.
        name: Name,
        /// Role: viewer, operator, auditor or admin.
        #[arg(long, value_name = "ROLE")]
        role: Role,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// List operators and their tokens.
    #[command(after_help = "Example:\n  bolillero operator list --data ./data")]
    List,
    /// Change an operator's password, and end their sessions and tokens.
    #[command(after_help = "Example:\n  bolillero operator password ana --data ./data")]
    Password {
        /// Name of the operator.
        name: Name,
        #[command(flatten)]
        password: PasswordArgs,
    },
    /// Disable an operator: reject their password and tokens.
    #[command(after_help = "Example:\n  bolillero operator disable ana --data ./data")]
    Disable {
        /// Name of the operator.
        name: Name,
    },
    /// Enable a disabled operator.
    #[command(after_help = "Example:\n  bolillero operator enable ana --data ./data")]
    Enable {
        /// Name of the operator.
        name: Name,
    },
    /// Create a token with which a program acts for an operator. Prints it, once.
    #[command(after_help = "Example:\n  bolillero operator token ana --label board --role viewer \
                            --days 90 --data ./data")]
    Token {
        /// Name of the operator.
        name: Name,
        /// Purpose of the token.
        #[arg(long, value_name = "TEXT")]
        label: String,
        /// Role of the token [default: its owner's].
        #[arg(long, value_name = "ROLE")]
        role: Option<Role>,
        /// Validity in days.
        #[arg(long, value_name = "N")]
        days: u32,
    },
    /// Revoke a token.
    #[command(after_help = "Example:\n  bolillero operator revoke 3 --data ./data")]
    Revoke {
        /// Number of the token, as `operator list` shows it.
        #[arg(value_name = "NUMBER")]
        token: u32,
    },
}

/// Where a password comes from.
#[derive(Args, Clone, Debug)]
struct PasswordArgs {
    /// Read the password from the first line of standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
}

/// Where operators are kept.
pub(super) enum Kept {
    Folder(OperatorsFile),
    Shared { table: Box<OperatorsTable>, place: String },
}

/// Runs the command.
pub(crate) fn run(args: OperatorArgs) -> Result<(), Ending> {
    let mut kept = Kept::open(&args)?;
    match args.change {
        Change::List => print(&list(&kept.read()?)),
        Change::Add { name, role, password } => {
            let hash = hashed(&password, &name)?;
            if let (Some(data), None) = (&args.data, &args.store) {
                make_folder(data).map_err(|error| of_folder(data, error))?;
            }
            kept.change(|people| {
                people.add(name.clone(), role, hash)?;
                Ok(Changed::Add { name: name.clone(), role })
            })?;
            print(&format!("{name} has the role {role} now\n"))
        }
        Change::Password { name, password } => {
            let hash = hashed(&password, &name)?;
            kept.change(|people| {
                people.set_password(&name, hash)?;
                Ok(Changed::ChangePassword(name.clone()))
            })?;
            print(&format!("{name} has a new password, and is logged out\n"))
        }
        Change::Disable { name } => {
            kept.change(|people| {
                people.disable(&name)?;
                Ok(Changed::Disable(name.clone()))
            })?;
            print(&format!("{name} is disabled now, and logged out\n"))
        }
        Change::Enable { name } => {
            kept.change(|people| {
                people.enable(&name)?;
                Ok(Changed::Enable(name.clone()))
            })?;
            print(&format!("{name} can log in again\n"))
        }
        Change::Token { name, label, role, days } => {
            let secret = Secret::from_random(secret_bytes()?);
            kept.change(|people| {
                let owner = people.operator(&name).ok_or(PeopleError::Unknown(name.clone()))?;
                let role = role.unwrap_or(owner.role);
                let owner = name.clone();
                let grant = TokenGrant { owner, label: label.clone(), role, days };
                people.grant(grant, secret.digest(), SystemClock.now().0)?;
                Ok(Changed::GiveToken { name, role, days, label })
            })?;
            print(&format!("{}\n", secret.text()))
        }
        Change::Revoke { token } => {
            kept.change(|people| {
                people.revoke(TokenId(token))?;
                Ok(Changed::RevokeToken(TokenId(token)))
            })?;
            print(&format!("token {token} is revoked\n"))
        }
    }
}

impl Kept {
    fn open(args: &OperatorArgs) -> Result<Self, Ending> {
        match (&args.data, &args.store) {
            (Some(_), Some(_)) => Err(Ending::wrong(
                "operators are in a folder (--data) or in a store (--store): set one of them",
            )),
            (_, Some(url)) => Self::in_store(url),
            (data, None) => {
                let data = settings::needed(data.clone(), "data")?;
                // The first operator makes the folder.
                if !matches!(args.change, Change::Add { .. }) {
                    expect_folder(&data)?;
                }
                Ok(Self::Folder(OperatorsFile::in_folder(&data)))
            }
        }
    }

    pub(super) fn in_store(url: &StoreUrl) -> Result<Self, Ending> {
        let target = url.target()?;
        let place = format!("store {target}");
        let table = OperatorsTable::open(&target);
        let table = table.map_err(|error| Ending::of_store(error, place.clone()))?;
        Ok(Self::Shared { table: Box::new(table), place })
    }

    /// Copies these operators to where there are none yet; returns what to say of it.
    pub(super) fn copy_to(&mut self, target: &mut Self) -> Result<&'static str, Ending> {
        let people = match self.read_settled() {
            Err(why) if matches!(why.downcast_ref(), Some(StoreError::NotAllowed(_))) => {
                return Ok(", without the operators, which this user may not read");
            }
            read => read?,
        };
        Ok(if target.put(people)? { ", and the operators" } else { "" })
    }

    /// Puts operators here if there are none yet; returns whether it did.
    pub(super) fn put(&mut self, people: People) -> Result<bool, Ending> {
        let mut is_put = false;
        if people.version() > 0 {
            self.replace(|now| {
                is_put = now.version() == 0;
                Ok::<_, Infallible>(if is_put { people } else { now.clone() })
            })?;
        }
        Ok(is_put)
    }

    /// Reads the operators, as new as any change of them in records that were read before.
    pub(super) fn read_settled(&mut self) -> anyhow::Result<People> {
        match self {
            Self::Folder(file) => Ok(file.read_settled()?),
            Self::Shared { table, place } => table.read().with_context(|| place.clone()),
        }
    }

    fn read(&mut self) -> Result<People, Ending> {
        match self {
            Self::Folder(file) => Ok(file.read()?),
            Self::Shared { table, place } => {
                table.read().map_err(|error| Ending::of_store(error, place.clone()))
            }
        }
    }

    fn change(
        &mut self,
        change: impl FnOnce(&mut People) -> Result<Changed, PeopleError>,
    ) -> Result<(), Ending> {
        let (user, now) = (user(), SystemClock.now().0);
        self.replace(|people| people.changed_on_command_line(&user, now, change))
    }

    fn replace<E: std::error::Error + Send + Sync + 'static>(
        &mut self,
        change: impl FnOnce(&People) -> Result<People, E>,
    ) -> Result<(), Ending> {
        match self {
            Self::Folder(file) => file.replace(change).map_err(|error| match error {
                ChangeError::Refused(why) => Ending::wrong(why),
                ChangeError::File(error) => Ending::from(error),
            }),
            Self::Shared { table, place } => table.change(change).map_err(|error| match error {
                OperatorsChangeError::Refused(why) => Ending::wrong(why),
                OperatorsChangeError::Store(error) => Ending::of_store(error, place.clone()),
            }),
        }
    }
}

fn expect_folder(data: &Path) -> Result<(), Ending> {
    let found = fs::metadata(data).map_err(|error| of_folder(data, error))?;
    if found.is_dir() { Ok(()) } else { Err(of_folder(data, ErrorKind::NotADirectory.into())) }
}

fn of_folder(data: &Path, error: io::Error) -> Ending {
    let remedy = match error.kind() {
        ErrorKind::NotFound => {
            "check the path, or add the first operator with `bolillero operator add`"
        }
        ErrorKind::NotADirectory => "choose a folder",
        _ => {
            let context = format!("can't use the data folder {}", data.display());
            return Ending::Failed(anyhow::Error::new(error).context(context));
        }
    };
    Ending::wrong(format!("data folder {}: {error}; {remedy}", data.display()))
}

/// Returns the name of the user who runs this, or the number of one that /etc/passwd does not list.
fn user() -> String {
    let id = getuid().as_raw().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let mut users = users.lines().map(|line| line.split(':'));
    let name = users.find_map(|mut user| {
        let (name, number) = (user.next()?, user.nth(1)?);
        (number == id && !name.is_empty()).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("user {id}"))
}

fn hashed(from: &PasswordArgs, name: &Name) -> Result<operators::PasswordHash, Ending> {
    let text = if from.password_stdin {
        prompt::first_line_of_stdin()?
    } else {
        prompt::twice_on_the_terminal(&format!(
            "Password for {name} (at least {PASSWORD_CHARS_MIN} characters): "
        ))?
        .ok_or_else(|| {
            Ending::wrong("there is no terminal to ask for the password; use --password-stdin")
        })?
    };
    Password::given(text).hash(name, secret_bytes()?).map_err(Ending::wrong)
}

fn list(people: &People) -> String {
    if people.operators().next().is_none() {
        return "no operators; add the first with `bolillero operator add`\n".to_owned();
    }
    let table = |header: &[&str], rows: Vec<Vec<String>>| {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
        format!("{table}\n")
    };
    let operators = people.operators().map(|(name, operator)| {
        let state = if operator.disabled { "disabled" } else { "enabled" };
        vec![name.to_string(), operator.role.to_string(), state.to_owned()]
    });
    let mut text = table(&["name", "role", "state"], operators.collect());
    let now = SystemClock.now().0;
    let tokens = people.tokens().map(|(id, token)| {
        let state = match token {
            token if token.revoked => "revoked",
            token if !token.is_live(now) => "expired",
            _ => "valid",
        };
        let expires = Timestamp(token.expires_ms);
        let expires = Zone::default().format(expires, "%Y-%m-%d %H:%M:%S").unwrap_or_default();
        let (owner, role) = (token.owner.to_string(), token.role.to_string());
        vec![id.to_string(), owner, token.label.clone(), role, expires, state.to_owned()]
    });
    let tokens: Vec<_> = tokens.collect();
    if !tokens.is_empty() {
        text.push('\n');
        text += &table(&["token", "of", "label", "role", "until", "state"], tokens);
    }
    text
}
