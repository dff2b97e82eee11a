//! `commit`: folders become a snapshot; what could not be read is listed.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::base::units::show_size;
use crate::base::{EntryName, RelPath, StoreId};
use crate::cli::args::CommitArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::host::{read_host_file, real_path};
use crate::disk::{Folder, OsFolder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::{Excludes, SeveralFolders};
use crate::ops::commit::{CommitRequest, Committed, commit, preview};

/// Longest file of patterns.
const EXCLUDE_FILE_MAX_BYTES: u64 = 1 << 20;

/// Commits one folder or several.
///
/// # Errors
/// Those of the op.
pub fn run(args: &CommitArgs, context: &Context) -> Result<Outcome> {
    let excludes = excludes(args)?;
    let places = places(&args.folders)?;
    let (disk, store) = context.marked_disk()?;
    let excludes = excludes.and_paths(own_paths(&places, store, context)?);
    let folder = open(&places)?;
    let writer = context.writer_key(store)?;
    let request = CommitRequest {
        message: args.message.clone(),
        author: context.settings.author.clone(),
        tags: args.tag.clone(),
        excludes,
        writer: &writer,
        cache: context.settings.cache.as_deref(),
    };
    let progress = context.start(Shape::Document)?;
    let op = if args.dry_run { preview } else { commit };
    let done = op(disk, folder.as_ref(), &request, context.run(&progress));
    progress.finish();
    let named = args.folders.iter().map(|folder| shown(folder)).collect::<Vec<_>>().join(" and ");
    let done = done.map_err(|error| error.within(format!("cannot commit {named}")))?;
    show(&done, args.dry_run, context)?;
    Ok(if done.problems.is_empty() { Outcome::Done } else { Outcome::Partial })
}

/// Returns what is left out by patterns: those of files first, so that a flag has the last word.
fn excludes(args: &CommitArgs) -> Result<Excludes> {
    let mut patterns = Vec::new();
    for file in &args.exclude_from {
        patterns.extend(patterns_of(file)?);
    }
    patterns.extend_from_slice(&args.exclude);
    let excludes = Excludes::new(&patterns).map_err(|error| {
        let text = "--exclude and --exclude-from take patterns in gitignore's grammar";
        Error::with_source(ErrorKind::Usage, text, error)
    })?;
    Ok(if args.with_caches { excludes } else { excludes.and_caches() })
}

fn patterns_of(file: &Path) -> Result<Vec<String>> {
    let usage = |why: &str| Error::new(ErrorKind::Usage, format!("cannot use --exclude-from {}: {why}", shown(file)));
    let bytes = read_host_file(file, EXCLUDE_FILE_MAX_BYTES).map_err(|error| usage(&error.source.to_string()))?;
    let bytes = bytes.ok_or_else(|| usage("there is no such file"))?;
    let text = String::from_utf8(bytes).map_err(|_| usage("it is not UTF-8 text"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    Ok(lines.map(str::to_owned).collect())
}

/// A folder and the path that it has in the snapshot.
struct Place {
    folder: PathBuf,
    at: RelPath,
}

/// Returns where each folder goes: a single one is the root, of several each has its own name.
fn places(folders: &[PathBuf]) -> Result<Vec<Place>> {
    if let [only] = folders {
        return Ok(vec![Place { folder: only.clone(), at: RelPath::root() }]);
    }
    let mut places: Vec<Place> = Vec::new();
    for folder in folders {
        let at = RelPath::root().join(&name_of(folder)?).map_err(|error| no_name(folder, &error.to_string()))?;
        if let Some(same) = places.iter().find(|place| place.at == at) {
            let (one, two) = (shown(&same.folder), shown(folder));
            let text = format!(
                "{one} and {two} would both be {at} in the snapshot: rename one, or commit a folder above both with \
                 --exclude for the rest"
            );
            return Err(Error::new(ErrorKind::Usage, text));
        }
        places.push(Place { folder: folder.clone(), at });
    }
    Ok(places)
}

/// Returns a folder's own name; that of `.` or of a path that ends in `..` is the name of what it means.
fn name_of(folder: &Path) -> Result<EntryName> {
    let real = folder.file_name().is_none().then(|| real_path(folder)).flatten();
    let name = folder.file_name().or_else(|| real.as_deref().and_then(Path::file_name));
    let name = name.map(OsStr::as_encoded_bytes).ok_or_else(|| no_name(folder, "it has no name of its own"))?;
    EntryName::new(name).map_err(|error| no_name(folder, &error.to_string()))
}

fn no_name(folder: &Path, why: &str) -> Error {
    let text = format!("cannot commit {} beside others: {why}; commit it alone", shown(folder));
    Error::new(ErrorKind::Usage, text)
}

fn open(places: &[Place]) -> Result<Box<dyn Folder>> {
    let open_one = |place: &Place| {
        OsFolder::open(&place.folder)
            .map_err(|error| Error::from(error).within(format!("cannot commit {}", shown(&place.folder))))
    };
    if let [only] = places {
        return Ok(Box::new(open_one(only)?));
    }
    let mut folders = BTreeMap::new();
    for place in places {
        if let Some((_, name)) = place.at.split_last() {
            folders.insert(name, open_one(place)?);
        }
    }
    Ok(Box::new(SeveralFolders::new(folders)))
}

/// Returns what of this program's own lies in the folders and is left out: the store, whose packs would grow with every
/// commit, the keys, which every reader of the snapshot would hold, and the cache, which changes while it is read.
fn own_paths(places: &[Place], id: StoreId, context: &Context) -> Result<Vec<RelPath>> {
    let store = context.store_path();
    let mut paths = Vec::new();
    for place in places {
        let Some(folder) = real_path(&place.folder) else { continue };
        if real_path(&store).is_some_and(|store| folder.starts_with(store)) {
            let text = format!("the folder to commit, {}, lies in the store", shown(&place.folder));
            return Err(Error::new(ErrorKind::Usage, text));
        }
        for (own, below) in super::own_paths_below(&folder, id, context) {
            context.notices.line(&format!("chunkstore: {} is this program's own and is left out", shown(&own)));
            paths.extend(below.names().try_fold(place.at.clone(), |path, name| path.join(&name)));
        }
    }
    Ok(paths)
}

fn show(done: &Committed, dry_run: bool, context: &Context) -> Result<()> {
    let output = &context.output;
    let (totals, changes) = (&done.totals, &done.changes);
    let counts = format!("{} files, {}", totals.files, show_size(totals.bytes));
    if done.changed && dry_run {
        output.text("a commit would make a snapshot; nothing was written")?;
        output.field("holds", counts)?;
        output.field("new", show_size(done.new_bytes))?;
        let text = format!("{} new entries, {} files read, {} entries gone", changes.new, changes.read, changes.gone);
        output.field("changes", text)?;
    } else if done.changed {
        output.field("snapshot", done.snapshot.to_string())?;
        output.field("generation", done.generation.to_string())?;
        output.field("holds", counts)?;
        output.field("new", show_size(done.new_bytes))?;
    } else {
        let made = if dry_run { "would be" } else { "was" };
        output.text(format!("nothing changed, so no snapshot {made} made: the newest holds {counts}"))?;
        if done.new_bytes > 0 {
            let is = if dry_run { "would be" } else { "is" };
            output.text(format!("what the store had lost of it {is} stored again: {}", show_size(done.new_bytes)))?;
        }
    }
    // Nothing was committed ever, and the folder is empty: there is no snapshot to name.
    let named = done.snapshot.as_bytes().iter().any(|&byte| byte != 0);
    output.json(&json!({
        "snapshot": if named { Value::from(done.snapshot.to_string()) } else { Value::Null },
        "generation": done.generation.0,
        "changed": done.changed,
        "dry_run": dry_run,
        "files": totals.files,
        "bytes": totals.bytes,
        "new_bytes": done.new_bytes,
        "new_entries": changes.new,
        "read_files": changes.read,
        "gone_entries": changes.gone,
        "problems": super::problems(&done.problems),
    }))
}
