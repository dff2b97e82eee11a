//! `mount`: a store or one of its snapshots as a file system, until Ctrl-C or, in the background, until it is unmounted.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::cli::args::reading::MountArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::environment::absolute;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::mount_point;
use crate::error::{Error, ErrorKind, Result};
use crate::mount::{End, Mounted};
use crate::view::{View, ViewRequest};

mod apart;

use apart::Guard;

/// Mounts until told to stop, or until somebody unmounts, which is how it is meant to end.
///
/// # Errors
/// Those of opening a store, [`ErrorKind::Other`] where the system does not mount, [`ErrorKind::Gone`] when the medium went away.
pub fn run(args: &MountArgs, context: &Context) -> Result<Outcome> {
    let dir = absolute(&args.dir);
    if args.guard {
        return apart::guard(&dir, context);
    }
    // Before anybody is asked for a passphrase.
    let unfit = |why| Error::with_source(ErrorKind::Other, format!("cannot mount on {}", shown(&dir)), why);
    mount_point::check(&dir).map_err(unfit)?;
    if args.background {
        return apart::start_in_background(context);
    }
    let store = context.store()?;
    let (id, identities) = (store.id(), context.identities_for(&store)?);
    drop(store);
    let log_dir = context.settings.cache.as_ref().map(|cache| cache.join(id.to_string()));
    let log = if args.background_child { Some(apart::open_log(log_dir)?) } else { None };
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
    let mounted = Mounted::start(view, &dir, args.everybody, monitor).map_err(|error| refused(&dir, error))?;
    let guard = Guard::start(&dir);
    let log_path = log.as_ref().and_then(|(_, path)| path.as_deref());
    let said = match (&log, log_path) {
        (None, _) => "Ctrl-C unmounts it".to_owned(),
        (_, None) => "umount ends it".to_owned(),
        (_, Some(path)) => format!("umount ends it, and what does not read is told in {}", shown(path)),
    };
    context.output.text(format!("mounted on {}, read-only; {said}", shown(&dir)))?;
    let log_path = log_path.map(Path::to_string_lossy);
    context.output.json(&json!({"event": "mounted", "path": dir.to_string_lossy(), "log": log_path}))?;
    context.output.flush()?;
    if let Some((log, _)) = &log {
        apart::stand_alone(log)?;
    }
    let end = mounted.attend(&identities, context.clock.as_ref());
    progress.finish();
    mounted
        .end()
        .map_err(|error| Error::with_source(ErrorKind::Other, format!("cannot unmount {}", shown(&dir)), error))?;
    guard.end();
    if end == End::Gone {
        return Err(Error::new(ErrorKind::Gone, "the medium went away under the mount; it was unmounted"));
    }
    context.output.event(&json!({"event": "done"}));
    Ok(Outcome::Done)
}

fn refused(dir: &Path, error: io::Error) -> Error {
    let what = format!(
        "cannot mount on {}: it takes an empty directory, /dev/fuse, and root's rights or fusermount3",
        shown(dir)
    );
    Error::with_source(ErrorKind::Other, what, error)
}
