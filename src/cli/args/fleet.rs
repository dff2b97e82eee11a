//! The raw command line of `fleet`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `fleet`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore fleet status --store pub --keys k
  chunkstore fleet forget 1a2b3c4d --store pub")]
pub struct FleetArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: FleetVerb,
}

impl FleetArgs {
    /// Returns whether stdout carries a file's bytes.
    #[must_use]
    pub fn writes_bytes(&self) -> bool {
        matches!(&self.verb, FleetVerb::Status(args) if args.csv || args.prometheus)
    }
}

/// What to do with a fleet.
#[derive(Debug, Subcommand)]
pub enum FleetVerb {
    /// Shows which key holds which generation, as their receipts have it
    Status(FleetStatusArgs),
    /// Forgets keys on this machine: lost ones, and those that sign with another key for a good reason
    #[command(after_help = "\
Example:
  chunkstore fleet forget 1a2b3c4d --store pub

A key that still has a receipt on the server comes back with it, and is pinned to whatever signed that receipt.")]
    Forget {
        /// Replica ids, or how they begin
        #[arg(value_name = "REPLICA", required = true)]
        replicas: Vec<String>,
    },
}

/// `fleet status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore fleet status --store pub --keys k
  chunkstore fleet status ftp://user@host/dir --store pub --keys k --behind
  chunkstore fleet status --store pub --keys k --html fleet.html
  chunkstore fleet status --store pub --keys k --prometheus > fleet.prom

Keys give receipts where `clone --receipt`, `sync --receipt` or the agent is told to. A receipt is advice and no proof:
whoever finds a key can sign its receipts. This machine remembers by which key each replica signs, so a copy shows.")]
pub struct FleetStatusArgs {
    /// A name, an address or a path [default: the remote that a push would go to, or the one that this machine remembers]
    pub remote: Option<String>,
    /// Writes comma-separated values with a line for each key
    #[arg(long, conflicts_with_all = ["prometheus", "html"])]
    pub csv: bool,
    /// Writes metrics in the text format of Prometheus
    #[arg(long, conflicts_with = "html")]
    pub prometheus: bool,
    /// Writes one page to a file, in place of what stands there
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// What comes first
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    pub sort: FleetOrder,
    /// Leaves out the keys that hold the newest generation
    #[arg(long)]
    pub behind: bool,
}

/// In which order keys are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FleetOrder {
    /// Those of which nothing is known, then those furthest behind.
    #[default]
    Behind,
    /// By name.
    Name,
    /// Those that were not seen for longest.
    Seen,
    /// By replica id.
    Replica,
}
