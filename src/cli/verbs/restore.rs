//! `restore`: files of a snapshot are written out; what is damaged or cannot be written is listed.

use serde_json::json;

use crate::base::units::show_size;
use crate::cli::args::RestoreArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::environment::absolute;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::{OsDisk, OsFolder};
use crate::error::{Error, ErrorKind, Result};
use crate::ops::open::Spot;
use crate::ops::restore::{RestoreRequest, Restored, restore};

/// Restores a part of a snapshot.
///
/// # Errors
/// Those of the op.
pub fn run(args: &RestoreArgs, context: &Context) -> Result<Outcome> {
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    let store = context.store()?;
    let identities = context.identities(store.id())?;
    // Nobody who cannot read the store gets an empty folder for it.
    store.unlock(&identities).map_err(|error| store.settle(error))?;
    let target = absolute(&args.target);
    let folder = open_target(&target)?;
    let request = RestoreRequest { spot, identities: &identities, owners: context.settings.privileged };
    let progress = context.start(Shape::Document)?;
    let done = restore(context.disk()?, &folder, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within(format!("cannot restore to {}", shown(&target))))?;
    let output = &context.output;
    output.text(format!("restored {} files, {} to {}", done.files, show_size(done.bytes), shown(&target)))?;
    if done.damaged + done.left_alone > 0 {
        output.text(format!("left out for damage: {}, left alone: {}", done.damaged, done.left_alone))?;
    }
    output.json(&json!({
        "files": done.files,
        "bytes": done.bytes,
        "damaged": done.damaged,
        "left_alone": done.left_alone,
        "problems": super::problems(&progress.problems().0),
    }))?;
    Ok(outcome_of(done))
}

fn open_target(target: &std::path::Path) -> Result<OsFolder> {
    let wrap = |error| Error::from(error).within(format!("cannot use the target {}", shown(target)));
    // Makes the folder; through its other door it is written.
    drop(OsDisk::create(target).map_err(wrap)?);
    OsFolder::open(target).map_err(wrap)
}

fn outcome_of(done: Restored) -> Outcome {
    let damaged = if done.damaged > 0 { Outcome::Found(ErrorKind::Corrupt) } else { Outcome::Done };
    damaged.and(if done.left_alone > 0 { Outcome::Partial } else { Outcome::Done })
}
