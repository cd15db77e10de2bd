//! `bolillero config`: writes, checks and shows the configuration files of `serve` and `agency`.
//!
//! What it knows of a setting comes from the command line's own description: name, help, default
//! and variable.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::builder::StyledStr;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, Command, Subcommand, ValueEnum};
use comfy_table::{Table, presets};
use ledger_postgres::Target;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AgencyArgs, ServeArgs};
use crate::exit::{Ending, print};
use crate::settings;

const EXAMPLES: &str = "\
Examples:
  bolillero config init serve --out central.toml
  bolillero config check serve --config central.toml
  bolillero config show serve --config central.toml";

/// What to do with a configuration file.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Write a file with every setting, commented out and explained.
    #[command(after_help = "Example:\n  bolillero config init serve --out central.toml")]
    Init {
        /// The command that reads it.
        of: Of,
        /// The file to create [default: standard output].
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check the settings of a file and of the environment, as the command would, and the files
    /// that they name. Nothing is started.
    #[command(after_help = "Example:\n  bolillero config check serve --config central.toml")]
    Check(Given),
    /// Show each setting, its value, and where it comes from. Passwords are hidden.
    #[command(after_help = "Example:\n  bolillero config show agency --config agency.toml")]
    Show(Given),
}

#[derive(Args, Clone, Debug)]
struct Given {
    /// The command that reads it.
    of: Of,
    /// TOML file with settings.
    #[arg(long, env = "BOLILLERO_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The commands with configuration files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Of {
    Serve,
    Agency,
}

/// Runs the action.
pub(crate) fn run(args: &ConfigArgs) -> Result<(), Ending> {
    match &args.action {
        Action::Init { of, out } => {
            let text = template(*of);
            match out {
                None => print(&text),
                Some(path) => create(path, &text),
            }
        }
        Action::Check(given) => {
            let config = given.config.as_deref();
            match given.of {
                Of::Serve => layered::<ServeArgs>(given.of, config)?.check()?,
                Of::Agency => layered::<AgencyArgs>(given.of, config)?.check()?,
            }
            print("the settings are valid\n")
        }
        Action::Show(given) => print(&shown(given)?),
    }
}

fn create(path: &Path, text: &str) -> Result<(), Ending> {
    // A password may be put into it.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("can't create {}", path.display())).map_err(Ending::Failed)?;
    print(&format!("wrote {}: remove the # before what you set\n", path.display()))
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Agency => "agency",
        }
    }

    /// The command with its settings.
    pub(super) fn command(self) -> Command {
        let command = Command::new(self.name());
        let command = match self {
            Self::Serve => ServeArgs::augment_args(command),
            Self::Agency => AgencyArgs::augment_args(command),
        };
        settings::without_empty_variables(command)
    }

    /// Reads the environment alone.
    fn of_environment(self) -> Result<ArgMatches, Ending> {
        self.command().try_get_matches_from([self.name()]).map_err(Ending::Usage)
    }
}

/// The settings that a file may have.
fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|it| it.get_env().is_some() && it.get_id() != "config")
}

fn layered<T>(of: Of, config: Option<&Path>) -> Result<T, Ending>
where
    T: clap::FromArgMatches + Serialize + DeserializeOwned,
{
    let given = T::from_arg_matches(&of.of_environment()?).map_err(Ending::Usage)?;
    settings::layered(given, config)
}

pub(super) fn template(of: Of) -> String {
    let name = of.name();
    let mut text = format!(
        "# Settings of `bolillero {name}`, read with --config. Flags and variables override them.\n"
    );
    for setting in settings_of(&of.command()) {
        text.push('\n');
        for line in wrapped(&help(setting)) {
            text += &format!("# {line}\n");
        }
        let (key, value) = (setting.get_id(), example(setting));
        text += &format!("#{key} = {value}\n");
    }
    text
}

fn help(setting: &Arg) -> String {
    let help = setting.get_long_help().or(setting.get_help()).map(StyledStr::to_string);
    help.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The default, as its help tells it.
fn default(setting: &Arg) -> Option<String> {
    let help = help(setting);
    let (_, default) = help.rsplit_once("[default: ")?;
    Some(default.trim_end_matches(']').to_owned())
}

/// A value as TOML: the default, or what it looks like.
fn example(setting: &Arg) -> String {
    if !setting.get_action().takes_values() {
        return "true".to_owned();
    }
    let names = setting.get_value_names().unwrap_or_default();
    let like = names.first().map_or("..", |name| name.as_str());
    let value = default(setting).filter(|it| !it.contains(' ')).unwrap_or_else(|| like.to_owned());
    match (like, value.parse::<u64>()) {
        ("N" | "BYTES", Ok(number)) => number.to_string(),
        ("N" | "BYTES", Err(_)) => "1".to_owned(),
        _ => toml::Value::from(value).to_string(),
    }
}

/// Lines of at most 78 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is one");
        if last.is_empty() {
            last.push_str(word);
        } else if last.len() + word.len() < 78 {
            *last += &format!(" {word}");
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn shown(given: &Given) -> Result<String, Ending> {
    let (of, config) = (given.of, given.config.as_deref());
    let values = match of {
        Of::Serve => toml::Table::try_from(layered::<ServeArgs>(of, config)?),
        Of::Agency => toml::Table::try_from(layered::<AgencyArgs>(of, config)?),
    };
    let values = values.context("can't show the settings")?;
    let environment = of.of_environment()?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["setting", "value", "from"]);
    for setting in settings_of(&of.command()) {
        let key = setting.get_id().as_str();
        let is_variable = environment.value_source(key) == Some(ValueSource::EnvVariable);
        let (value, from) = match values.get(key) {
            Some(value) if is_variable => (hidden(key, value), variable(setting)),
            Some(value) => (hidden(key, value), "the file".to_owned()),
            None => match default(setting) {
                Some(default) => (default, "default".to_owned()),
                None => (String::new(), "not set".to_owned()),
            },
        };
        table.add_row([key.to_owned(), value, from]);
    }
    Ok(format!("{table}\n"))
}

fn variable(setting: &Arg) -> String {
    setting.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The value without a password in it.
fn hidden(key: &str, value: &toml::Value) -> String {
    let text = match value {
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if key != "store" {
        return text;
    }
    let target = text.parse::<Target>();
    target.map_or_else(|_| "(hidden)".to_owned(), |target| target.to_string())
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_template_is_one() {
        for of in [Of::Serve, Of::Agency] {
            let text = template(of);
            let settings = text.lines().filter_map(|line| line.strip_prefix('#'));
            let settings: Vec<_> = settings.filter(|line| !line.starts_with(' ')).collect();
            assert!(settings.len() > 20, "{text}");
            for setting in settings {
                let read = match of {
                    Of::Serve => toml::from_str::<ServeArgs>(setting).map(drop),
                    Of::Agency => toml::from_str::<AgencyArgs>(setting).map(drop),
                };
                // Not every setting has a default that shows what a value looks like.
                let why = read.err().map(|error| error.to_string()).unwrap_or_default();
                assert!(!why.contains("unknown field") && !why.contains("invalid type"), "{why}");
            }
            assert!(text.lines().all(|line| line.len() <= 100), "{text}");
            assert!(toml::from_str::<toml::Table>(&text).unwrap().is_empty());
        }
    }

    #[test]
    fn passwords_are_hidden() {
        let shown = |text: &str| hidden("store", &toml::Value::from(text));
        let url = "postgres://ana:secret@127.0.0.1,127.0.0.2/x?password=secret";
        assert_eq!(shown(url), "postgres://ana@127.0.0.1:5432,127.0.0.2:5432/x");
        assert_eq!(shown("postgres://ana:secret"), "(hidden)");
    }
}
