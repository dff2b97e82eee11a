//! The raw command line of `agent`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `agent`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore agent install --user STORE_ID
  chunkstore agent status
  chunkstore agent run --any --volumes /run/media/me

A known key is a store that has its trust pinned, knows its remote, and is listed here or in the section
[agent] of the configuration file. Anything else that is plugged in is looked at and never written to.")]
pub struct AgentArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: AgentVerb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum AgentVerb {
    /// Waits for keys and syncs them, until it is told to end
    #[command(after_help = "Example:\n  chunkstore agent run --any\n\nSIGHUP makes it read its configuration again.")]
    Run(AgentRunArgs),
    /// Makes it a service that starts by itself: of systemd, or of Windows
    #[command(after_help = "\
Example:
  chunkstore agent install --user 3f2a..
  chunkstore agent install --system --any
  chunkstore agent install --system --any --print")]
    Install(AgentInstallArgs),
    /// Ends the service and takes it away
    #[command(after_help = "Example:\n  chunkstore agent uninstall --user")]
    Uninstall(AgentUninstallArgs),
    /// Shows what is plugged in, what goes on, and which keys were seen
    #[command(after_help = "Example:\n  chunkstore agent status --json")]
    Status(AgentStatusArgs),
}

/// Which stores.
#[derive(Debug, Args)]
pub struct WhichStores {
    /// Ids of stores that are synced [default: what the configuration file lists]
    #[arg(value_name = "STORE_ID", conflicts_with = "any")]
    pub stores: Vec<String>,
    /// Syncs every store that has its trust pinned and knows its remote
    #[arg(long)]
    pub any: bool,
}

/// `agent run`.
#[derive(Debug, Args)]
pub struct AgentRunArgs {
    /// Which stores.
    #[command(flatten)]
    pub which: WhichStores,
    /// Takes every folder in this directory for a volume, in place of what the system tells
    #[arg(long, value_name = "DIR")]
    pub volumes: Option<PathBuf>,
    /// Reports to the service manager, which alone starts it so
    #[cfg(windows)]
    #[arg(long, hide = true)]
    pub service: bool,
}

/// Whose service.
#[derive(Debug, Args)]
pub struct WhoseService {
    /// Yours, while you are logged in [default unless run by root]
    #[arg(long, conflicts_with = "system")]
    pub user: bool,
    /// The machine's
    #[arg(long)]
    pub system: bool,
}

/// `agent install`.
#[derive(Debug, Args)]
pub struct AgentInstallArgs {
    /// Which stores.
    #[command(flatten)]
    pub which: WhichStores,
    /// Whose service.
    #[command(flatten)]
    pub whose: WhoseService,
    /// Writes the unit to stdout, and nothing else
    #[arg(long)]
    pub print: bool,
    /// Writes the unit below this directory and starts nothing, as for an image
    #[arg(long, value_name = "DIR", conflicts_with = "print")]
    pub root: Option<PathBuf>,
}

/// `agent uninstall`.
#[derive(Debug, Args)]
pub struct AgentUninstallArgs {
    /// Whose service.
    #[command(flatten)]
    pub whose: WhoseService,
    /// Takes the unit away below this directory and ends nothing
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,
}

/// `agent status`.
#[derive(Debug, Args)]
pub struct AgentStatusArgs {
    /// The machine's agent, whoever asks
    #[arg(long)]
    pub system: bool,
}
