//! `commit`: a folder becomes a snapshot; what could not be read is listed.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::units::show_size;
use crate::base::{RelPath, StoreId};
use crate::cli::args::CommitArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::OsFolder;
use crate::disk::host::real_path;
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Excludes;
use crate::ops::commit::{CommitRequest, Committed, commit};

/// Commits a folder.
///
/// # Errors
/// Those of the op.
pub fn run(args: &CommitArgs, context: &Context) -> Result<Outcome> {
    let excludes = Excludes::new(&args.exclude).map_err(|error| {
        Error::with_source(ErrorKind::Usage, "--exclude takes patterns in gitignore's grammar", error)
    })?;
    let excludes = if args.with_caches { excludes } else { excludes.and_caches() };
    let (disk, store) = context.marked_disk()?;
    let excludes = excludes.and_paths(own_paths(args, store, context)?);
    let folder = OsFolder::open(&args.folder)
        .map_err(|error| Error::from(error).within(format!("cannot commit {}", shown(&args.folder))))?;
    let writer = context.writer_key(store)?;
    let request = CommitRequest {
        message: args.message.clone(),
        author: context.settings.author.clone(),
        tags: args.tag.iter().cloned().collect(),
        excludes,
        writer: &writer,
        cache: context.settings.cache.as_deref(),
    };
    let progress = context.start(Shape::Document)?;
    let done = commit(disk, &folder, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(|error| error.within(format!("cannot commit {}", shown(&args.folder))))?;
    show(&done, context)?;
    Ok(if done.problems.is_empty() { Outcome::Done } else { Outcome::Partial })
}

/// Returns what of this program's own lies in the folder and is left out: the store, whose packs would grow with every
/// commit, the keys, which every reader of the snapshot would hold, and the cache, which changes while it is read.
fn own_paths(args: &CommitArgs, id: StoreId, context: &Context) -> Result<Vec<RelPath>> {
    let Some(folder) = real_path(&args.folder) else { return Ok(Vec::new()) };
    let store = context.store_path();
    if real_path(&store).is_some_and(|store| folder.starts_with(store)) {
        let text = format!("the folder to commit, {}, lies in the store", shown(&args.folder));
        return Err(Error::new(ErrorKind::Usage, text));
    }
    let settings = &context.settings;
    let of_store = |dir: &Option<PathBuf>| dir.as_ref().map(|dir| dir.join(id.to_string()));
    let own = [Some(store), of_store(&settings.keys), of_store(&settings.root_keys), of_store(&settings.cache)];
    let mut paths = Vec::new();
    for path in own.into_iter().flatten().filter_map(|path| real_path(&path)) {
        let below = path.strip_prefix(&folder).ok().map(|below| below.as_os_str().as_encoded_bytes().to_vec());
        match below.map(|below| RelPath::new(&below)) {
            Some(Ok(below)) if !below.is_root() => {
                context.notices.line(&format!("chunkstore: {} is this program's own and is left out", shown(&path)));
                paths.push(below);
            }
            _ => {}
        }
    }
    Ok(paths)
}

fn show(done: &Committed, context: &Context) -> Result<()> {
    let output = &context.output;
    let totals = &done.totals;
    let counts = format!("{} files, {}", totals.files, show_size(totals.bytes));
    if done.changed {
        output.field("snapshot", done.snapshot.to_string())?;
        output.field("generation", done.generation.to_string())?;
        output.field("holds", counts)?;
        output.field("new", show_size(done.new_bytes))?;
    } else {
        output.text(format!("nothing changed, so no snapshot was made: the newest holds {counts}"))?;
    }
    // Nothing was committed ever, and the folder is empty: there is no snapshot to name.
    let named = done.snapshot.as_bytes().iter().any(|&byte| byte != 0);
    output.json(&json!({
        "snapshot": if named { Value::from(done.snapshot.to_string()) } else { Value::Null },
        "generation": done.generation.0,
        "changed": done.changed,
        "files": totals.files,
        "bytes": totals.bytes,
        "new_bytes": done.new_bytes,
        "problems": super::problems(&done.problems),
    }))
}
