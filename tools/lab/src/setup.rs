//! `lab setup`: brings together what a machine needs, on Debian, from package registries alone.
//!
//! What is there is left alone, so a second run does nothing. A part that cannot be had is named with what is skipped for
//! its want; only without a machine's own parts does setup fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::error::{LabError, Result};
use crate::initramfs;
use crate::kit::{DEFAULT_DIR, Kit};
use crate::machine::Machine;

mod kernel;
mod libraries;
mod packages;
mod program;

/// What `lab setup` is asked for.
#[derive(Debug, clap::Args)]
pub struct SetupArgs {
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// Makes the work directory complete.
///
/// # Errors
/// When a part is missing without which no machine runs.
pub fn run(args: &SetupArgs) -> Result<()> {
    let start = Instant::now();
    std::fs::create_dir_all(&args.dir)
        .map_err(|error| LabError::because(format!("cannot make {}", args.dir.display()), error))?;
    let kit = Kit::in_dir(&args.dir);
    packages::install()?;
    let modules = kernel::provide(&kit)?;
    program::build(&kit.chunkstore())?;
    let mut ntfs = libraries::with_program(Path::new(packages::NTFS_3G))?;
    ntfs.extend(libraries::with_program(Path::new(packages::NTFSFIX))?);
    ntfs.sort_unstable();
    ntfs.dedup();
    let initramfs = initramfs::build(&modules, Path::new(packages::BUSYBOX), &kit.chunkstore(), &ntfs)?;
    for module in &initramfs.missing {
        tell(&format!("MISSING: this kernel has no module {module}; media that need it are skipped"));
    }
    if replace(&kit.initramfs(), &initramfs.bytes)? {
        // The saved machine holds the old one in its memory.
        let _ = std::fs::remove_file(kit.saved());
    }
    if !kit.saved().is_file() {
        tell("starting the machine once, to save its state");
        let release = Machine::restore(&kit)?.run("uname -r", Duration::from_secs(20))?;
        tell(&format!("the machine runs Linux {release}"));
    }
    tell(&format!("ready in {} ({:.1} s)", args.dir.display(), start.elapsed().as_secs_f32()));
    Ok(())
}

/// Writes a file if it would change; true when it did.
fn replace(path: &Path, bytes: &[u8]) -> Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let written = std::fs::write(path, bytes);
    written.map_err(|error| LabError::because(format!("cannot write {}", path.display()), error))?;
    tell(&format!("wrote {}", path.display()));
    Ok(true)
}

/// Says what setup does.
fn tell(text: &str) {
    eprintln!("lab setup: {text}");
}

/// Runs a command to its end; returns what it printed.
fn command(command: &mut Command) -> Result<String> {
    let name = format!("{command:?}");
    let output = command.output().map_err(|error| LabError::because(format!("cannot start {name}"), error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(LabError::new(format!("{name} failed ({}): {}", output.status, said.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_when_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let changes = [replace(&path, b"a"), replace(&path, b"a"), replace(&path, b"b")].map(|result| result.unwrap());
        assert_eq!(changes, [true, false, true]);
    }

    #[test]
    fn a_command_that_fails_says_why() {
        assert_eq!(command(Command::new("echo").arg("a")).unwrap(), "a\n");
        let error = command(Command::new("sh").args(["-c", "echo broken >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("broken") && error.contains('3'), "{error}");
    }
}
