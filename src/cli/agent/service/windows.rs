//! The agent as a service of Windows: the machine's, under an account of few rights, with a folder of its own in `ProgramData`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use serde_json::json;

use super::super::{Call, chosen, watch};
use crate::agent::event_log::{EventLog, Severity, add_source, remove_source};
use crate::agent::service::{self, Order, SERVICE_NAME, Service};
use crate::agent::supervisor::Supervisor;
use crate::cli::args::agent::{AgentInstallArgs, AgentRunArgs, AgentUninstallArgs, WhoseService};
use crate::cli::context::Context;
use crate::cli::environment::{home, machine_folder, program};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::disk::host::{create_service_dirs, real_path};
use crate::error::{Error, ErrorKind, Result};

/// Makes the folder, names the service to the event log, makes it and starts it.
///
/// # Errors
/// [`ErrorKind::Usage`] for an id that is none, or for what only systemd has; [`ErrorKind::Other`] where Windows refuses.
pub fn install(args: &AgentInstallArgs, context: &Context) -> Result<Outcome> {
    chosen(&args.which)?;
    require_machine(&args.whose, args.root.as_deref())?;
    let (program, folder) = (program()?, machine_folder());
    let arguments = arguments(args);
    if args.print {
        let line: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
        context.output.text(format!("{} {}", shown(&program), line.join(" ")))?;
        context.output.json(&json!({"program": program.to_string_lossy(), "arguments": line}))?;
        return Ok(Outcome::Done);
    }
    require_reachable(&program)?;
    create_service_dirs(&folder, &folder.join("agent"))?;
    add_source()?;
    service::install(program, arguments)?;
    let config = folder.join("config.toml");
    context.output.text(format!("installed and started the service {SERVICE_NAME}; it reads {}", shown(&config)))?;
    context.output.json(&json!({"service": SERVICE_NAME, "started": true, "config": config.to_string_lossy()}))?;
    Ok(Outcome::Done)
}

/// Ends the service, and takes it away; what it remembers and its configuration stay.
///
/// # Errors
/// As [`install`].
pub fn uninstall(args: &AgentUninstallArgs, context: &Context) -> Result<Outcome> {
    require_machine(&args.whose, args.root.as_deref())?;
    let was_there = service::uninstall()?;
    remove_source();
    let verb = if was_there { "removed the" } else { "there is no" };
    context.output.text(format!("{verb} service {SERVICE_NAME}"))?;
    context.output.json(&json!({"service": SERVICE_NAME, "removed": was_there}))?;
    Ok(Outcome::Done)
}

/// Runs the agent for the service manager that started this process.
///
/// # Errors
/// [`ErrorKind::Usage`] where none did, and those of the agent, which go to the event log as well.
pub fn run(args: &AgentRunArgs, context: &Context) -> Result<Outcome> {
    let (service, orders) = Service::report()?;
    let supervisor = Supervisor::manager(service.status());
    let ended = watch(args, context, Some(supervisor), |stop, reload| obey(orders, stop, reload));
    let exit_code = match &ended {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            EventLog::open().iter().for_each(|log| log.report(Severity::Error, &error.in_full()));
            error.kind().exit_code()
        }
    };
    service.end(exit_code);
    ended
}

/// Passes on what the manager wants, from a thread of its own.
fn obey(orders: Receiver<Order>, stop: Call, reload: Call) -> Result<()> {
    let listen = move || {
        for order in orders {
            match order {
                Order::Stop => stop(),
                Order::Reload => reload(),
            }
        }
    };
    let spawned = std::thread::Builder::new().name("orders".to_owned()).spawn(listen);
    spawned.map(drop).map_err(|error| Error::with_source(ErrorKind::Other, "cannot start a thread", error))
}

fn arguments(args: &AgentInstallArgs) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["agent", "run", "--service"].map(OsString::from).into();
    if args.which.any {
        words.push("--any".into());
    }
    words.extend(args.which.stores.iter().map(OsString::from));
    words
}

/// Refuses what only systemd has.
fn require_machine(whose: &WhoseService, root: Option<&Path>) -> Result<()> {
    if whose.user {
        let text = "on Windows the agent is a service of the machine; for yourself alone, have `chunkstore agent run` \
                    started when you log in";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    if root.is_some() {
        return Err(Error::new(ErrorKind::Usage, "--root is for units of systemd, which Windows has not"));
    }
    Ok(())
}

/// Refuses a program that the account of the service cannot read.
fn require_reachable(program: &Path) -> Result<()> {
    let real = |path: &Path| real_path(path).unwrap_or_else(|| path.to_owned());
    let lies_in = |dir: PathBuf| real(program).starts_with(real(&dir));
    if home().is_some_and(lies_in) {
        let text = format!(
            "the service cannot read {}, which lies in your own folder: put the program into C:\\Program Files\\chunkstore",
            shown(program)
        );
        return Err(Error::new(ErrorKind::Usage, text));
    }
    Ok(())
}
