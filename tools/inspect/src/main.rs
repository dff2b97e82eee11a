//! The command `chunkstore-inspect`.

use std::process::ExitCode;

fn main() -> ExitCode {
    inspect::command::main()
}
