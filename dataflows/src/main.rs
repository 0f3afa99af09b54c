//! The command `tickweave`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dataflows::cli::main()
}
