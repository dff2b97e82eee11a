//! The verbs: each turns its arguments into what an op takes, runs it, and shows what came of it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::args::Verb;
use super::context::{Context, STALE, Shape, short_time};
use super::outcome::Outcome;
use crate::base::monitor::Problem;
use crate::base::{ObjectId, RelPath, StoreId};
use crate::disk::host::real_path;
use crate::disk::{Disk, Medium};
use crate::error::{ErrorKind, Result};
use crate::ops::host_state::Accepted;
use crate::ops::receipt::{self, RunEnd};
use crate::ops::transfer::stage::Held;
use crate::remote::Remote;

mod browse;
mod cat;
mod clone;
mod commit;
mod complete;
mod completions;
mod diff;
mod export;
mod find;
mod fleet;
mod forget;
mod gc;
mod init;
mod key;
mod log;
mod ls;
mod man;
#[cfg(target_os = "linux")]
mod mount;
mod passphrase;
mod purge;
mod push;
mod reader;
mod remote;
mod repair;
mod restore;
mod root;
mod serve;
mod stats;
mod status;
mod sync;
mod trust;
mod verify;
mod version;
mod writer;

/// Runs a verb.
///
/// # Errors
/// Those of the op.
pub fn run(verb: &Verb, context: &Context) -> Result<Outcome> {
    let outcome = carry_out(verb, context)?;
    // Whoever reads was told when the store was opened; whoever changes or checks it is told how it stands now.
    let changes = matches!(verb, Verb::Commit(_) | Verb::Forget(_) | Verb::Push(_) | Verb::Sync(_));
    if changes || matches!(verb, Verb::Verify(_) | Verb::Repair(_) | Verb::Gc(_) | Verb::Purge(_)) {
        // What the verb did stands, so a store that does not open now is for the next one to tell of.
        let _ = context.store();
    }
    Ok(outcome)
}

fn carry_out(verb: &Verb, context: &Context) -> Result<Outcome> {
    match verb {
        Verb::Init(args) => init::run(args, context),
        Verb::Commit(args) => commit::run(args, context),
        Verb::Push(args) => push::run(args, context),
        Verb::Clone(args) => clone::run(args, context),
        Verb::Sync(args) => sync::run(args, context),
        Verb::Status(args) => status::run(args, context),
        Verb::Log(_) => log::run(context),
        Verb::Ls(args) => ls::run(args, context),
        Verb::Cat(args) => cat::run(args, context),
        Verb::Find(args) => find::run(args, context),
        Verb::Diff(args) => diff::run(args, context),
        Verb::Stats(args) => stats::run(args, context),
        Verb::Export(args) => export::run(args, context),
        Verb::Restore(args) => restore::run(args, context),
        #[cfg(target_os = "linux")]
        Verb::Mount(args) => mount::run(args, context),
        Verb::Browse(args) => browse::run(args, context),
        Verb::Verify(args) => verify::run(args, context),
        Verb::Repair(args) => repair::run(args, context),
        Verb::Forget(args) => forget::run(args, context),
        Verb::Purge(args) => purge::run(args, context),
        Verb::Gc(args) => gc::run(args, context),
        Verb::Writer(args) => writer::run(args, context),
        Verb::Root(args) => root::run(args, context),
        Verb::Trust(args) => trust::run(args, context),
        Verb::Fleet(args) => fleet::run(args, context),
        Verb::Reader(args) => reader::run(args, context),
        Verb::Key(args) => key::run(args, context),
        Verb::Agent(args) => super::agent::run(args, context),
        Verb::Remote(args) => remote::run(args, context),
        Verb::Serve(args) => serve::run(args, context),
        Verb::Demo(args) => super::demo::run(args, context),
        Verb::Completions(args) => completions::run(args, context),
        Verb::Complete(args) => complete::run(args, context),
        Verb::Man(args) => man::run(args, context),
        Verb::Version(_) => version::run(context),
    }
}

/// Returns what of this program's own lies below a folder, whose path holds no link: the store, its keys, its cache; each
/// with its path there.
fn own_paths_below(folder: &Path, id: StoreId, context: &Context) -> Vec<(PathBuf, RelPath)> {
    let settings = &context.settings;
    let of_store = |dir: &Option<PathBuf>| dir.as_ref().map(|dir| dir.join(id.to_string()));
    let store = Some(context.store_path());
    let own = [store, of_store(&settings.keys), of_store(&settings.root_keys), of_store(&settings.cache)];
    let below = |path: PathBuf| {
        let below: Vec<&[u8]> = path.strip_prefix(folder).ok()?.iter().map(OsStr::as_encoded_bytes).collect();
        let below = RelPath::new(&below.join(&b'/')).ok().filter(|below| !below.is_root())?;
        Some((path, below))
    };
    own.into_iter().flatten().filter_map(|path| real_path(&path)).filter_map(below).collect()
}

/// Returns the media that a verb needs until its end.
pub fn media(verb: &Verb, context: &Context) -> Vec<Medium> {
    let with_store = |paths: &[PathBuf]| [&[context.store_path()], paths].concat();
    let paths = match verb {
        Verb::Init(args) => vec![args.path.clone()],
        Verb::Clone(args) => vec![args.path.clone()],
        Verb::Commit(args) => with_store(&args.folders),
        Verb::Restore(args) => with_store(std::slice::from_ref(&args.target)),
        // An address that is no path stands for the working directory, which costs nothing but a look.
        Verb::Push(args) => {
            let remote = context.settings.push_remote(args.remote.as_deref());
            with_store(remote.map(PathBuf::from).as_slice())
        }
        Verb::Sync(_) | Verb::Status(_) | Verb::Log(_) | Verb::Ls(_) | Verb::Cat(_) => with_store(&[]),
        Verb::Reader(_) | Verb::Key(_) | Verb::Fleet(_) => with_store(&[]),
        Verb::Verify(_) | Verb::Repair(_) | Verb::Gc(_) | Verb::Forget(_) | Verb::Purge(_) => with_store(&[]),
        Verb::Writer(_) | Verb::Root(_) | Verb::Trust(_) => with_store(&[]),
        Verb::Find(_) | Verb::Diff(_) | Verb::Stats(_) | Verb::Export(_) => with_store(&[]),
        Verb::Agent(_)
        | Verb::Remote(_)
        | Verb::Completions(_)
        | Verb::Complete(_)
        | Verb::Man(_)
        | Verb::Version(_) => vec![],
        Verb::Serve(_) | Verb::Demo(_) => vec![],
        // These look after their medium themselves, so that they end well when that goes away.
        Verb::Browse(_) => vec![],
        #[cfg(target_os = "linux")]
        Verb::Mount(_) => vec![],
    };
    paths.iter().map(|path| Medium::below(path)).collect()
}

/// Returns what came of a run that carried on past what is damaged.
fn past_damage(damaged: u64) -> Outcome {
    if damaged > 0 { Outcome::Found(ErrorKind::Corrupt) } else { Outcome::Done }
}

/// Shortens a snapshot's id for people.
fn short_id(id: &ObjectId) -> String {
    let mut text = id.to_string();
    text.truncate(12);
    text
}

/// Returns a way back that a person took as it stands in a document.
/// Gives a receipt of a run that has ended, and returns whether a remote took it; where none did, says why and no more.
fn give_receipt(
    disk: &Arc<dyn Disk>,
    remotes: &[Arc<dyn Remote>],
    first: Option<&str>,
    end: RunEnd,
    context: &Context,
) -> Option<bool> {
    let sent = context.start(Shape::Events).and_then(|progress| {
        let sent = receipt::send(disk, remotes, first, end, context.run(&progress));
        progress.finish();
        sent
    });
    if let Err(error) = &sent {
        let error = format!("cannot give a receipt: {}", error.in_full());
        context.notices.line(&format!("chunkstore: {error}"));
    }
    Some(sent.is_ok())
}

fn accepted_object(accepted: &Accepted) -> Value {
    let Accepted { time, remote, from, to } = accepted;
    json!({"time": time.to_string(), "remote": remote, "from": from.0, "to": to.0})
}

fn held_object((generation, group): &Held) -> Value {
    json!({"generation": generation.0, "group": group.to_string()})
}

/// Returns problems as they stand in a document.
fn problems(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(|problem| json!({"subject": problem.subject, "reason": problem.reason})).collect()
}

/// Puts a list of paths into a document, those that are no UTF-8 in hex under a name of their own.
fn insert_paths(object: &mut Map<String, Value>, name: &str, list: &[RelPath]) {
    let (mut paths, mut paths_hex) = (Vec::new(), Vec::new());
    for path in list {
        let bytes = [b"/", path.as_bytes()].concat();
        match String::from_utf8(bytes) {
            Ok(text) => paths.push(text),
            Err(foreign) => paths_hex.push(hex::encode(foreign.as_bytes())),
        }
    }
    object.insert(name.to_owned(), json!(paths));
    if !paths_hex.is_empty() {
        object.insert(format!("{name}_hex"), json!(paths_hex));
    }
}
