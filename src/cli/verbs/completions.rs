//! `completions`: what a shell needs to complete the words of this program.

use clap::CommandFactory;

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
    context.output.bytes(&script)?;
    Ok(Outcome::Done)
}
