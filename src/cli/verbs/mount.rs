//! `mount`: a store or one of its snapshots as a file system, until Ctrl-C.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::base::Monitor;
use crate::cli::args::reading::MountArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::Medium;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::Mounted;
use crate::view::{View, ViewRequest};

/// How often the wish to stop and the medium are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Mounts until told to stop, or until somebody unmounts, which is how it is meant to end.
///
/// # Errors
/// Those of opening a store, [`ErrorKind::Other`] where the system does not mount, [`ErrorKind::Gone`] when the medium went away.
pub fn run(args: &MountArgs, context: &Context) -> Result<Outcome> {
    let medium = Medium::below(&context.store_path());
    let store = context.store()?;
    let identities = context.identities_for(&store)?;
    drop(store);
    let progress = Arc::new(context.start(Shape::Events)?);
    let view = View::open(
        ViewRequest {
            copies: context.copies()?.into_vec(),
            identities: &identities,
            snapshot: args.snapshot.as_deref(),
            now: context.clock.now(),
        },
        progress.as_ref(),
    )?;
    let monitor = Arc::clone(&progress);
    let mounted =
        Mounted::start(view, &args.dir, args.everybody, monitor).map_err(|error| refused(&args.dir, error))?;
    context.output.text(format!("mounted on {}, read-only; Ctrl-C unmounts it", shown(&args.dir)))?;
    context.output.json(&json!({"event": "mounted", "path": args.dir.to_string_lossy()}))?;
    context.output.flush()?;
    let is_gone = || medium.is_gone();
    while !progress.cancelled() && !mounted.is_ended() && !is_gone() {
        context.clock.sleep(LOOK_EVERY);
    }
    progress.finish();
    mounted
        .end()
        .map_err(|error| Error::with_source(ErrorKind::Other, format!("cannot unmount {}", shown(&args.dir)), error))?;
    if is_gone() {
        return Err(Error::new(ErrorKind::Gone, "the medium went away under the mount; it was unmounted"));
    }
    context.output.event(&json!({"event": "done"}));
    Ok(Outcome::Done)
}

fn refused(dir: &Path, error: std::io::Error) -> Error {
    let what = format!(
        "cannot mount on {}: it takes an empty directory, /dev/fuse, and root's rights or fusermount3",
        shown(dir)
    );
    Error::with_source(ErrorKind::Other, what, error)
}
