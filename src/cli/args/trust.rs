//! The raw command lines of `writer`, `root` and `trust`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// What every change of trust may be given.
#[derive(Debug, Default, Args)]
pub struct ChangeArgs {
    /// Writes the change to a file, with the signatures of the root keys at hand, and publishes nothing
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Builds on this earlier generation, and drops what came after it
    #[arg(long, value_name = "GENERATION", conflicts_with = "to")]
    pub back_to: Option<u64>,
}

/// `writer`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore writer new --store key --keys k2\n  chunkstore writer add 'CARD' --name laptop --store pub --keys k"
)]
pub struct WriterArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: WriterVerb,
}

/// What to do with writers.
#[derive(Debug, Subcommand)]
pub enum WriterVerb {
    /// Makes this machine's key for writing to the store, and shows its public card
    #[command(after_help = "\
Example:
  chunkstore writer new --store key --keys k2

The key is of use once whoever holds the root keys has added its card: `chunkstore writer add 'CARD' --name NAME`.")]
    New,
    /// Lets somebody write who made a key by `writer new`
    #[command(after_help = "\
Example:
  chunkstore writer add 'chunkstore-writer ..' --name laptop --store pub --keys k --root-keys stick

It takes a writer's key and the root keys, and is a new generation: push it. Where this store or
this machine has seen what a stolen key signed, --back-to names the last good generation.")]
    Add {
        /// The line that `writer new` showed, in quotes
        card: String,
        /// What people call the writer
        #[arg(long, value_name = "N")]
        name: String,
        /// Whatever else is worth knowing
        #[arg(long, value_name = "T", default_value = "", hide_default_value = true)]
        note: String,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Lists who may write
    #[command(after_help = "Example:\n  chunkstore writer list --store pub --keys k")]
    List,
    /// Takes the right to write from somebody, at once and for everything that comes after
    #[command(after_help = "\
Example:
  chunkstore writer remove laptop --store pub --keys k --root-keys stick
  chunkstore writer remove 3f2a9c01 --discard --store pub --keys k --root-keys stick

It takes another writer's key and the root keys, and is a new generation: push it. Copies that took what the removed key
signed come back with their next sync, whatever generation that was. Where this store took it as well, --discard builds on
the newest generation that somebody else signed, and --back-to on one that you name.")]
    Remove {
        /// A name, or the first digits of a key, as `writer list` shows them
        #[arg(value_name = "NAME|KEY")]
        who: String,
        /// Drops what the removed key signed, back to the newest generation of another writer
        #[arg(long, conflicts_with_all = ["to", "back_to"])]
        discard: bool,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// `root`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore root new --store pub --root-keys stick\n  chunkstore root list --store pub"
)]
pub struct RootArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RootVerb,
}

/// What to do with roots.
#[derive(Debug, Subcommand)]
pub enum RootVerb {
    /// Makes a root key in --root-keys, and shows its public card
    #[command(after_help = "Example:\n  chunkstore root new --store pub --root-keys stick")]
    New,
    /// Lists who may change trust, and how many of them it takes
    #[command(after_help = "Example:\n  chunkstore root list --store pub --root-keys stick")]
    List,
    /// Lets somebody change trust who made a key by `root new`
    #[command(
        after_help = "Example:\n  chunkstore root add 'chunkstore-root ..' --store pub --keys k --root-keys stick"
    )]
    Add {
        /// The line that `root new` showed, in quotes
        card: String,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Takes the right to change trust from a key
    #[command(after_help = "Example:\n  chunkstore root remove 3f2a9c01 --store pub --keys k --root-keys stick")]
    Remove {
        /// The first digits of a key, as `root list` shows them
        key: String,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
    /// Sets how many roots must sign a change of trust
    #[command(
        after_help = "Example:\n  chunkstore root threshold 2 --store pub --keys k --root-keys stick --to change"
    )]
    Threshold {
        /// From 1 to the number of roots
        count: u32,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
}

/// `trust`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore trust show --store pub\n  chunkstore trust sign change --root-keys stick"
)]
pub struct TrustArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: TrustVerb,
}

/// What to do with trust.
#[derive(Debug, Subcommand)]
pub enum TrustVerb {
    /// Shows who may write, who may change that, and until when it holds
    #[command(after_help = "Example:\n  chunkstore trust show --store pub --json")]
    Show,
    /// Signs a change that --to wrote, with the root keys at hand
    #[command(after_help = "\
Example:
  chunkstore trust sign change --root-keys stick
  chunkstore trust sign change --root-keys stick --store pub

With the store at hand it shows what changes, else what will hold. Read it: your signature lets others write.")]
    Sign {
        /// The file
        file: PathBuf,
    },
    /// Publishes a change that enough roots signed
    #[command(after_help = "\
Example:
  chunkstore trust apply change --store pub --keys k

It takes a writer's key, and is a new generation: push it.")]
    Apply {
        /// The file
        file: PathBuf,
        /// Builds on this earlier generation, and drops what came after it
        #[arg(long, value_name = "GENERATION")]
        back_to: Option<u64>,
        /// Drops what removed keys signed, back to the newest generation of a writer who stays
        #[arg(long, conflicts_with = "back_to")]
        discard: bool,
    },
    /// Renews until when trust holds
    #[command(after_help = "Example:\n  chunkstore trust renew --for 5y --store pub --keys k --root-keys stick")]
    Renew {
        /// For how long from now, as 90d or 5y
        #[arg(long = "for", value_name = "D", default_value = "10y")]
        keeping: String,
        /// Where it goes.
        #[command(flatten)]
        change: ChangeArgs,
    },
}
