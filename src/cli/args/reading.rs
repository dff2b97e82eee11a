//! The raw command lines of `find`, `diff`, `stats`, `export`, `mount`, `completions` and `man`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Where a verb that reads finds the store besides `--store`, and what it keeps near.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Copies of the store")]
pub struct CopiesArgs {
    /// Another copy of the store, a path or an address, for what those before it do not give; repeatable
    #[arg(long, value_name = "COPY")]
    pub also: Vec<String>,
    /// The fingerprint of a store that is read from an address; without it, it is shown and asked for once on this machine
    #[arg(long, value_name = "FINGERPRINT")]
    pub trust: Option<String>,
    /// Reads an address that shows less than it showed to this machine before
    #[arg(long)]
    pub accept_older: bool,
    /// Keeps at most so many bytes of sealed content in this machine's cache folder, of a slow key as well [default: 512M, and
    /// only of what is read from an address]
    #[arg(long, value_name = "N", conflicts_with = "no_cache")]
    pub cache_bytes: Option<String>,
    /// Keeps no content in this machine's cache folder
    #[arg(long)]
    pub no_cache: bool,
}

/// A type of entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TypeArg {
    /// Regular files
    File,
    /// Directories
    Dir,
    /// Symbolic links
    Symlink,
    /// Pipes, sockets and devices
    Other,
}

/// `find`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore find '*.txt' --store key --keys k
  chunkstore find '/reports/**/march*' HEAD~1:/ -i --type file --size +1M
  chunkstore find budget.ods --all --newer 2026-11-01

With --all each line says in which snapshot an entry is new (+), changed (~) or gone (-), newest first.")]
pub struct FindArgs {
    /// What to find: a name, or a path where it has a `/`; * and ? match within a name, ** across directories
    #[arg(value_name = "GLOB")]
    pub glob: String,
    /// Where: a path from /, after a snapshot and a colon if not HEAD; with --all a path alone
    #[arg(value_name = "[SNAP:]PATH", default_value = "/")]
    pub path: OsString,
    /// In all snapshots: where what matches is new, changed or gone
    #[arg(long)]
    pub all: bool,
    /// Takes capital and small letters for the same
    #[arg(short, long)]
    pub ignore_case: bool,
    /// Only entries of this type; repeatable
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    pub types: Vec<TypeArg>,
    /// Only files of at least +N or at most -N bytes, or of N exactly, as +1M; repeatable
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub size: Vec<String>,
    /// Only what changed after this date or time, as 2026-11-01, yesterday or 2w
    #[arg(long, value_name = "DATE")]
    pub newer: Option<String>,
    /// Only what changed at or before this date or time
    #[arg(long, value_name = "DATE")]
    pub older: Option<String>,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// `diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore diff HEAD~1 HEAD --store key --keys k
  chunkstore diff @2w HEAD /reports --json

+ added, - removed, M other content, U other rights, owner, time or attributes, T another type, R moved.
The time of a directory alone is no change.")]
pub struct DiffArgs {
    /// The old snapshot: an id prefix, HEAD, HEAD~N, a tag, @DATE
    #[arg(value_name = "A")]
    pub old: String,
    /// The new one
    #[arg(value_name = "B")]
    pub new: String,
    /// Only at and below this path
    #[arg(default_value = "/")]
    pub path: OsString,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// `stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore stats --store key --keys k
  chunkstore stats HEAD~1 --json
  chunkstore stats HEAD~1:/reports --by-path 2

Without SNAP each line says what a snapshot holds, what it added over all older ones, and what it
alone holds: the bytes that nothing needs any more when it is forgotten. A PATH, or --by-path, tells
what directories take; an object that several of them share counts in each.")]
pub struct StatsArgs {
    /// One snapshot alone: an id prefix, HEAD, HEAD~N, a tag, @DATE [default: all]; or a path from /, after a snapshot and a
    /// colon if not HEAD
    #[arg(value_name = "SNAP|[SNAP:]PATH")]
    pub place: Option<OsString>,
    /// What directories take, down to so many levels below the path [default: 1]
    #[arg(long, value_name = "DEPTH", num_args = 0..=1, default_missing_value = "1")]
    pub by_path: Option<String>,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// A kind of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchiveArg {
    /// Tar in POSIX's pax form
    Tar,
    /// Zip
    Zip,
}

/// `export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore export / -o week.tar --store key --keys k
  chunkstore export HEAD~1:/reports --format zip > reports.zip")]
pub struct ExportArgs {
    /// A path from /, after a snapshot and a colon if not HEAD
    #[arg(value_name = "[SNAP:]PATH")]
    pub path: OsString,
    /// What kind of archive [default: as FILE ends, else tar]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub format: Option<ArchiveArg>,
    /// The archive; it takes this name once it is whole [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// `mount`.
#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore mount mnt --store key --keys k
  chunkstore mount mnt @2w --store key --keys k
  chunkstore mount mnt --store key --keys k --background

Without a snapshot the directory shows latest, snapshots/TIME and by-id/ID, and what a sync or a commit brings within a second;
files that are open stay as they are. A mount of one snapshot, also of HEAD or a tag, stays at that one. Nothing is written to
the store; gc removes no files as long as it is mounted. A file that is damaged gives an error of its own, and says why in the
attribute user.chunkstore.damage. It takes root's rights, or the program fusermount3.")]
pub struct MountArgs {
    /// Where: a directory
    pub dir: PathBuf,
    /// One snapshot: an id prefix, HEAD~N, a tag, @DATE [default: all of them]
    #[arg(value_name = "SNAP")]
    pub snapshot: Option<String>,
    /// Lets other users in, as far as owners and permissions do
    #[arg(long)]
    pub everybody: bool,
    /// Returns once it is mounted, and goes on in the background until it is unmounted
    #[arg(long)]
    pub background: bool,
    /// What --background starts
    #[arg(long, hide = true)]
    pub background_child: bool,
    /// What every mount starts: unmounts when that is killed
    #[arg(long, hide = true)]
    pub guard: bool,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// `browse`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore browse --store key --keys k

Prints an address of this machine that opens the store in a browser, once; when it was used, the next one is printed. Folders and
files of every snapshot, search by name, what changed, previews, downloads of files and of folders as zip. The same tree is there by
WebDAV, which file managers of Windows and macOS mount, with the password that is printed. No other machine can connect, nothing is
written to the store, and gc removes no files meanwhile. It shows the store as it was when it started: what is committed or synced
since is there when it is started again.")]
pub struct BrowseArgs {
    /// The port on 127.0.0.1 [default: a free one]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// Opens the address in the browser of this desktop; other users who list processes just then can see it, and use it first
    #[arg(long)]
    pub open: bool,
    /// Other copies.
    #[command(flatten)]
    pub copies: CopiesArgs,
}

/// `completions`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  chunkstore completions bash > ~/.local/share/bash-completion/completions/chunkstore\n\n\
                  In bash, zsh and fish, paths and snapshots of the store are completed as well, where it opens without a passphrase."
)]
pub struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `complete`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore complete -- chunkstore ls --store key /rep")]
pub struct CompleteArgs {
    /// The words of the line up to where the key was pressed, the program's name first and the last one unfinished
    #[arg(last = true, required = true)]
    pub words: Vec<OsString>,
}

/// `man`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  chunkstore man > chunkstore.1\n  chunkstore man restore > chunkstore-restore.1")]
pub struct ManArgs {
    /// The page of this verb [default: the page of the program]
    pub verb: Option<String>,
}
