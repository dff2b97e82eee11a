//! `restore`: files of a snapshot are written out; what is damaged or cannot be written is listed.

use std::path::Path;

use serde_json::{Map, json};

use crate::base::units::show_size;
use crate::base::{RelPath, StoreId};
use crate::cli::args::{OverwriteMode, RestoreArgs};
use crate::cli::context::{Context, Shape};
use crate::cli::environment::{absolute, home};
use crate::cli::outcome::Outcome;
use crate::cli::output::{put_path, shown};
use crate::disk::host::real_path;
use crate::disk::{DiskErrorKind, Folder, OsDisk, OsFolder};
use crate::error::{Error, ErrorKind, Result};
use crate::folder::Excludes;
use crate::ops::open::Spot;
use crate::ops::restore::{
    Act, Deletion, Overwrite, RestoreOptions, RestoreRequest, Restored, Selection, preview, restore,
};

/// Restores a part of a snapshot.
///
/// # Errors
/// Those of the op.
pub fn run(args: &RestoreArgs, context: &Context) -> Result<Outcome> {
    let spot = Spot::parse(args.path.as_encoded_bytes())?;
    let selection = selection(args)?;
    let store = context.store()?;
    let target = absolute(&args.target);
    let delete = args.delete.then(|| deletion(args, &target, store.id(), context)).transpose()?;
    let identities = context.identities_for(&store)?;
    // Nobody who cannot read the store gets an empty folder for it.
    store.unlock(&identities).map_err(|error| store.settle(error))?;
    let options = RestoreOptions {
        selection,
        overwrite: overwrite_of(args.overwrite),
        delete,
        verify: args.verify,
        ..RestoreOptions::default()
    };
    let request = RestoreRequest { spot, identities: &identities, owners: context.settings.privileged, options };
    let within = |error: Error| error.within(format!("cannot restore to {}", shown(&target)));
    if args.dry_run {
        return look(&request, &target, context).map_err(within);
    }
    let folder = open_target(&target)?;
    let progress = context.start(Shape::Document)?;
    let done = restore(context.copies()?, &folder, &request, context.run(&progress));
    progress.finish();
    let done = done.map_err(within)?;
    show(&done, &target, context)?;
    let mut document = counts(&done);
    document.insert("problems".to_owned(), json!(super::problems(&progress.problems().0)));
    context.output.json(&document.into())?;
    Ok(outcome_of(done))
}

/// Lists what would be done, a line or event each, and the counts at the end.
fn look(request: &RestoreRequest<'_>, target: &Path, context: &Context) -> Result<Outcome> {
    let folder = match OsFolder::open(target) {
        Ok(folder) => Some(folder),
        Err(error) if error.kind == DiskErrorKind::NotFound => None,
        Err(error) => return Err(Error::from(error).within("cannot use the target")),
    };
    let progress = context.start(Shape::Events)?;
    let output = &context.output;
    let mut tell = |act: Act, path: &RelPath| {
        let word = word_of(act);
        output.text(format!("{word:<8} {path}"))?;
        let mut event = Map::new();
        event.insert("event".to_owned(), json!(word));
        put_path(&mut event, &[b"/", path.as_bytes()].concat());
        output.json(&event.into())
    };
    let folder = folder.as_ref().map(|folder| folder as &dyn Folder);
    let found = preview(context.copies()?, folder, request, context.run(&progress), &mut tell);
    progress.finish();
    let found = found?;
    let size = show_size(found.bytes);
    output.text(format!("would write {} files, {size}, and remove {} entries", found.files, found.deleted))?;
    let mut last = counts(&found);
    last.insert("event".to_owned(), json!("done"));
    last.insert("dry_run".to_owned(), json!(true));
    output.json(&last.into())?;
    Ok(outcome_of(found))
}

fn word_of(act: Act) -> &'static str {
    match act {
        Act::Create => "create",
        Act::Replace => "replace",
        Act::Keep => "keep",
        Act::Skip => "skip",
        Act::Delete => "delete",
    }
}

fn selection(args: &RestoreArgs) -> Result<Selection> {
    let globs = |flag: &str, patterns: &[String]| {
        Excludes::new(patterns).map_err(|error| {
            Error::with_source(ErrorKind::Usage, format!("{flag} takes patterns in gitignore's grammar"), error)
        })
    };
    let include = (!args.include.is_empty()).then(|| globs("--include", &args.include)).transpose()?;
    Ok(Selection::new(include, globs("--exclude", &args.exclude)?))
}

fn overwrite_of(mode: OverwriteMode) -> Overwrite {
    match mode {
        OverwriteMode::Always => Overwrite::Always,
        OverwriteMode::IfChanged => Overwrite::IfChanged,
        OverwriteMode::IfNewer => Overwrite::IfNewer,
        OverwriteMode::Never => Overwrite::Never,
    }
}

/// Says how to remove from a target, and refuses one that nobody means: the root, a home, what holds one, a store.
fn deletion(args: &RestoreArgs, target: &Path, store: StoreId, context: &Context) -> Result<Deletion> {
    let Some(real) = real_path(target) else { return Ok(Deletion { force: args.yes, ..Deletion::default() }) };
    let usage = |why: String| Err(Error::new(ErrorKind::Usage, why));
    let shown_target = shown(target);
    if real_path(&context.store_path()).is_some_and(|store| real.starts_with(store)) {
        return usage(format!("--delete will not remove anything from {shown_target}, which lies in the store"));
    }
    let holds_home = home().and_then(|home| real_path(&home)).is_some_and(|home| home.starts_with(&real));
    if (real.parent().is_none() || holds_home) && !args.yes && !args.dry_run {
        let what = if holds_home { "is or holds your home folder" } else { "is the root of the file system" };
        let text = format!("--delete would remove from {shown_target}, which {what}: restore beside it, or add --yes");
        return usage(text);
    }
    let protected = super::own_paths_below(&real, store, context).into_iter().map(|(_, below)| below).collect();
    Ok(Deletion { protected, force: args.yes })
}

fn show(done: &Restored, target: &Path, context: &Context) -> Result<()> {
    let output = &context.output;
    output.text(format!("restored {} files, {} to {}", done.files, show_size(done.bytes), shown(target)))?;
    if done.unchanged + done.skipped > 0 {
        output.text(format!("unchanged: {}, left as they were: {}", done.unchanged, done.skipped))?;
    }
    if done.deleted > 0 {
        output.text(format!("removed: {}", done.deleted))?;
    }
    if done.damaged + done.left_alone > 0 {
        output.text(format!("left out for damage: {}, left alone: {}", done.damaged, done.left_alone))?;
    }
    if done.differing > 0 {
        output.text(format!("read back otherwise than written: {}", done.differing))?;
    }
    Ok(())
}

fn counts(done: &Restored) -> Map<String, serde_json::Value> {
    let fields = [
        ("files", done.files),
        ("bytes", done.bytes),
        ("unchanged", done.unchanged),
        ("skipped", done.skipped),
        ("deleted", done.deleted),
        ("damaged", done.damaged),
        ("differing", done.differing),
        ("left_alone", done.left_alone),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn open_target(target: &Path) -> Result<OsFolder> {
    let wrap = |error| Error::from(error).within(format!("cannot use the target {}", shown(target)));
    // Makes the folder; through its other door it is written.
    drop(OsDisk::create(target).map_err(wrap)?);
    OsFolder::open(target).map_err(wrap)
}

fn outcome_of(done: Restored) -> Outcome {
    let differing = if done.differing > 0 { Outcome::Found(ErrorKind::Other) } else { Outcome::Done };
    super::past_damage(done.damaged).and(differing).and(if done.left_alone > 0 {
        Outcome::Partial
    } else {
        Outcome::Done
    })
}
