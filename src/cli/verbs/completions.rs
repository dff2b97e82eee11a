//! `completions`: what a shell needs to complete the words of this program.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::args::CommandLine;
use crate::cli::args::reading::CompletionsArgs;
use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::error::Result;

/// Writes a shell's script.
///
/// # Errors
/// Those of stdout.
pub fn run(args: &CompletionsArgs, context: &Context) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "chunkstore", &mut script);
    script.extend_from_slice(in_store(args.shell).as_bytes());
    context.output.bytes(&script)?;
    Ok(Outcome::Done)
}

/// Returns what completes paths and snapshots of a store, by the verb `complete`.
fn in_store(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("complete/bash.sh"),
        Shell::Zsh => include_str!("complete/zsh.sh"),
        Shell::Fish => include_str!("complete/fish.fish"),
        _ => "",
    }
}
