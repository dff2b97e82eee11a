//! The agent as a service of systemd.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::json;

use super::super::chosen;
use crate::agent::unit::{UNIT_NAME, Whose, unit_text};
use crate::cli::args::agent::{AgentInstallArgs, AgentUninstallArgs, WhoseService};
use crate::cli::context::Context;
use crate::cli::environment::program;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::host::{remove_host_file, replace_host_file};
use crate::error::{Error, ErrorKind, Result};

const SYSTEM_UNITS: &str = "/etc/systemd/system";

/// Writes the unit, and starts it.
///
/// # Errors
/// [`ErrorKind::Usage`] for an id that is none; [`ErrorKind::Other`] where systemd refuses.
pub fn install(args: &AgentInstallArgs, context: &Context) -> Result<Outcome> {
    chosen(&args.which)?;
    let whose = whose(&args.whose, context);
    let mut arguments = vec!["agent".to_owned(), "run".to_owned()];
    if args.which.any {
        arguments.push("--any".to_owned());
    }
    arguments.extend(args.which.stores.iter().cloned());
    let text = unit_text(whose, &program()?, &arguments);
    if args.print {
        context.output.text(text.trim_end())?;
        context.output.json(&json!({"unit": text}))?;
        return Ok(Outcome::Done);
    }
    let file = unit_file(whose, args.root.as_deref(), context)?;
    replace_host_file(&file, text.as_bytes(), 0o644)?;
    let mut is_started = false;
    if args.root.is_none() {
        systemctl(whose, &["daemon-reload"])?;
        systemctl(whose, &["enable", "--now", UNIT_NAME])?;
        is_started = true;
    }
    context.output.text(format!("wrote {}{}", shown(&file), if is_started { ", and started it" } else { "" }))?;
    context.output.json(&json!({"unit_file": file.to_string_lossy(), "started": is_started}))?;
    Ok(Outcome::Done)
}

/// Ends the service, and takes its unit away.
///
/// # Errors
/// As [`install`].
pub fn uninstall(args: &AgentUninstallArgs, context: &Context) -> Result<Outcome> {
    let whose = whose(&args.whose, context);
    let file = unit_file(whose, args.root.as_deref(), context)?;
    if args.root.is_none() {
        // One that does not run, or is not known, is ended already.
        let _ = systemctl(whose, &["disable", "--now", UNIT_NAME]);
    }
    let was_there = remove_host_file(&file)?;
    if args.root.is_none() && was_there {
        systemctl(whose, &["daemon-reload"])?;
    }
    let verb = if was_there { "removed" } else { "there is no" };
    context.output.text(format!("{verb} {}", shown(&file)))?;
    context.output.json(&json!({"unit_file": file.to_string_lossy(), "removed": was_there}))?;
    Ok(Outcome::Done)
}

fn whose(args: &WhoseService, context: &Context) -> Whose {
    if args.system || (context.settings.privileged && !args.user) { Whose::System } else { Whose::User }
}

/// Returns where the unit lies, below another root where one is named.
fn unit_file(whose: Whose, root: Option<&Path>, context: &Context) -> Result<PathBuf> {
    let dir = match (whose, root) {
        (Whose::System, _) => PathBuf::from(SYSTEM_UNITS),
        // In an image there are no people yet.
        (Whose::User, Some(_)) => PathBuf::from("/etc/systemd/user"),
        (Whose::User, None) => {
            let none = || Error::new(ErrorKind::Usage, "there is no configuration folder here for a unit");
            context.settings.service.unit_dir.clone().ok_or_else(none)?
        }
    };
    let file = dir.join(UNIT_NAME);
    Ok(root.map_or_else(|| file.clone(), |root| root.join(file.strip_prefix("/").unwrap_or(&file))))
}

fn systemctl(whose: Whose, arguments: &[&str]) -> Result<()> {
    let refused = |why: String| {
        let line = format!("systemctl {}", arguments.join(" "));
        Error::new(ErrorKind::Other, format!("the unit is written, but {line} did not do: {why}"))
    };
    let mut command = Command::new("systemctl");
    if whose == Whose::User {
        command.arg("--user");
    }
    let ran = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).output();
    let ran = ran.map_err(|error| refused(error.to_string()))?;
    if ran.status.success() {
        return Ok(());
    }
    Err(refused(String::from_utf8_lossy(&ran.stderr).trim().chars().take(300).collect()))
}
