//! The program `bolillero`; the library of the same name has the code.

use std::process::ExitCode;

fn main() -> ExitCode {
    bolillero::main()
}
