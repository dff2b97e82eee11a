//! `version`.

use serde_json::json;

use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::error::Result;

/// Shows the version.
///
/// # Errors
/// Those of stdout.
pub fn run(context: &Context) -> Result<Outcome> {
    let version = env!("CARGO_PKG_VERSION");
    context.output.text(format!("chunkstore {version}"))?;
    context.output.json(&json!({"version": version}))?;
    Ok(Outcome::Done)
}
