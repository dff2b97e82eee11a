//! The verbs: each turns its arguments into what an op takes, runs it, and shows what came of it.

use serde_json::{Value, json};

use super::args::Verb;
use super::context::Context;
use super::outcome::Outcome;
use crate::base::monitor::Problem;
use crate::error::Result;

mod commit;
mod init;
mod remote;
#[cfg(unix)]
mod serve;
mod status;
mod version;

/// Runs a verb.
///
/// # Errors
/// Those of the op.
pub fn run(verb: &Verb, context: &Context) -> Result<Outcome> {
    match verb {
        Verb::Commit(args) => commit::run(args, context),
        Verb::Init(args) => init::run(args, context),
        Verb::Remote(args) => remote::run(args, context),
        Verb::Status(args) => status::run(args, context),
        #[cfg(unix)]
        Verb::Serve(args) => serve::run(args, context),
        Verb::Version(_) => version::run(context),
    }
}

/// Returns problems as they stand in a document.
fn problems(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(|problem| json!({"subject": problem.subject, "reason": problem.reason})).collect()
}
