//! docs/reference/settings.md, from the commands themselves.

use clap::{Arg, ArgAction};
use expect_test::expect_file;

use super::{Of, default, help, settings_of, variable};

const HEAD: &str = "\
# Settings

A setting of `serve` and `agency` is a flag, an environment variable, or a key of the TOML file \
that `--config FILE` or\n`BOLILLERO_CONFIG` names. Flags take precedence over variables, and both \
over the file; an empty variable is as if it\nwere not set. Unknown variables and keys are errors. \
`bolillero config init` writes a file with all of them,\n`config check` checks it, and `config \
show` says where each value comes from. [The command line](command-line.md) has\nthe full text of \
each, and `agency --force`, which is a flag only.

`TIME` is a number with a unit, such as `90s`, `10m` or `1h30m`; `BYTES` and `N` are whole \
numbers. A setting without a\nvalue is `true` in the file and in its variable. One that may be \
repeated is a list in the file.
";

impl Of {
    /// What must be set.
    fn required(self) -> &'static str {
        match self {
            Self::Serve => {
                "Required: `listen` or `tls_listen`, or both; `data` or `store`; `agencies` or \
                 `http`, or both. With `tls_listen`,\nalso `tls_cert`, `tls_key` and \
                 `tls_agencies_ca`."
            }
            Self::Agency => {
                "Required: `id`, `central` and `bets`; with TLS, `tls_ca`, `tls_cert` and \
                 `tls_key`."
            }
        }
    }
}

fn row(setting: &Arg) -> String {
    let flag = format!("--{}", setting.get_long().unwrap_or_default());
    let value = setting.get_value_names().filter(|_| setting.get_action().takes_values());
    let flag = value.map_or(flag.clone(), |names| format!("{flag} {}", names[0]));
    let default = default(setting).unwrap_or_default();
    let default = match default.contains(' ') || default.is_empty() {
        true => default,
        false => format!("`{default}`"),
    };
    let (variable, key) = (variable(setting), setting.get_id());
    // The first sentence; the rest is in the help.
    let help = help(setting);
    let what = help.split(" [default: ").next().unwrap_or_default();
    let what = what.split(". ").next().unwrap_or_default().trim_end_matches('.');
    let repeated = match setting.get_action() {
        ArgAction::Append => "; may be repeated",
        _ => "",
    };
    format!("| `{flag}` | `{variable}` | `{key}` | {default} | {what}{repeated} |\n")
}

#[test]
fn the_copy_of_the_settings_is_up_to_date() {
    let mut document = HEAD.to_owned();
    for of in [Of::Serve, Of::Agency] {
        document += &format!("\n## {}\n\n{}\n\n", of.name(), of.required());
        document += "| flag | variable | key | default | what |\n|---|---|---|---|---|\n";
        document.extend(settings_of(&of.command()).map(row));
    }
    expect_file!["../../../../../docs/reference/settings.md"].assert_eq(&document);
}
