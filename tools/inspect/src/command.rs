//! The command line: what to show, with whose identity, and what the exit code says.
//!
//! 0 when nothing that was shown is wrong, 13 when something is, and for the rest the codes of `chunkstore`.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chunkstore::base::StoreId;
use chunkstore::crypto::wrap::Identity;
use chunkstore::disk::host::read_host_file;
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::ops::local_keys::{KeyDir, load_identity_file};
use clap::{Parser, Subcommand};
use zeroize::Zeroizing;

use crate::report::Report;
use crate::sealed::{self, Opened};
use crate::shown::{Screen, Shown};
use crate::sizes::DEPTH_MAX;
use crate::view::View;
use crate::{alive, chunks, generations, manifests, objects, packs, reach, records, sizes, trust};

const PASSPHRASE_MAX_BYTES: u64 = 64 * 1024;

/// Shows what a store holds, as far as a damaged one lets it. Never writes, never locks.
///
/// Examples:
///   chunkstore-inspect /media/key
///   chunkstore-inspect /media/key head
///   chunkstore-inspect /media/key --identity reader.key pack 3FA0 --objects
///   chunkstore-inspect /media/key --keys k --json path HEAD:/letters/one.txt
///   chunkstore-inspect /media/key --keys k reach
///   chunkstore-inspect /media/key --keys k why 3FA0
#[derive(Debug, Parser)]
#[command(name = "chunkstore-inspect", version, verbatim_doc_comment)]
pub struct CommandLine {
    /// The store's directory.
    store: PathBuf,
    /// One JSON document a line.
    #[arg(long, global = true)]
    json: bool,
    /// An age identity file of a reader; repeatable. Without an identity the outer layer alone is shown.
    #[arg(long, global = true, value_name = "FILE", env = "CHUNKSTORE_IDENTITY", value_delimiter = LIST_SEPARATOR)]
    identity: Vec<PathBuf>,
    /// Where this machine's keys live: `DIR/<store id>/reader.key` is taken.
    #[arg(long, global = true, value_name = "DIR", env = "CHUNKSTORE_KEYS")]
    keys: Option<PathBuf>,
    /// The passphrase of key files: the first line of this file.
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The id of the store, where neither its marker nor a record tells it.
    #[arg(long, global = true, value_name = "ID")]
    assume_store: Option<StoreId>,
    /// What to show; an overview of everything without it.
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// Stands between paths in a variable that holds several.
const LIST_SEPARATOR: char = if cfg!(windows) { ';' } else { ':' };

#[derive(Debug, Subcommand)]
enum Verb {
    /// HEAD and every record, with what is wrong with each.
    Head,
    /// Every trust file, and whether it follows from the one before.
    Trust,
    /// The chain of manifests and what lies beside it; or one file of manifests/ in full.
    Manifest {
        /// Its hash, or the beginning of it.
        hash: Option<String>,
    },
    /// Every pack: length against the manifest; files that no manifest names.
    Packs,
    /// One pack: header, hash, index.
    Pack {
        /// Its hash, the beginning of it, or its path below the store.
        hash: String,
        /// Each object, and whether it still opens (needs an identity).
        #[arg(long)]
        objects: bool,
    },
    /// What the identity opens: snapshots and merged indexes.
    Sealed,
    /// The whole store: what of each pack is live, what waits for its end, and files that no state names.
    Reach,
    /// Why a pack is alive: the records that list it, and the snapshots and paths that reach it.
    Why {
        /// Its hash, the beginning of it, or its path below the store.
        pack: String,
    },
    /// The object whose id begins so: its copies, which snapshot brought it and which still reach it (needs an identity).
    Object {
        /// Hex digits.
        id: String,
    },
    /// The chunks of a file: where each lies, and which snapshot brought it (needs an identity).
    Chunks {
        /// SNAP:PATH, or /PATH in the newest snapshot.
        spot: String,
    },
    /// What lies below a path: files, bytes, what they take in packs, what of that is shared (needs an identity).
    Sizes {
        /// SNAP:PATH, or /PATH in the newest snapshot.
        spot: String,
        /// How many levels of directories are shown one by one.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(..=i64::from(DEPTH_MAX)))]
        depth: u8,
    },
    /// What changed between two generations whose records stand here.
    DiffGenerations {
        /// The older one.
        from: u64,
        /// The newer one.
        to: u64,
    },
    /// What a path of a snapshot names: its entry and its extents (needs an identity).
    Path {
        /// SNAP:PATH, or /PATH in the newest snapshot.
        spot: String,
    },
}

/// Runs what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // What cannot be shown has nowhere to go.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let mut stdout = BufWriter::new(io::stdout().lock());
    let ended = run(&line, &mut stdout).and_then(|code| stdout.flush().map(|()| code).map_err(sink_error));
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = stdout.flush();
            // Whoever closed the pipe has read what it wanted.
            if error.kind() == ErrorKind::Interrupted {
                return ExitCode::SUCCESS;
            }
            let shown = Shown::new("error").with("why", error.in_full()).to_text();
            let _ = io::stderr().write_all(format!("chunkstore-inspect: {shown}").as_bytes());
            ExitCode::from(error.kind().exit_code())
        }
    }
}

/// Shows on `sink` what the command line asks for; returns the exit code.
///
/// # Errors
/// [`ErrorKind::NoStore`], [`ErrorKind::NoIdentity`] where one is needed, [`ErrorKind::Other`] where nothing is what was
/// asked for, [`ErrorKind::Gone`], [`ErrorKind::Interrupted`] when the reader of the sink has gone.
pub fn run(line: &CommandLine, sink: &mut dyn Write) -> Result<u8> {
    let view = View::open(&line.store, line.assume_store, &|store| identities(line, store))?;
    let mut screen = Screen::new(sink, line.json);
    let found = match &line.verb {
        None => overview(&view, &mut screen).map(|()| true),
        Some(Verb::Head) => records::show(&view.records, &mut screen).map(|()| true),
        Some(Verb::Trust) => trust::show(view.disk.as_ref(), Some(view.store), &mut screen).map(|()| true),
        Some(Verb::Manifest { hash: None }) => manifests::show_chain(&view, &mut screen).map(|()| true),
        Some(Verb::Manifest { hash: Some(hash) }) => manifests::show_one(&view, hash, &mut screen),
        Some(Verb::Packs) => packs::show_all(&view, &mut screen).map(|()| true),
        Some(Verb::Pack { hash, objects }) => {
            if *objects {
                opened(&view)?;
            }
            packs::show_one(&view, hash, *objects, &mut screen)
        }
        Some(Verb::Sealed) => sealed::show(&view.sealed, &mut screen).map(|()| true),
        Some(Verb::Reach) => answer(&view, Ok(reach::report(&view)), &mut screen)?,
        Some(Verb::Why { pack }) => answer(&view, alive::report(&view, pack), &mut screen)?,
        Some(Verb::Object { id }) => answer(&view, objects::report_by_id(&view, opened(&view)?, id), &mut screen)?,
        Some(Verb::Chunks { spot }) => answer(&view, chunks::report(&view, opened(&view)?, spot), &mut screen)?,
        Some(Verb::Sizes { spot, depth }) => {
            answer(&view, sizes::report(&view, opened(&view)?, spot, *depth), &mut screen)?
        }
        Some(Verb::DiffGenerations { from, to }) => answer(&view, generations::report(&view, *from, *to), &mut screen)?,
        Some(Verb::Path { spot }) => objects::show_by_path(&view, opened(&view)?, spot, &mut screen)?.map(|()| true),
    };
    let found = found.map_err(sink_error)?;
    // A pulled key looks like a damaged store, or like one that holds nothing.
    if (screen.wrong() > 0 || !found) && view.is_gone() {
        return Err(gone());
    }
    match screen.wrong() {
        0 if !found => Err(Error::new(ErrorKind::Other, "nothing here begins so")),
        0 => Ok(0),
        _ => Ok(ErrorKind::Corrupt.exit_code()),
    }
}

/// Shows a report, unless what is wrong with it, or that there is none, comes from a medium that went away.
fn answer(view: &View, report: Result<Report>, screen: &mut Screen<'_>) -> Result<io::Result<bool>> {
    match report {
        Ok(report) if report.problems().count() == 0 => Ok(screen.report(&report).map(|()| true)),
        Err(error) if error.kind() == ErrorKind::Usage => Err(error),
        _ if view.is_gone() => Err(gone()),
        Ok(report) => Ok(screen.report(&report).map(|()| true)),
        Err(error) => Err(error),
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Gone, "the medium went away while it was looked at")
}

fn sink_error(error: io::Error) -> Error {
    let kind = if error.kind() == io::ErrorKind::BrokenPipe { ErrorKind::Interrupted } else { ErrorKind::Other };
    Error::with_source(kind, "cannot write to the standard output", error)
}

fn opened(view: &View) -> Result<&Opened> {
    let none =
        || Error::new(ErrorKind::NoIdentity, "this lies in the sealed layer: --identity FILE or --keys DIR opens it");
    view.sealed.opened().ok_or_else(none)
}

fn overview(view: &View, screen: &mut Screen<'_>) -> io::Result<()> {
    let shown = Shown::new("store")
        .with_text("store", view.store)
        .with("generation", view.state.as_ref().map(|state| state.head.generation.0))
        .with("fingerprint", view.trust.as_ref().map(chunkstore::store::trust::TrustChain::fingerprint))
        .with("manifests", view.chain.len())
        .with("packs", view.packs.len())
        .with("pack_bytes", view.packs.iter().map(|pack| pack.len_bytes).fold(0, u64::saturating_add))
        .with("all_packs_known", view.is_whole());
    screen.show(&shown.but_all(view.problems.iter().cloned()))?;
    records::show(&view.records, screen)?;
    trust::show(view.disk.as_ref(), Some(view.store), screen)?;
    manifests::show_chain(view, screen)?;
    packs::show_all(view, screen)?;
    sealed::show(&view.sealed, screen)
}

fn identities(line: &CommandLine, store: StoreId) -> Result<Vec<Identity>> {
    let ask = |purpose: &str| passphrase(line.passphrase_file.as_deref(), purpose);
    let mut identities = Vec::new();
    for file in &line.identity {
        identities.extend(load_identity_file(file, &ask)?);
    }
    if identities.is_empty()
        && let Some(keys) = &line.keys
    {
        identities.extend(KeyDir::new(keys, store).load_reader(&ask)?);
    }
    Ok(identities)
}

fn passphrase(file: Option<&Path>, purpose: &str) -> Result<Zeroizing<String>> {
    let none = |why: &str| Error::new(ErrorKind::Usage, format!("{purpose}: {why}"));
    let file = file.ok_or_else(|| none("--passphrase-file FILE answers it"))?;
    let bytes = read_host_file(file, PASSPHRASE_MAX_BYTES)?.ok_or_else(|| none("there is no such passphrase file"))?;
    let bytes = Zeroizing::new(bytes);
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| none("its first line is no UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
