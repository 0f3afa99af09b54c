//! The command `tickweave`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tickweave::cli::main()
}
