//! The command `chunkstore`.

use std::process::ExitCode;

fn main() -> ExitCode {
    chunkstore::cli::main()
}
