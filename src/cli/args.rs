//! The raw command line: names, defaults of clap, and the examples of `--help`. Nothing is checked here beyond what
//! clap checks; `settings` makes sense of it.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::format::head::{GROUP_MAX_BYTES, Group};

pub mod agent;
pub mod fleet;
pub mod forget;
pub mod purge;
pub mod readers;
pub mod reading;
pub mod trust;

const ABOUT: &str = "An encrypted archive on a USB key, kept in step with a server nobody trusts";

const EXAMPLE: &str = "\
Example, a week on a publisher and a key:
  chunkstore init pub --keys k --no-passphrase
  chunkstore commit ~/files --store pub --keys k -m \"week 1\"
  chunkstore push ftp://user@host/dir --store pub --keys k
  chunkstore clone ftp://user@host/dir key --trust FINGERPRINT
  chunkstore sync --store key
  chunkstore restore / out --store key --keys k

Exit codes: 0 done, 1 failed, 2 usage, 3 done in part, 10 no store, 11 locked, 12 no identity, 13 corrupt,
14 remote, 15 no space, 16 medium gone, 17 conflict, 18 not trusted, 19 done but stale, 130 interrupted";

/// Everything that was typed.
#[derive(Debug, Parser)]
#[command(name = "chunkstore", version, about = ABOUT, after_help = EXAMPLE, max_term_width = 100)]
pub struct CommandLine {
    /// What holds for every verb.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The verb.
    #[command(subcommand)]
    pub verb: Verb,
}

/// When to show something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Flags that stand before or after any verb.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// A profile of the configuration file [env: CHUNKSTORE_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The store [env: CHUNKSTORE_STORE] [default: the working directory, if it is a store]
    #[arg(long, global = true, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Where this machine's keys live [env: CHUNKSTORE_KEYS] [default: the configuration folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Where the root key lives [default: beside the other keys]
    #[arg(long, global = true, value_name = "DIR")]
    pub root_keys: Option<PathBuf>,
    /// Another reader's age identity file; repeatable [env: CHUNKSTORE_IDENTITY]
    #[arg(long, global = true, value_name = "FILE")]
    pub identity: Vec<PathBuf>,
    /// Takes the passphrase from the first line of a file
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "no_passphrase")]
    pub passphrase_file: Option<PathBuf>,
    /// Uses key files without a passphrase
    #[arg(long, global = true)]
    pub no_passphrase: bool,
    /// One JSON document on stdout, or one event a line for long work
    #[arg(long, global = true)]
    pub json: bool,
    /// Leaves stdout empty
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Says more; twice for all of it
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,
    /// A bar on a terminal, a line now and then in a log [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum)]
    pub progress: Option<When>,
    /// Colours [default: auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum)]
    pub color: Option<When>,
    /// Where this machine remembers what it saw [default: the platform's cache folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub cache: Option<PathBuf>,
    /// Sessions with a remote at a time
    #[arg(long, global = true, value_name = "N", help_heading = "Remotes")]
    pub connections: Option<String>,
    /// Bytes a second over all sessions, servers and paths alike, as 500K or 2M
    #[arg(long, global = true, value_name = "R", help_heading = "Remotes")]
    pub limit_rate: Option<String>,
    /// Longest wait for a remote, as 30s or 2m
    #[arg(long, global = true, value_name = "S", help_heading = "Remotes")]
    pub timeout: Option<String>,
    /// Trusts the certificate authorities in this PEM file alone
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "tls_pin", help_heading = "Remotes")]
    pub tls_ca: Option<PathBuf>,
    /// Trusts exactly the certificate with this SHA-256
    #[arg(long, global = true, value_name = "HASH", help_heading = "Remotes")]
    pub tls_pin: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Makes a new store and its publisher's keys
    Init(InitArgs),
    /// Snapshots a folder into the store
    Commit(CommitArgs),
    /// Publishes the store's HEAD to a remote
    Push(PushArgs),
    /// Makes a new key from a remote
    Clone(CloneArgs),
    /// Brings the store up to the newest HEAD among its remotes
    Sync(SyncArgs),
    /// Shows generation, age, space, and what an interrupted run left
    Status(StatusArgs),
    /// Lists the snapshots, newest first
    Log(LogArgs),
    /// Lists a directory of a snapshot
    Ls(LsArgs),
    /// Writes a file of a snapshot to stdout
    Cat(CatArgs),
    /// Finds entries by name, type, size and time, in one snapshot or in all
    Find(reading::FindArgs),
    /// Shows what changed from one snapshot to another
    Diff(reading::DiffArgs),
    /// Shows how much snapshots hold, and what that takes in the store
    Stats(reading::StatsArgs),
    /// Writes a part of a snapshot as a tar or zip archive
    Export(reading::ExportArgs),
    /// Writes files of a snapshot out to a folder
    Restore(RestoreArgs),
    /// Shows a store, or one snapshot, as a read-only file system until Ctrl-C
    #[cfg(target_os = "linux")]
    Mount(reading::MountArgs),
    /// Shows a store in a browser and by WebDAV, on this machine alone, until Ctrl-C
    Browse(reading::BrowseArgs),
    /// Checks everything that the store holds
    Verify(VerifyArgs),
    /// Mends what can be mended without another copy of the store
    Repair(RepairArgs),
    /// Forgets snapshots, by a policy or by name
    Forget(forget::ForgetArgs),
    /// Removes content for good, from every kept snapshot and every copy
    Purge(purge::PurgeArgs),
    /// Gives back the room of what nothing needs any more
    Gc(GcArgs),
    /// Who may write to the store
    Writer(trust::WriterArgs),
    /// Who may change trust
    Root(trust::RootArgs),
    /// Shows whom the store trusts, and takes changes that several have to sign
    Trust(trust::TrustArgs),
    /// Which key holds which generation
    Fleet(fleet::FleetArgs),
    /// Who can read what is written
    Reader(readers::ReaderArgs),
    /// New epochs, and this machine's keys on paper
    Key(readers::KeyArgs),
    /// Serves a folder by FTP, for a LAN or a trial; read-only unless told otherwise
    Serve(ServeArgs),
    /// Syncs known keys when they are plugged in
    Agent(agent::AgentArgs),
    /// Named remotes
    Remote(RemoteArgs),
    /// Plays the whole story on loopback in under a minute, with real parts only
    Demo(DemoArgs),
    /// Writes what a shell needs to complete this program's words
    Completions(reading::CompletionsArgs),
    /// What a shell offers for the last of these words
    #[command(hide = true)]
    Complete(reading::CompleteArgs),
    /// Writes a manual page
    Man(reading::ManArgs),
    /// Shows the version
    Version(VersionArgs),
}

impl Verb {
    /// Returns whether stdout carries bytes of its own, whatever `--json` says: a file, an archive, a script.
    #[must_use]
    pub fn writes_bytes(&self) -> bool {
        match self {
            Self::Cat(_) | Self::Completions(_) | Self::Complete(_) | Self::Man(_) => true,
            Self::Export(args) => args.output.is_none(),
            Self::Fleet(args) => args.writes_bytes(),
            _ => false,
        }
    }

    /// Returns where it finds the store besides `--store`, where it reads what is in one; nothing for whatever writes to stores.
    #[must_use]
    pub fn copies(&self) -> Option<&reading::CopiesArgs> {
        match self {
            Self::Log(args) => Some(&args.copies),
            Self::Ls(args) => Some(&args.copies),
            Self::Cat(args) => Some(&args.copies),
            Self::Find(args) => Some(&args.copies),
            Self::Diff(args) => Some(&args.copies),
            Self::Stats(args) => Some(&args.copies),
            Self::Export(args) => Some(&args.copies),
            Self::Restore(args) => Some(&args.copies),
            Self::Browse(args) => Some(&args.copies),
            #[cfg(target_os = "linux")]
            Self::Mount(args) => Some(&args.copies),
            _ => None,
        }
    }

    /// Returns whether it runs for the machine and for no person: a service that has no folders but those of the machine.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        #[cfg(windows)]
        if let Self::Agent(agent::AgentArgs { verb: agent::AgentVerb::Run(args) }) = self {
            return args.service;
        }
        // systemd tells its services where theirs are.
        false
    }
}

/// `init`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore init pub --keys k --no-passphrase")]
pub struct InitArgs {
    /// Where the store is made: a folder that is empty or not there yet
    #[arg(value_name = "STORE")]
    pub path: PathBuf,
    /// Another reader's age recipient (age1..); repeatable
    #[arg(long, value_name = "AGE_RECIPIENT")]
    pub reader: Vec<String>,
}

/// `commit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore commit ~/files --store pub --keys k -m \"week 1\" --exclude '*.tmp'\n  \
                  chunkstore commit ~/files ~/mail --store pub --keys k --dry-run"
)]
pub struct CommitArgs {
    /// The folder, which becomes / in the snapshot; of several each becomes a directory there, by its own name
    #[arg(value_name = "FOLDER", required = true)]
    pub folders: Vec<PathBuf>,
    /// Says what this snapshot is
    #[arg(short, long, value_name = "MSG", default_value = "", hide_default_value = true)]
    pub message: String,
    /// Leaves out what matches, in gitignore's grammar; repeatable
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// Reads such patterns from a file, one a line; those of --exclude come after them; repeatable
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// Reads and cuts everything, says what would be new, and writes nothing at all
    #[arg(long)]
    pub dry_run: bool,
    /// Takes in what directories with a CACHEDIR.TAG hold; without it only the tag itself is kept
    #[arg(long)]
    pub with_caches: bool,
    /// Names the snapshot; repeatable
    #[arg(long, value_name = "T")]
    pub tag: Vec<String>,
}

/// `status`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore status --store key --json\n  chunkstore status --store pub --check")]
pub struct StatusArgs {
    /// Lists all packs, too, and says what `gc` can give back at least
    #[arg(long)]
    pub check: bool,
}

/// `push`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore push ftp://user@host/dir --store pub --keys k")]
pub struct PushArgs {
    /// A name, an address or a path [default: the first of the profile, or the remote that the store remembers]
    pub remote: Option<String>,
    /// Holds the release to a group of keys until it is pushed for `all`; other keys stay at what the remote shows now
    #[arg(long, value_name = "NAME", value_parser = group)]
    pub group: Option<Group>,
}

/// Reads the name of a rollout group.
fn group(text: &str) -> Result<Group, String> {
    text.parse().map_err(|_| format!("a group has 1 to {GROUP_MAX_BYTES} small letters, digits and dashes"))
}

/// `clone`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore clone ftp://user@host/dir key --trust FINGERPRINT")]
pub struct CloneArgs {
    /// A name, an address or a path
    pub remote: String,
    /// Where the new store is made
    #[arg(value_name = "STORE")]
    pub path: PathBuf,
    /// The fingerprint that `init` printed, or that of a later trust file, which is stricter; without it, it is shown and asked for
    #[arg(long, value_name = "FINGERPRINT")]
    pub trust: Option<String>,
    /// Fetches the key file of this reader alone
    #[arg(long, value_name = "TAG")]
    pub reader: Option<String>,
    /// Accepts a remote that shows less than it showed to this machine before
    #[arg(long)]
    pub accept_older: bool,
    /// The rollout group that the key is in
    #[arg(long, value_name = "NAME", value_parser = group)]
    pub group: Option<Group>,
    /// Gives the publisher a receipt, sealed to the writers
    #[arg(long)]
    pub receipt: bool,
}

/// `sync`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore sync --store key")]
pub struct SyncArgs {
    /// Names, addresses or paths [default: those of the profile, or the remote that the store remembers]
    #[arg(value_name = "REMOTE")]
    pub remotes: Vec<String>,
    /// Accepts a remote that shows less than it showed before
    #[arg(long)]
    pub accept_older: bool,
    /// Puts the key into a rollout group from now on; `all` takes it out again
    #[arg(long, value_name = "NAME", value_parser = group)]
    pub group: Option<Group>,
    /// Gives the publisher a receipt, sealed to the writers
    #[arg(long)]
    pub receipt: bool,
}

/// `log`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore log --store key --keys k")]
pub struct LogArgs {
    /// Other copies.
    #[command(flatten)]
    pub copies: reading::CopiesArgs,
}

/// `ls`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore ls HEAD~1:/reports --store key --keys k\n  chunkstore ls @2w:/reports --recursive\n  \
                  chunkstore ls / --store ftp://user@host/dir --also /mnt/mirror"
)]
pub struct LsArgs {
    /// A path from /, after a snapshot and a colon if not HEAD: an id prefix, HEAD~N, a tag, @DATE
    #[arg(value_name = "[SNAP:]PATH", default_value = "/")]
    pub path: std::ffi::OsString,
    /// Goes into directories
    #[arg(short, long)]
    pub recursive: bool,
    /// Other copies.
    #[command(flatten)]
    pub copies: reading::CopiesArgs,
}

/// `cat`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore cat /reports/march.txt --store key --keys k")]
pub struct CatArgs {
    /// A path from /, after a snapshot and a colon if not HEAD
    #[arg(value_name = "[SNAP:]PATH")]
    pub path: std::ffi::OsString,
    /// Other copies.
    #[command(flatten)]
    pub copies: reading::CopiesArgs,
}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore restore / out --store key --keys k\n  \
                  chunkstore restore HEAD~1:/reports out --include '*.pdf' --overwrite if-changed --delete --dry-run\n\n\
                  Cut off, by Ctrl-C or a pulled key, the same command goes on where it stopped; until then files \
                  .chunkstore-*.part and .restore stay in the target.")]
pub struct RestoreArgs {
    /// A path from /, after a snapshot and a colon if not HEAD
    #[arg(value_name = "[SNAP:]PATH")]
    pub path: std::ffi::OsString,
    /// The folder to write to
    pub target: PathBuf,
    /// Writes only what matches and what lies below it, in gitignore's grammar; repeatable
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,
    /// Leaves out what matches, in gitignore's grammar; repeatable
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,
    /// What to do with a file that stands there already
    #[arg(long, value_name = "MODE", value_enum, default_value_t)]
    pub overwrite: OverwriteMode,
    /// Removes from the target what the snapshot does not have there
    #[arg(long)]
    pub delete: bool,
    /// Goes on with --delete where it would refuse: an empty source, a home folder, most of what stands there
    #[arg(long, requires = "delete")]
    pub yes: bool,
    /// Lists what would be written and removed, and changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Reads back what was written and compares it
    #[arg(long, conflicts_with = "dry_run")]
    pub verify: bool,
    /// Other copies.
    #[command(flatten)]
    pub copies: reading::CopiesArgs,
}

/// What becomes of files that stand in the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OverwriteMode {
    /// They are written anew.
    #[default]
    Always,
    /// Those of the same length and time stay, and only their mode and owner are set.
    IfChanged,
    /// Those that changed last stay; older ones are written anew.
    IfNewer,
    /// They stay.
    Never,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore verify --store key --read-data --keys k\n  \
                        chunkstore verify --store key --heal ftp://user@host/dir")]
pub struct VerifyArgs {
    /// Opens every object, which takes an identity
    #[arg(long)]
    pub read_data: bool,
    /// Fetches again what is broken: a name, an address or a path of any copy of the store; repeatable
    #[arg(long, value_name = "REMOTE")]
    pub heal: Vec<String>,
    /// Hashes this share of the packs alone, drawn by chance
    #[arg(long, value_name = "P%")]
    pub sample: Option<String>,
}

/// `gc`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore gc --store pub --keys k --dry-run\n  chunkstore gc --store key")]
pub struct GcArgs {
    /// Shows what would go, and changes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long dropped packs stay, as 12h or 30d; 0s waives every wait [default: 30d on servers, 24h here]
    #[arg(long, value_name = "D")]
    pub grace: Option<String>,
    /// Removes files that nothing names, and leaves packs as they are even where the writer's key is at hand
    #[arg(long)]
    pub files_only: bool,
    /// Drops packs with the writer's key even though the store was cloned: its publisher must not make a generation besides
    #[arg(long, conflicts_with = "files_only")]
    pub as_publisher: bool,
}

/// `repair`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore repair --store pub --keys k --dry-run
  chunkstore repair --store pub --keys k

Where a copy of the store is at hand, `verify --heal REMOTE` brings back more, and comes first. With the writer's key
every object that still opens is saved from damaged packs, which stay where they are for now; without it only
what needs no key is mended. No snapshot is changed: what stays lost is listed, and a commit of the same folder may bring it back.")]
pub struct RepairArgs {
    /// Says what would be done, and writes nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Saves objects with the writer's key even though the store was cloned: its publisher must not make a generation besides
    #[arg(long)]
    pub as_publisher: bool,
    /// Draws a new replica id for a copy of another store or one from a backup, and does nothing else
    #[arg(long, conflicts_with_all = ["dry_run", "as_publisher"])]
    pub new_replica: bool,
}

/// `serve`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore serve pub --listen 127.0.0.1:2121")]
pub struct ServeArgs {
    /// The folder
    pub dir: PathBuf,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2121")]
    pub listen: String,
    /// Who may log in [default: everybody]
    #[arg(long, value_name = "U", requires = "password_file")]
    pub user: Option<String>,
    /// The password is the first line of this file
    #[arg(long, value_name = "F", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Lets files be written
    #[arg(long)]
    pub allow_upload: bool,
}

/// `remote`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore remote add server ftps://host/dir --user u\n  chunkstore remote list")]
pub struct RemoteArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: RemoteVerb,
}

/// What to do with named remotes.
#[derive(Debug, Subcommand)]
pub enum RemoteVerb {
    /// Gives an address or a path a name
    #[command(after_help = "Example:\n  chunkstore remote add server ftps://host/dir --user u")]
    Add {
        /// Letters, digits, - and _
        name: String,
        /// An address or a path
        url: String,
        /// Who logs in
        #[arg(long, value_name = "U")]
        user: Option<String>,
    },
    /// Lists the named remotes
    #[command(after_help = "Example:\n  chunkstore remote list --json")]
    List,
}

/// `demo`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore demo --keep story")]
pub struct DemoArgs {
    /// Keeps the folders here: a folder that is empty or not there yet
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// `version`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore version --json")]
pub struct VersionArgs {}

#[cfg(test)]
mod tests;
