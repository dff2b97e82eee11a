//! `cargo xtask`: reads one word and runs that chore.
#![allow(clippy::disallowed_methods, reason = "a tool may read the environment")]

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use xtask::cargo::cargo;
use xtask::dist::{self, DistArgs};
use xtask::fuzz::{self, FuzzArgs};
use xtask::mutants::{self, MutantsArgs};
use xtask::peers::{self, PeersArgs};
use xtask::windows::{self, WindowsArgs};
use xtask::{agent, browse, ci, deny, memory, sweep, syncratio, tidy};

const HELP: &str = "\
Usage: cargo xtask <chore>

  tidy    check the rules that the compiler and clippy cannot: floors, side doors, names, lengths, spec
  ci      run fmt, clippy, cargo test, tidy, deny and doc, each timed; exits 1 if any failed
  deny    licences, sources, bans and advisories of all dependencies: by cargo-deny where it is installed
  fuzz [--seconds N] [TARGET]...  each fuzz target for ten minutes, unless it is done on this commit (`cargo xtask fuzz --help`)
  mutants [MODULE]...  mutants of crypto, format, head and trust; exits 1 if one lives unexplained (`cargo xtask mutants --help`)
  lab     power cuts and pulled plugs on real file systems (`cargo xtask lab help`)
  sweep [N]  the long form of the power-cut sweep in release, with a table; N distinct images a test instead
  peers   measure chunkstore beside other tools, as they are installed (`cargo xtask peers --help`)
  memory [FLAGS]  what each verb holds of a million files and of 100 GB, with a table; exits 1 if any is over its bound
  scale   what upkeep takes on a store of two million objects, and what a key fetches after it (`cargo xtask scale help`)
  syncratio [FLAGS]  how much longer a sync by FTP takes than curl of the same packs; exits 1 above 1.3
  agent [FLAGS]  what an agent costs idle and in a sync, and how soon it lets go of a volume; exits 1 if any is over its bound
  browse [--pictures DIR]  `browse` in a headless Chromium, with pictures, and by clients of WebDAV; exits 1 if anything is not right
         [--figures]       what it takes: times and memory of a release build
  windows [setup|build|test|service|run]  the program and its tests built for Windows and run under wine (`cargo xtask windows --help`)
  dist [--onto DIR]  the program as it travels on a key: one file for Linux, one for Windows, a note (`cargo xtask dist --help`)
  help    print this (also -h, --help)

Environment:
  CHUNKSTORE_BASE    the commit that the format is compared with (by default where the branch left its
                     upstream); a change of the format's code needs one of objects-format.md, or a line
                     `Format unchanged: <reason>` in a commit message
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let root = tidy::repository_root();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => report(&tidy::check(&root, tidy::base_asked_for().as_deref())),
        ["ci"] => exit_code(ci::run(&root)),
        ["deny"] => exit_code(deny::run(&root)),
        ["sweep"] => exit_code(sweep::run(&root, "long")),
        ["sweep", images] if images.parse::<usize>().is_ok() => exit_code(sweep::run(&root, images)),
        ["peers", ..] => with_args::<PeersArgs>(&words, |args| peers::run(&root, args)),
        ["fuzz", ..] => with_args::<FuzzArgs>(&words, |args| fuzz::run(&root, args)),
        ["mutants", ..] => with_args::<MutantsArgs>(&words, |args| mutants::run(&root, args)),
        ["lab", ..] => with_the_program(&root, "chunkstore-lab", &words[1..]),
        ["scale", ..] => with_the_program(&root, "chunkstore-scale", &words[1..]),
        ["memory", ref flags @ ..] => exit_code(memory::run(&root, flags)),
        ["agent", ref flags @ ..] => exit_code(agent::run(&root, flags)),
        ["browse", ref flags @ ..] => exit_code(browse::run(&root, flags)),
        ["syncratio", ref flags @ ..] => exit_code(syncratio::run(&root, flags)),
        ["dist", ..] => with_args::<DistArgs>(&words, |args| dist::run(&root, args)),
        ["windows", ..] => with_args::<WindowsArgs>(&words, |args| windows::run(&root, args)),
        ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// Reads the rest of the words, and runs a chore with them.
fn with_args<T: Parser>(words: &[String], chore: impl FnOnce(&T) -> bool) -> ExitCode {
    match T::try_parse_from(words) {
        Ok(args) => exit_code(chore(&args)),
        Err(error) => {
            // Where the text cannot be printed there is nobody to tell.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Runs a tool as a release build of its own, since it depends on the whole program and this one should not.
fn with_the_program(root: &Path, package: &str, words: &[String]) -> ExitCode {
    let fixed = ["run", "--quiet", "--release", "--package", package, "--"];
    match cargo(root).args(fixed).args(words).status() {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("xtask: cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(findings: &[tidy::Finding]) -> ExitCode {
    for finding in findings {
        eprintln!("{finding}");
    }
    exit_code(findings.is_empty())
}

fn exit_code(clean: bool) -> ExitCode {
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
