//! The program `bolillero`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    bolillero::main()
}
