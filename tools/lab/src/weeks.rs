//! [`Weeks`]: a publisher's two weeks on a server that guests reach, and keys that hold the first.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::base::random::SeededRandom;
use chunkstore::base::{Clock, Random};
use chunkstore::disk::served::ServedDir;
use chunkstore::serve::{Faults, ServeOptions, Server};
use tempfile::TempDir;

use crate::bench::Bench;
use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::{HOST_ADDRESS, Key};
use crate::media::Medium;

/// The generation of each week, `init` being the first.
pub const GENERATIONS: [u64; 2] = [2, 3];
/// Files of each week and their bytes; none compresses.
const FILES: [usize; 2] = [3, 11];
const FILE_BYTES: usize = 2_000_000;

/// Two weeks of a publisher, served by FTP until this is dropped.
pub struct Weeks {
    dir: TempDir,
    server: Server,
    fingerprint: String,
    store_id: String,
    /// Hash by path of every pack of week 2.
    packs: BTreeMap<String, String>,
}

impl Weeks {
    /// Publishes both weeks with the program itself and starts to serve them.
    ///
    /// # Errors
    /// When the program fails or nothing can be served.
    pub fn publish(kit: &Kit) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a directory", error))?;
        let program = own_program(kit, dir.path())?;
        let made = run(&program, dir.path(), &["init", "week1", "--keys", "keys", "--no-passphrase", "--json"])?;
        let field = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        let (fingerprint, store_id) = (field("fingerprint"), field("store_id"));
        let commit = |week: usize, store: &str| {
            write_files(&dir.path().join("files"), week)?;
            run(
                &program,
                dir.path(),
                &["commit", "files", "--store", store, "--keys", "keys", "--no-passphrase", "--json"],
            )
        };
        commit(0, "week1")?;
        command(Command::new("cp").args(["-a", "week1", "week2"]).current_dir(dir.path()))?;
        commit(1, "week2")?;
        let packs = parse_sums(&command(Command::new("sh").args(["-c", SUMS]).current_dir(dir.path().join("week2")))?);
        let served = ServedDir::open_root(dir.path()).map_err(|error| LabError::because("cannot serve", error))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let server = Server::start(served, ServeOptions::default(), Faults::default(), clock);
        let server = server.map_err(|error| LabError::because("cannot serve on 127.0.0.1", error))?;
        Ok(Self { dir, server, fingerprint, store_id, packs })
    }

    /// Returns the address of a week's store as guests reach it.
    #[must_use]
    pub fn url(&self, week: usize) -> String {
        format!("ftp://{HOST_ADDRESS}:{}/week{week}", self.server.addr().port())
    }

    /// Returns the directory of a week's store on the host.
    #[must_use]
    pub fn store(&self, week: usize) -> PathBuf {
        self.dir.path().join(format!("week{week}"))
    }

    /// Returns the hash of every pack of week 2 by its path below `packs`.
    #[must_use]
    pub fn packs(&self) -> &BTreeMap<String, String> {
        &self.packs
    }

    /// Makes the image of a key that holds week 1, written by a guest and unmounted.
    ///
    /// # Errors
    /// When the image cannot be made or the clone fails.
    pub fn first_key(&self, kit: &Kit, medium: &'static Medium, image: &Path) -> Result<()> {
        medium.format(image)?;
        let mut bench = Bench::new(kit, Key::new("key", image), medium)?;
        bench.must(&format!("clone {} {STORE} --trust {}", self.url(1), self.fingerprint))?;
        bench.unmount()
    }

    /// Returns the guest's command that fetches the reader's key into `/tmp/keys`.
    #[must_use]
    pub fn fetch_keys(&self) -> String {
        let (id, port) = (&self.store_id, self.server.addr().port());
        format!(
            "mkdir -p /tmp/keys/{id} && ftpget -P {port} -u any -p any {HOST_ADDRESS} /tmp/keys/{id}/reader.key \
             keys/{id}/reader.key"
        )
    }
}

/// Where a key's store lies in the guest.
pub const STORE: &str = "/mnt/key/store";
/// Hashes every pack of the store in the working directory.
pub const SUMS: &str = "cd packs && find . -type f -exec sha256sum {} +";

/// Reads what [`SUMS`] prints: `hash  ./path` a line.
#[must_use]
pub fn parse_sums(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(hash, path)| (path.trim().trim_start_matches("./").to_owned(), hash.to_owned())).collect()
}

fn write_files(folder: &Path, week: usize) -> Result<()> {
    let failed = |error| LabError::because(format!("cannot write {}", folder.display()), error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for number in 0..FILES[week] {
        let mut bytes = vec![0; FILE_BYTES];
        SeededRandom::new((week * 1000 + number) as u64).fill(&mut bytes);
        std::fs::write(folder.join(format!("week{week}-{number}")), bytes).map_err(failed)?;
    }
    Ok(())
}

/// Copies the guest's program, which needs no library, so that the host may run it.
pub(crate) fn own_program(kit: &Kit, dir: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let program = dir.join("chunkstore");
    let copied = std::fs::copy(kit.chunkstore(), &program)
        .and_then(|_| std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)));
    copied.map_err(|error| LabError::because(format!("cannot copy {}", kit.chunkstore().display()), error))?;
    Ok(program)
}

/// Runs the program on the host; returns the last line of its JSON.
pub(crate) fn run(program: &Path, dir: &Path, args: &[&str]) -> Result<serde_json::Value> {
    let output = command(Command::new(program).args(args).args(["--cache", "cache"]).current_dir(dir))?;
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|error| LabError::because(format!("{} printed `{line}`", args[0]), error))
}

/// Runs a command that has to succeed; returns what it printed.
pub(crate) fn command(command: &mut Command) -> Result<String> {
    let output = command.output();
    let output = output.map_err(|error| LabError::because(format!("cannot start {command:?}"), error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::new(format!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_read_by_path() {
        let sums = parse_sums("ab12  ./62/5FE19537.DFC\r\n00ff  ./00/X Y.1\nnonsense\n");
        let expected = [("00/X Y.1", "00ff"), ("62/5FE19537.DFC", "ab12")];
        assert_eq!(sums, expected.map(|(path, hash)| (path.to_owned(), hash.to_owned())).into());
    }
}
