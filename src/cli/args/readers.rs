//! The raw command line of `reader` and `key`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `reader`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore reader add age1... --name ada --note \"the blue key\" --store pub --keys k
  chunkstore reader add --from-file readers.tsv --store pub --keys k
  chunkstore reader list --store pub --keys k
  chunkstore reader revoke ada --store pub --keys k")]
pub struct ReaderArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: ReaderVerb,
}

/// What to do with readers.
#[derive(Debug, Subcommand)]
pub enum ReaderVerb {
    /// Makes this machine's key for reading the store, and shows its recipient
    #[command(after_help = "\
Example:
  chunkstore reader new --store key --keys k2

The key is of use once a writer has added it: `chunkstore reader add age1... --name NAME`.")]
    New,
    /// Lets somebody read
    Add(ReaderAddArgs),
    /// Lists who can read
    #[command(after_help = "Example:\n  chunkstore reader list --all --store pub --keys k --json")]
    List {
        /// Lists those who were revoked, too
        #[arg(long)]
        all: bool,
    },
    /// Shuts somebody out of what is written from now on
    #[command(after_help = "\
Example:
  chunkstore reader revoke ada --store pub --keys k
  chunkstore push --store pub --keys k

Everyone else gets a new key file with the next push and sync, and is asked for nothing; nothing else is
sent again. What was written before stays readable to whoever could read it.")]
    Revoke {
        /// Names, tags or recipients
        #[arg(value_name = "READER", required = true)]
        readers: Vec<String>,
    },
}

/// `reader add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore reader add age1... --name ada --store pub --keys k
  chunkstore reader add --by-passphrase --name grace --store pub --keys k
  chunkstore reader add --from-file readers.tsv --store pub --keys k

A file has a reader in each line: recipient, name and note with a tab between them; name and note may be
left out. Empty lines and those that begin with # are passed over.")]
pub struct ReaderAddArgs {
    /// An age recipient (age1..)
    #[arg(required_unless_present_any = ["from_file", "by_passphrase", "by_passphrase_file"])]
    pub recipient: Option<String>,
    /// What to call the reader [default: its recipient]
    #[arg(long, value_name = "N", conflicts_with = "from_file")]
    pub name: Option<String>,
    /// Whatever else is worth knowing
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, conflicts_with = "from_file")]
    pub note: String,
    /// Takes readers from a file, one a line
    #[arg(long, value_name = "FILE", conflicts_with = "recipient")]
    pub from_file: Option<PathBuf>,
    /// Makes a key that opens by a passphrase, which is asked for, and puts it into the store
    #[arg(long, conflicts_with_all = ["recipient", "from_file"], requires = "name")]
    pub by_passphrase: bool,
    /// The same, with the first line of a file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipient", "from_file", "by_passphrase"], requires = "name")]
    pub by_passphrase_file: Option<PathBuf>,
}

/// `key`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  chunkstore key rotate --store pub --keys k
  chunkstore key export --paper --store pub --keys k > paper.txt
  chunkstore key import typed.txt --store pub --keys k")]
pub struct KeyArgs {
    /// What to do.
    #[command(subcommand)]
    pub verb: KeyVerb,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Begins a new epoch: everyone who can read gets a new key file, and nothing old is sent again
    #[command(after_help = "Example:\n  chunkstore key rotate --store pub --keys k")]
    Rotate,
    /// Writes out one of this machine's keys in clear, to be kept on paper
    #[command(after_help = "\
Example:
  chunkstore key export --paper --store pub --keys k > paper.txt
  chunkstore key export root --paper --store pub --root-keys r

The page says which store it is for, and has the key as text and as a QR code. Whoever has the
page has the key. Of several root keys in --root-keys it is the one that the store's trust lists.")]
    Export {
        /// Which key
        #[arg(value_enum, default_value_t)]
        which: LocalKeyName,
        /// As a page to print: text and QR code
        #[arg(long, required = true)]
        paper: bool,
    },
    /// Takes back a key from a text, as typed or scanned from paper
    #[command(after_help = "Example:\n  chunkstore key import typed.txt --store pub --keys k")]
    Import {
        /// The text
        file: PathBuf,
    },
    /// Changes the passphrase of this machine's key files for the store
    #[command(after_help = "\
Example:
  chunkstore key passphrase --store pub --keys k
  chunkstore key passphrase --store pub --keys k --passphrase-file old --new-passphrase-file new

The root keys in --root-keys are changed as well. Files that were copied elsewhere keep the old one.")]
    Passphrase {
        /// Takes the new passphrase from the first line of a file
        #[arg(long, value_name = "FILE", conflicts_with = "no_new_passphrase")]
        new_passphrase_file: Option<PathBuf>,
        /// Leaves the key files without a passphrase
        #[arg(long)]
        no_new_passphrase: bool,
    },
}

/// One of this machine's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LocalKeyName {
    /// What opens the store for reading.
    #[default]
    Reader,
    /// What commits to it.
    Writer,
    /// What changes who is trusted.
    Root,
}
