//! [`Office`]: a publisher on the host with a real FTP server, which guests reach, too.

use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use xtask::content::{Draw, noise};
use xtask::syncratio::vsftpd::Vsftpd;
use xtask::tidy::repository_root;

use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::HOST_ADDRESS;
use crate::weeks::{own_program, run};

/// A publisher.
pub struct Office {
    // The server ends before its folder goes.
    server: Vsftpd,
    program: PathBuf,
    fingerprint: String,
    dir: TempDir,
}

impl Office {
    /// Makes a store and starts a server.
    ///
    /// # Errors
    /// There is no vsftpd, or the program fails.
    pub fn open(kit: &Kit) -> Result<Self> {
        let failed = |error| LabError::because("cannot open a publisher's office", error);
        let dir = tempfile::tempdir().map_err(failed)?;
        // The server's user is nobody.
        let open_to_all = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open_to_all).map_err(failed)?;
        let server = Vsftpd::start(&repository_root(), &dir.path().join("ftp")).map_err(failed)?;
        let program = own_program(kit, dir.path())?;
        std::fs::create_dir(dir.path().join("files")).map_err(failed)?;
        let made = run(&program, dir.path(), &["init", "pub", "--keys", "keys", "--no-passphrase", "--json"])?;
        let fingerprint = made["fingerprint"].as_str().unwrap_or_default().to_owned();
        Ok(Self { server, program, fingerprint, dir })
    }

    /// Publishes a week of so many bytes; returns the generation.
    ///
    /// # Errors
    /// The program fails.
    pub fn publish(&self, week: u64, len_bytes: u64) -> Result<u64> {
        let file = self.dir.path().join(format!("files/week-{week}"));
        noise(&file, len_bytes, &mut Draw::new(week))
            .map_err(|error| LabError::because("cannot make a week", error))?;
        self.json(&["commit", "files", "--store", "pub", "--keys", "keys", "-m", "weekly"])?;
        let pushed = self.json(&["push", &self.server.url("store"), "--store", "pub", "--keys", "keys"])?;
        pushed["generation"].as_u64().ok_or_else(|| LabError::new(format!("push said {pushed}")))
    }

    /// Returns the store's address as guests reach it.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url("store").replace("127.0.0.1", HOST_ADDRESS)
    }

    /// Returns the store's fingerprint.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn json(&self, args: &[&str]) -> Result<Value> {
        run(&self.program, self.dir.path(), &[args, &["--json"]].concat())
    }
}
