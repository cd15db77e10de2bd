//! docs/reference/settings.md, from the commands themselves.

use clap::Arg;
use expect_test::expect_file;

use super::{Of, default, help, settings_of, variable};

const HEAD: &str = "\
# Settings

A setting of `serve` and `agency` is a flag, an environment variable, or a key of the TOML file of
`--config`. Flags take precedence over variables, and both over the file; an empty variable is as if
it were not set. Unknown variables and keys are errors. `bolillero config init` writes a file with
all of them, `config check` checks it, and `config show` says where each value comes from.
[The command line](command-line.md) has the full text of each, and `agency --force`, which is a flag
only.

`TIME` is a number with a unit, such as `90s`, `10m` or `1h30m`; `BYTES` and `N` are whole numbers.
A setting without a value is `true` in the file and in its variable. Where one may be repeated, the
file has a list.
";

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
    format!("| `{flag}` | `{variable}` | `{key}` | {default} | {what} |\n")
}

#[test]
fn the_copy_of_the_settings_is_up_to_date() {
    let mut document = HEAD.to_owned();
    for of in [Of::Serve, Of::Agency] {
        document += &format!("\n## {}\n\n", of.name());
        document += "| flag | variable | key | default | what |\n|---|---|---|---|---|\n";
        document.extend(settings_of(&of.command()).map(row));
    }
    expect_file!["../../../../../docs/reference/settings.md"].assert_eq(&document);
}
