//! `cat`: a file's bytes on stdout, as they are; `--json` changes nothing here.

use crate::cli::args::CatArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::error::Result;
use crate::ops::list::cat;
use crate::ops::open::Spot;

/// Writes a file to stdout.
///
/// # Errors
/// Those of the op and of stdout.
pub fn run(args: &CatArgs, context: &Context) -> Result<Outcome> {
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    let progress = context.start(Shape::Document)?;
    let reading = context.reading(&progress)?;
    cat(&reading, &spot, &mut |bytes| {
        context.run(&progress).check()?;
        context.output.bytes(bytes)
    })?;
    Ok(Outcome::Done)
}
