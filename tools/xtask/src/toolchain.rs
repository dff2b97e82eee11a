//! What chores need beside cargo: targets of rustc, Debian's packages, programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Adds the standard library for a target, unless it is there.
///
/// # Errors
/// rustup is missing, or cannot fetch it.
pub fn add_target(root: &Path, target: &str) -> Result<(), String> {
    let mut list = Command::new("rustc");
    list.current_dir(root).args(["--print", "target-libdir", "--target", target]).stderr(Stdio::null());
    let libraries = list.output().map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if libraries.is_ok_and(|dir| !dir.is_empty() && Path::new(&dir).is_dir()) {
        return Ok(());
    }
    let mut add = Command::new("rustup");
    done(add.current_dir(root).args(["target", "add", target]), "rustup target add")
}

/// Installs packages of Debian where this runs as root.
///
/// # Errors
/// Names them where it does not, or where there is no apt-get.
pub fn install(chore: &str, packages: &[&str]) -> Result<(), String> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if !is_root || find("apt-get").is_none() {
        return Err(format!("missing: apt-get install --no-install-recommends {}", packages.join(" ")));
    }
    println!("{chore}: installs {}", packages.join(" "));
    let mut update = Command::new("apt-get");
    done(update.args(["update", "-qq"]), "apt-get update")?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    done(install.args(["install", "--yes", "-qq", "--no-install-recommends"]).args(packages), "apt-get install")
}

/// Runs a command to its end.
///
/// # Errors
/// It did not start, or did not end well.
pub fn done(command: &mut Command, what: &str) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{what} failed: {status}")),
        Err(error) => Err(format!("cannot start {what}: {error}")),
    }
}

/// Returns where a program is.
#[must_use]
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|path| path.is_file())
}
