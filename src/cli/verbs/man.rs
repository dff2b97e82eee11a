//! `man`: manual pages in roff, made of what `--help` says.

use clap::CommandFactory;

use crate::cli::args::CommandLine;
use crate::cli::args::reading::ManArgs;
use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::error::{Error, ErrorKind, Result};

/// Writes a page.
///
/// # Errors
/// [`ErrorKind::Usage`] for a verb that there is none of, and those of stdout.
pub fn run(args: &ManArgs, context: &Context) -> Result<Outcome> {
    let mut program = CommandLine::command();
    program.build();
    let command = match &args.verb {
        None => program,
        Some(verb) => {
            let unknown = || Error::new(ErrorKind::Usage, format!("there is no verb {verb:?}"));
            program.find_subcommand(verb).cloned().ok_or_else(unknown)?
        }
    };
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| Error::with_source(ErrorKind::Other, "cannot make the page", error))?;
    context.output.bytes(&page)?;
    Ok(Outcome::Done)
}
