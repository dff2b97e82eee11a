//! The command `chunkstore`.

use std::process::ExitCode;

/// The threads of a commit free what others took, which is where the system's allocator waits for itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    chunkstore::cli::main()
}
