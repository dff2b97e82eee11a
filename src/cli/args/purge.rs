//! The raw command line of `purge`.

use std::ffi::OsString;

use clap::{Args, Subcommand};

/// `purge`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Example:
  chunkstore purge /private/letter.txt --plan --store pub --keys k
  chunkstore purge /private/letter.txt --approve 3f2a.. --store pub --keys k
  chunkstore push --store pub --keys k
  chunkstore purge status --store pub --keys k

It begins with a plan, and carries out that very plan once somebody has said yes to it, here or by
--approve. Until the new generation is made Ctrl-C leaves everything as it was. The folder that was
committed keeps the file: take it away there, or the next commit brings it back.

PATH begins at /, the committed folder; `purge status` is a command, /status is a path."
)]
pub struct PurgeArgs {
    /// Goes from every kept snapshot; a directory with all below it
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<OsString>,
    /// Says what would go and what would stay, and writes nothing at all
    #[arg(long, alias = "plan")]
    pub dry_run: bool,
    /// Carries out the plan of this hash, if it still is the plan
    #[arg(long, value_name = "HASH", conflicts_with_all = ["dry_run", "yes"])]
    pub approve: Option<String>,
    /// Carries out the plan without asking
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Changes a store that was cloned, whose publisher is elsewhere
    #[arg(long)]
    pub as_publisher: bool,
    /// What to do else.
    #[command(subcommand)]
    pub verb: Option<PurgeVerb>,
}

/// What else there is to do about purges.
#[derive(Debug, Subcommand)]
pub enum PurgeVerb {
    /// Tells where what was purged still stands
    #[command(after_help = "\
Example:
  chunkstore purge status --store pub
  chunkstore purge status ftp://user@host/dir --store pub

Without REMOTE it asks the one that a push would go to, and all that this host remembers; with none to ask it
ends with 3. Each key carries a purge out with its next sync. With this machine's writer's key, those keys are named
that give receipts and have not done so.")]
    Status {
        /// Servers or folders that hold copies
        #[arg(value_name = "REMOTE")]
        remotes: Vec<String>,
    },
}
