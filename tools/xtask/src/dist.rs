//! The program as it travels on a key: one file for Linux that needs no library of the system, one for Windows, and a note for
//! whoever holds or finds the key.
//!
//! Built with the profile `dist`, without the paths of the machine that builds. What comes out is checked: nothing is linked at
//! run time on Linux, and it runs in an empty environment; the one for Windows runs where wine is at hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use sha2::{Digest, Sha256};

use crate::cargo::cargo;
use crate::toolchain::{add_target, done, find, install};

/// One system's program.
struct Kind {
    /// Rust's name of the target.
    target: &'static str,
    /// Its C compiler, and Debian's package that has it.
    compiler: (&'static str, &'static str),
    /// What links it, where the machine's own linker does not. With Debian's for musl the program would need a loader.
    linker: Option<&'static str>,
    /// What cargo calls the program, and what it is called on the key.
    built: &'static str,
    shown: &'static str,
}

const KINDS: &[Kind] = &[
    Kind {
        target: "x86_64-unknown-linux-musl",
        compiler: ("x86_64-linux-musl-gcc", "musl-tools"),
        linker: None,
        built: "chunkstore",
        shown: "chunkstore-linux-x86_64",
    },
    Kind {
        target: "x86_64-pc-windows-gnu",
        compiler: ("x86_64-w64-mingw32-gcc", "gcc-mingw-w64-x86-64"),
        linker: Some("x86_64-w64-mingw32-gcc"),
        built: "chunkstore.exe",
        shown: "chunkstore-windows-x86_64.exe",
    },
];
/// Files that go with them as they are.
const SCRIPTS: &[&str] = &["open-on-windows.cmd", "open-on-linux.sh"];
const NOTE: &str = "READ-ME.txt";
const SUMS: &str = "SHA256SUMS";
/// Longest program that is small beside a store.
const MOST_BYTES: u64 = 24 << 20;
/// What wine ends with where a program needs a library that it lacks: the low byte of `STATUS_DLL_NOT_FOUND`.
const LIBRARY_MISSING: i32 = 0x35;

/// Where to, and whom a finder may turn to.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask dist", bin_name = "cargo xtask dist", about = "The program as it travels on a key")]
pub struct DistArgs {
    /// The folder that it all goes to, on the key beside the store; made if it is not there
    #[arg(long, value_name = "DIR")]
    onto: Option<PathBuf>,
    /// Whom a finder gives the key back to
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "to the person or office named on it, or to any lost property office."
    )]
    contact: String,
}

/// Builds, checks and copies; returns whether all went well.
#[must_use]
pub fn run(root: &Path, args: &DistArgs) -> bool {
    let done = make(root, args);
    if let Err(why) = &done {
        eprintln!("dist: {why}");
    }
    done.is_ok()
}

fn make(root: &Path, args: &DistArgs) -> Result<(), String> {
    let to = args.onto.clone().unwrap_or_else(|| root.join("target/dist/key"));
    fs::create_dir_all(&to).map_err(|error| format!("cannot create {}: {error}", to.display()))?;
    let mut sums = String::new();
    for kind in KINDS {
        let bytes = read(&build(root, kind)?)?;
        check(kind, &bytes)?;
        let program = to.join(kind.shown);
        write(&program, &bytes)?;
        start(kind, &program)?;
        println!("{} {:.1} MiB", kind.shown, bytes.len() as f64 / f64::from(1 << 20));
        let sum = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        sums.push_str(&format!("{sum}  {}\n", kind.shown));
    }
    let tools = root.join("tools/dist");
    for name in SCRIPTS {
        write(&to.join(name), &read(&tools.join(name))?)?;
    }
    let note = String::from_utf8_lossy(&read(&tools.join(NOTE))?).into_owned();
    write(&to.join(NOTE), note_of(&note, &args.contact, &version(root)?).as_bytes())?;
    write(&to.join(SUMS), sums.as_bytes())?;
    println!("in {}", to.display());
    Ok(())
}

/// Fills in a note and gives it the line ends that every system's viewer takes.
fn note_of(note: &str, contact: &str, version: &str) -> String {
    note.replace("{contact}", contact).replace("{version}", version).replace('\n', "\r\n")
}

fn version(root: &Path) -> Result<String, String> {
    let manifest = String::from_utf8_lossy(&read(&root.join("Cargo.toml"))?).into_owned();
    let line = manifest.lines().find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'));
    line.map(str::to_owned).ok_or_else(|| "Cargo.toml says no version".to_owned())
}

fn build(root: &Path, kind: &Kind) -> Result<PathBuf, String> {
    let (compiler, package) = kind.compiler;
    if find(compiler).is_none() {
        install("dist", &[package])?;
    }
    add_target(root, kind.target)?;
    let target_dir = root.join("target/dist");
    let mut command = cargo(root);
    command.args(["build", "--profile", "dist", "--package", "chunkstore", "--bin", "chunkstore"]);
    command.args(["--target", kind.target, "--config", &flags(root), "--target-dir"]).arg(&target_dir);
    let under = kind.target.replace('-', "_");
    command.env(format!("CC_{under}"), compiler);
    if let Some(linker) = kind.linker {
        command.env(format!("CARGO_TARGET_{}_LINKER", under.to_uppercase()), linker);
    }
    done(&mut command, kind.target)?;
    Ok(target_dir.join(kind.target).join("dist").join(kind.built))
}

/// Returns `build.rustflags` of the repository with paths of this machine left out of the program.
fn flags(root: &Path) -> String {
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")));
    let mut flags = vec!["--cfg".to_owned(), "chacha20_avx512".to_owned()];
    flags.extend(home.ok().map(|home| format!("--remap-path-prefix={home}=cargo")));
    flags.push(format!("--remap-path-prefix={}=chunkstore", root.display()));
    format!("build.rustflags={flags:?}")
}

/// Checks what was built without running it.
fn check(kind: &Kind, bytes: &[u8]) -> Result<(), String> {
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!("{} has {} bytes, which is more than {MOST_BYTES}", kind.shown, bytes.len()));
    }
    if bytes.starts_with(b"\x7fELF") && needs_a_loader(bytes) {
        return Err(format!("{} needs libraries of the system at run time", kind.shown));
    }
    Ok(())
}

/// Returns whether an ELF file of 64 bits names a loader (`PT_INTERP`), or says nothing that can be read.
fn needs_a_loader(elf: &[u8]) -> bool {
    const INTERP: u32 = 3;
    let short = |at: usize| Some(usize::from(u16::from_le_bytes(*elf.get(at..)?.first_chunk()?)));
    let start = || usize::try_from(u64::from_le_bytes(*elf.get(32..)?.first_chunk()?)).ok();
    let (Some(start), Some(len), Some(count)) = (start(), short(54), short(56)) else { return true };
    let kind = |number: usize| {
        let at = start.checked_add(number.checked_mul(len)?)?;
        Some(u32::from_le_bytes(*elf.get(at..)?.first_chunk()?))
    };
    count == 0 || (0..count).any(|number| kind(number).is_none_or(|kind| kind == INTERP))
}

/// Runs it in an empty environment, one for Windows under wine, or says why not.
fn start(kind: &Kind, program: &Path) -> Result<(), String> {
    if kind.built.ends_with(".exe") {
        return start_under_wine(kind, program);
    }
    allow(program)?;
    done(Command::new(program).env_clear().arg("version"), kind.shown)
}

fn start_under_wine(kind: &Kind, program: &Path) -> Result<(), String> {
    let Some(wine) = ["/usr/lib/wine/wine64", "wine64", "wine"].iter().find_map(|name| find(name)) else {
        println!("{}: not run, since there is no wine here", kind.shown);
        return Ok(());
    };
    let mut command = Command::new(wine);
    let ended = command.env("WINEDEBUG", "-all").arg(program).arg("version").status();
    // Wine of Debian 12 lacks a library that every Windows since 10 has and Rust needs, which says nothing of the program.
    if ended.as_ref().is_ok_and(|status| status.code() == Some(LIBRARY_MISSING)) {
        println!(
            "{}: not run, since this wine lacks a library; `cargo xtask windows service` gives it one",
            kind.shown
        );
        return Ok(());
    }
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{} failed under wine: {status}", kind.shown)),
        Err(error) => Err(format!("cannot start wine: {error}")),
    }
}

#[cfg(unix)]
fn allow(program: &Path) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let allowed = fs::set_permissions(program, fs::Permissions::from_mode(0o755));
    allowed.map_err(|error| format!("cannot let {} start: {error}", program.display()))
}

#[cfg(not(unix))]
fn allow(_: &Path) -> Result<(), String> {
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests;
