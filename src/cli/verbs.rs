//! The verbs: each turns its arguments into what an op takes, runs it, and shows what came of it.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::Verb;
use super::context::Context;
use super::outcome::Outcome;
use crate::base::monitor::Problem;
use crate::disk::Medium;
use crate::error::Result;

mod cat;
mod clone;
mod commit;
mod init;
mod log;
mod ls;
mod push;
mod remote;
mod restore;
#[cfg(unix)]
mod serve;
mod status;
mod sync;
mod verify;
mod version;

/// Runs a verb.
///
/// # Errors
/// Those of the op.
pub fn run(verb: &Verb, context: &Context) -> Result<Outcome> {
    match verb {
        Verb::Init(args) => init::run(args, context),
        Verb::Commit(args) => commit::run(args, context),
        Verb::Push(args) => push::run(args, context),
        Verb::Clone(args) => clone::run(args, context),
        Verb::Sync(args) => sync::run(args, context),
        Verb::Status(_) => status::run(context),
        Verb::Log(_) => log::run(context),
        Verb::Ls(args) => ls::run(args, context),
        Verb::Cat(args) => cat::run(args, context),
        Verb::Restore(args) => restore::run(args, context),
        Verb::Verify(args) => verify::run(args, context),
        Verb::Remote(args) => remote::run(args, context),
        #[cfg(unix)]
        Verb::Serve(args) => serve::run(args, context),
        #[cfg(unix)]
        Verb::Demo(args) => super::demo::run(args, context),
        Verb::Version(_) => version::run(context),
    }
}

/// Returns the media that a verb needs until its end.
pub fn media(verb: &Verb, context: &Context) -> Vec<Medium> {
    let store = || Some(context.store_path());
    let paths = match verb {
        Verb::Init(args) => [Some(args.path.clone()), None],
        Verb::Clone(args) => [Some(args.path.clone()), None],
        Verb::Commit(args) => [store(), Some(args.folder.clone())],
        Verb::Restore(args) => [store(), Some(args.target.clone())],
        // An address that is no path stands for the working directory, which costs nothing but a look.
        Verb::Push(args) => [store(), args.remote.as_ref().map(PathBuf::from)],
        Verb::Sync(_) | Verb::Status(_) | Verb::Log(_) | Verb::Ls(_) | Verb::Cat(_) | Verb::Verify(_) => {
            [store(), None]
        }
        Verb::Remote(_) | Verb::Version(_) => [None, None],
        #[cfg(unix)]
        Verb::Serve(_) | Verb::Demo(_) => [None, None],
    };
    paths.into_iter().flatten().map(|path| Medium::below(&path)).collect()
}

/// Returns problems as they stand in a document.
fn problems(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(|problem| json!({"subject": problem.subject, "reason": problem.reason})).collect()
}

/// Shortens an RFC 3339 time to whole seconds for people; it stays UTC.
fn short_time(mut text: String) -> String {
    if let Some(dot) = text.find('.') {
        text.truncate(dot);
    }
    text.replace('T', " ")
}
