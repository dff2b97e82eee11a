//! `agent status`: what the status file says, and whether the agent runs that wrote it.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::agent::document::STATUS_MAX_BYTES;
use crate::cli::args::agent::AgentStatusArgs;
use crate::cli::context::{Context, short_time};
use crate::cli::environment::machine_folder;
use crate::cli::outcome::Outcome;
use crate::cli::output::on_one_line;
use crate::disk::host::read_host_file;
use crate::disk::{Disk, LockKind, OsDisk};
use crate::error::{Error, ErrorKind, Result};

/// Shows how the agent of this person stands, or with none that of the machine.
///
/// # Errors
/// Those of reading the file.
pub fn run(args: &AgentStatusArgs, context: &Context) -> Result<Outcome> {
    let own = context.settings.cache.as_ref().map(|cache| cache.join("agent")).filter(|_| !args.system);
    let places = own.into_iter().chain([machine_folder().join("agent")]);
    for place in places {
        let Some(bytes) = read_host_file(&place.join("status.json"), STATUS_MAX_BYTES)? else { continue };
        let damaged = |error| Error::with_source(ErrorKind::Other, "cannot read the status file", error);
        let mut document: Map<String, Value> = serde_json::from_slice(&bytes).map_err(damaged)?;
        let is_running = is_held(&place);
        document.insert("running".to_owned(), json!(is_running));
        let document = Value::Object(document);
        show(&document, is_running, context)?;
        context.output.json(&document)?;
        return Ok(Outcome::Done);
    }
    context.output.text("no agent ran here yet: `chunkstore agent install` makes it a service")?;
    context.output.json(&json!({"running": false, "volumes": [], "keys": []}))?;
    Ok(Outcome::Done)
}

/// Returns whether an agent holds its lock; looking takes it for a moment, and never keeps an agent from starting for longer.
fn is_held(place: &Path) -> Option<bool> {
    let name = crate::base::StorePath::new("lock").ok()?;
    let lock = OsDisk::open(place).ok()?.lock(&name, LockKind::Shared).ok()?;
    Some(lock.is_none())
}

fn show(document: &Value, is_running: Option<bool>, context: &Context) -> Result<()> {
    let output = &context.output;
    let text = |value: &Value| value.as_str().map_or_else(|| "-".to_owned(), on_one_line);
    let time = |value: &Value| {
        value.as_str().map_or_else(|| "never".to_owned(), |time| on_one_line(&short_time(time.to_owned())))
    };
    let running = match is_running {
        Some(true) => "running",
        Some(false) => "not running",
        None => "not known",
    };
    output.field("agent", format!("{running}, status of {}", time(&document["updated"])))?;
    for volume in list(&document["volumes"]) {
        let mut line = text(&volume["stage"]);
        if let Some(percent) = volume["percent"].as_u64() {
            line.push_str(&format!(" {percent} %: you may unplug it at any time"));
        }
        if volume["why"].is_string() {
            line.push_str(&format!(" ({}) until {}", text(&volume["why"]), time(&volume["next"])));
        }
        output.field("volume", format!("{}  {line}", text(&volume["path"])))?;
        if volume["message"].is_string() {
            output.field("", text(&volume["message"]))?;
        }
    }
    for key in list(&document["keys"]) {
        let generation = key["generation"].as_u64().map_or_else(|| "-".to_owned(), |generation| generation.to_string());
        let (id, result) = (text(&key["replica_id"]), text(&key["result"]));
        let line = format!("{id}  {result}, generation {generation}, last up to date {}", time(&key["last_good"]));
        output.field("key", line)?;
        if key["no_receipt"].is_string() {
            output.field("", text(&key["no_receipt"]))?;
        }
    }
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
