//! `agent`: the surface around [`crate::agent`]: configuration, notices, status file, service.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::agent::{AgentArgs, AgentRunArgs, AgentVerb, WhichStores};
use super::context::Context;
use super::outcome::Outcome;
use super::signals;
use crate::agent::document::{STATUS_MAX_BYTES, records_in};
use crate::agent::rules::{Rules, Stores};
use crate::agent::run::Agent;
use crate::agent::supervisor::Supervisor;
use crate::agent::volumes::Volumes;
use crate::base::StorePath;
use crate::disk::host::read_host_file;
use crate::disk::{Disk, DiskErrorKind, Lock, LockKind, OsDisk};
use crate::error::{Error, ErrorKind, Result};
use host::CliHost;

mod desktop;
mod host;
mod metered;
pub mod section;
mod service;
mod status;

/// Runs what the command line says.
///
/// # Errors
/// Those of the verb.
pub fn run(args: &AgentArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        #[cfg(windows)]
        AgentVerb::Run(args) if args.service => service::run(args, context),
        AgentVerb::Run(args) => watch(args, context, None, listen_to_signals),
        AgentVerb::Install(args) => service::install(args, context),
        AgentVerb::Uninstall(args) => service::uninstall(args, context),
        AgentVerb::Status(args) => status::run(args, context),
    }
}

/// Something that is called whenever somebody wants it.
type Call = Box<dyn Fn() + Send>;

fn listen_to_signals(stop: Call, reload: Call) -> Result<()> {
    signals::each(stop, reload)
}

/// Runs the agent until whoever `listen` hears wants it to end: it is given how to stop the agent, and how to have it read its
/// configuration again.
fn watch(
    args: &AgentRunArgs,
    context: &Context,
    supervisor: Option<Supervisor>,
    listen: impl FnOnce(Call, Call) -> Result<()>,
) -> Result<Outcome> {
    let place = folder(context)?;
    let _lock =
        lock(&place)?.ok_or_else(|| Error::new(ErrorKind::Locked, "another agent runs on this host already"))?;
    for fault in &context.settings.config_faults {
        context.notices.line(&format!("chunkstore: {fault}"));
    }
    let stores = chosen(&args.which)?;
    let rules = rules(context, stores.as_ref())?;
    let source = source(args)?;
    let file = place.join("status.json");
    let known = read_host_file(&file, STATUS_MAX_BYTES).ok().flatten().unwrap_or_default();
    let host = CliHost::new(context, file, stores, source.name())?;
    let host = Arc::new(match supervisor {
        Some(supervisor) => host.under(supervisor),
        None => host,
    });
    let agent = Agent::new(host, rules, records_in(&known));
    let (stop, reload) = (agent.handle(), agent.handle());
    listen(Box::new(move || stop.stop()), Box::new(move || reload.reload()))?;
    agent.run(source)?;
    Ok(Outcome::Done)
}

/// Returns the agent's folder on this host.
fn folder(context: &Context) -> Result<PathBuf> {
    let none = || Error::new(ErrorKind::Usage, "there is no cache folder here: name one by --cache");
    Ok(context.settings.cache.as_ref().ok_or_else(none)?.join("agent"))
}

/// Takes the lock that one agent of a host holds; nothing where another has it.
fn lock(place: &std::path::Path) -> Result<Option<Box<dyn Lock>>> {
    let disk = OsDisk::create(place)?;
    let name = StorePath::new("lock").map_err(|error| Error::with_source(ErrorKind::Other, "cannot lock", error))?;
    match disk.create_new(&name) {
        Err(error) if error.kind != DiskErrorKind::Exists => return Err(error.into()),
        _ => {}
    }
    Ok(disk.lock(&name, LockKind::Exclusive)?)
}

/// Returns the stores that were typed, if any were.
fn chosen(which: &WhichStores) -> Result<Option<Stores>> {
    match (which.any, which.stores.is_empty()) {
        (true, _) => Ok(Some(Stores::Any)),
        (false, true) => Ok(None),
        (false, false) => section::parse_ids(&which.stores).map(Some),
    }
}

fn rules(context: &Context, stores: Option<&Stores>) -> Result<Rules> {
    let mut rules = context.settings.config.agent.rules().map_err(|error| error.within("cannot use [agent]"))?;
    if let Some(stores) = stores {
        rules.stores = stores.clone();
    }
    if rules.stores == Stores::Listed([].into()) {
        let text =
            "no store is known: name store ids, or --any, here or as `stores` in [agent] of the configuration file";
        return Err(Error::new(ErrorKind::Usage, text));
    }
    Ok(rules)
}

#[cfg(target_os = "linux")]
fn source(args: &AgentRunArgs) -> Result<Box<dyn Volumes>> {
    use crate::agent::volumes::linux::{Folders, Plugged};
    Ok(match &args.volumes {
        Some(dir) => Box::new(Folders { dir: super::environment::absolute(dir) }),
        None => Box::new(Plugged),
    })
}

#[cfg(windows)]
fn source(args: &AgentRunArgs) -> Result<Box<dyn Volumes>> {
    use crate::agent::volumes::windows::{Folders, Plugged};
    Ok(match &args.volumes {
        Some(dir) => Box::new(Folders { dir: super::environment::absolute(dir) }),
        None => Box::new(Plugged),
    })
}

#[cfg(not(any(target_os = "linux", windows)))]
fn source(_: &AgentRunArgs) -> Result<Box<dyn Volumes>> {
    Err(Error::new(ErrorKind::Other, "this system has no source of volumes yet"))
}
