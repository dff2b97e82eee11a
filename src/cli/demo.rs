//! `demo`: the whole story on loopback with real parts: a publisher, an FTP server, a key that is cut off in the middle
//! of an update, and a restore that is compared with the original, entry by entry.
//!
//! What is played is what the verbs do; nothing is simulated but the person who pulls the key.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::DemoArgs;
use super::context::{Context, Shape};
use super::environment::{absolute, temporary_dir};
use super::outcome::Outcome;
use super::output::shown;
use crate::base::{EntryName, RelPath};
use crate::disk::{Folder, OsDisk, OsFolder};
use crate::error::{Error, ErrorKind, Result};

mod compare;
mod content;
mod cut;
mod story;

/// Plays the story; its folders are removed afterwards unless they are to be kept.
///
/// # Errors
/// [`ErrorKind::Other`] when anything differs from the original, and those of the ops.
pub fn run(args: &DemoArgs, context: &Context) -> Result<Outcome> {
    let progress = context.start(Shape::Events)?;
    let root = match &args.keep {
        Some(dir) => absolute(dir),
        None => temporary_dir("chunkstore-demo"),
    };
    drop(OsDisk::create(&root)?);
    require_empty(&root)?;
    let began = context.clock.monotonic();
    let told = story::tell(&root, context, &progress);
    if args.keep.is_none() {
        let removed = remove_all(&root);
        told?;
        removed?;
    } else {
        context.output.text(format!("the folders are kept in {}", shown(&root)))?;
        told?;
    }
    let secs = context.clock.monotonic().saturating_sub(began).as_secs_f64();
    context.output.text(format!("everything came back as it was, in {secs:.1} s"))?;
    context.output.json(&json!({"event": "done", "ok": true, "seconds": (secs * 1000.0).round() / 1000.0}))?;
    Ok(Outcome::Done)
}

fn require_empty(root: &Path) -> Result<()> {
    match OsFolder::open(root)?.list(&RelPath::root())?.is_empty() {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::Usage, format!("{} is not empty", shown(root)))),
    }
}

/// Removes the demo's own folder with all that it holds; links are removed, never followed.
fn remove_all(root: &Path) -> Result<()> {
    let folder = OsFolder::open(root)?;
    remove_below(&folder, &RelPath::root())?;
    let (Some(above), Some(name)) = (root.parent(), root.file_name()) else { return Ok(()) };
    let name = EntryName::new(name.as_encoded_bytes()).and_then(|name| RelPath::root().join(&name));
    let name = name.map_err(|error| Error::with_source(ErrorKind::Other, "cannot remove the demo's folder", error))?;
    Ok(OsFolder::open(above)?.remove_dir(&name)?)
}

fn remove_below(folder: &OsFolder, dir: &RelPath) -> Result<()> {
    for (name, stat) in folder.list(dir)? {
        let path = child(dir, &name)?;
        if stat?.kind == crate::disk::folder::FileKind::Dir {
            remove_below(folder, &path)?;
            folder.remove_dir(&path)?;
        } else {
            folder.remove_file(&path)?;
        }
    }
    Ok(())
}

fn child(dir: &RelPath, name: &EntryName) -> Result<RelPath> {
    dir.join(name).map_err(|error| Error::with_source(ErrorKind::Other, format!("cannot name {dir}/{name}"), error))
}

/// Returns the path of one of the demo's folders.
fn place(root: &Path, name: &str) -> PathBuf {
    root.join(name)
}
