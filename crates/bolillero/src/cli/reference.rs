//! docs/reference/command-line.md, from the commands themselves.

use clap::Command;
use expect_test::expect_file;

/// The width of the help in characters.
const WIDTH: usize = 100;

const HEAD: &str = "\
# The command line

What `--help` says, for each command; a terminal may show it in another layout.
[Settings](settings.md) has the flags of `serve` and `agency` as a table, with their variables and
keys.
";

/// The commands as they are on every machine, without the values of variables.
fn anywhere(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(anywhere)
}

fn describe(command: &mut Command, document: &mut String) {
    let name = command.get_bin_name().unwrap_or("bolillero").to_owned();
    *document += &format!("\n## {name}\n\n```text\n");
    for line in command.render_long_help().to_string().trim_end().lines() {
        *document += &format!("{}\n", line.trim_end());
    }
    *document += "```\n";
    for command in command.get_subcommands_mut().filter(|command| command.get_name() != "help") {
        describe(command, document);
    }
}

#[test]
fn the_copy_of_the_command_line_is_up_to_date() {
    let mut program = anywhere(super::command()).term_width(WIDTH);
    program.build();
    let mut document = HEAD.to_owned();
    describe(&mut program, &mut document);
    expect_file!["../../../../docs/reference/command-line.md"].assert_eq(&document);
}
