//! [`Kit`]: what `lab setup` made, by name, in the lab's work directory.

use std::path::{Path, PathBuf};

use crate::error::{LabError, Result};

/// The work directory unless another is named.
pub const DEFAULT_DIR: &str = "target/lab";

/// The files that a machine is started with.
#[derive(Debug, Clone)]
pub struct Kit {
    dir: PathBuf,
}

impl Kit {
    /// Names the products of a work directory, whether they are there or not.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Opens a work directory that is complete.
    ///
    /// # Errors
    /// When a part is missing; it says which, and to run setup.
    pub fn open(dir: &Path) -> Result<Self> {
        let kit = Self::in_dir(dir);
        let parts = [kit.kernel(), kit.initramfs(), kit.chunkstore()];
        let missing = parts.iter().find(|part| !part.is_file());
        match missing {
            Some(part) => Err(LabError::new(format!(
                "{} is missing, so no machine can be started; run `cargo xtask lab setup`",
                part.display()
            ))),
            None => Ok(kit),
        }
    }

    /// Returns the work directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the kernel.
    #[must_use]
    pub fn kernel(&self) -> PathBuf {
        self.dir.join("vmlinuz")
    }

    /// Returns the first root file system: busybox, modules, and the program.
    #[must_use]
    pub fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs.cpio")
    }

    /// Returns the static program that is in it.
    #[must_use]
    pub fn chunkstore(&self) -> PathBuf {
        self.dir.join("chunkstore")
    }

    /// Returns the state of a machine that has just started.
    #[must_use]
    pub fn saved(&self) -> PathBuf {
        self.dir.join("machine.saved")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_incomplete_kit_says_what_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let error = Kit::open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("vmlinuz") && error.contains("lab setup"), "{error}");
        for name in ["vmlinuz", "initramfs.cpio", "chunkstore"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        assert!(Kit::open(dir.path()).is_ok());
    }
}
