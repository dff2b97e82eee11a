//! The guest's kernel: Debian's own, unpacked into the work directory and never installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{command, tell};
use crate::error::{LabError, Result};
use crate::kit::Kit;

/// Before and behind the number in the names of the packages that will do: the signed kernel with all drivers.
const NAME: (&str, &str) = ("linux-image-6.1.0-", "-amd64");

/// Provides the kernel and its modules; returns the modules' directory.
///
/// # Errors
/// When none is there and none can be fetched.
pub fn provide(kit: &Kit) -> Result<PathBuf> {
    let tree = kit.dir().join("kernel");
    if modules_dir(&tree).is_err() || !kit.kernel().is_file() {
        fetch(&tree)?;
    }
    let modules = modules_dir(&tree)?;
    if !modules.join("modules.dep").is_file() {
        let version = modules.file_name().unwrap_or_default();
        command(Command::new("depmod").arg("-b").arg(&tree).arg(version).env("PATH", path_with_sbin()))?;
    }
    if !kit.kernel().is_file() {
        let boot = only_entry(&tree.join("boot"), "vmlinuz-")?;
        std::fs::copy(&boot, kit.kernel())
            .map_err(|error| LabError::because(format!("cannot copy {}", boot.display()), error))?;
    }
    Ok(modules)
}

fn path_with_sbin() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

fn fetch(tree: &Path) -> Result<()> {
    let search = || command(Command::new("apt-cache").args(["search", "--names-only", &format!("^{}", NAME.0)]));
    let package = match newest(&search()?) {
        Some(package) => package,
        None => {
            command(Command::new("apt-get").args(["-q", "update"]))?;
            newest(&search()?).ok_or_else(|| LabError::new(format!("apt offers no {}N{}", NAME.0, NAME.1)))?
        }
    };
    tell(&format!("fetching {package} (about 70 MB)"));
    let failed = |error| LabError::because("cannot fetch the kernel", error);
    let dir = tempfile::tempdir_in(tree.parent().unwrap_or(Path::new("."))).map_err(failed)?;
    command(Command::new("apt-get").args(["-q", "download", &package]).current_dir(dir.path()))?;
    let file = only_entry(dir.path(), "linux-image-")?;
    let fresh = dir.path().join("tree");
    command(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&fresh))?;
    if tree.exists() {
        std::fs::remove_dir_all(tree).map_err(failed)?;
    }
    std::fs::rename(&fresh, tree).map_err(failed)
}

/// Picks the package with the highest number from what `apt-cache search` printed.
fn newest(listing: &str) -> Option<String> {
    let names = listing.lines().filter_map(|line| line.split_whitespace().next());
    let numbered = names.filter_map(|name| {
        let number = name.strip_prefix(NAME.0)?.strip_suffix(NAME.1)?;
        Some((number.parse::<u32>().ok()?, name))
    });
    numbered.max().map(|(_, name)| name.to_owned())
}

fn modules_dir(tree: &Path) -> Result<PathBuf> {
    only_entry(&tree.join("lib/modules"), "")
}

/// Returns the only entry of a directory whose name begins so.
fn only_entry(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let failed = |error| LabError::because(format!("cannot list {}", dir.display()), error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            found.push(entry.path());
        }
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        many => Err(LabError::new(format!("{} holds {} of {prefix}*, not one", dir.display(), many.len()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_kernel_is_picked() {
        let listing = "linux-image-6.1.0-9-amd64 - Linux 6.1\nlinux-image-6.1.0-56-amd64 - Linux 6.1\n\
                       linux-image-6.1.0-99-cloud-amd64 - Linux\nlinux-image-6.1.0-98-amd64-unsigned - Linux\n\
                       linux-image-6.1.0-97-rt-amd64 - Linux\nlinux-image-6.12.0-1-amd64 - Linux\n\n";
        assert_eq!(newest(listing).unwrap(), "linux-image-6.1.0-56-amd64");
        assert_eq!(newest("linux-image-6.1.0-99-cloud-amd64 - Linux\n"), None);
    }

    #[test]
    fn a_directory_with_two_kernels_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("vmlinuz-1"), "").unwrap();
        assert!(only_entry(dir.path(), "vmlinuz-").is_ok());
        std::fs::write(dir.path().join("vmlinuz-2"), "").unwrap();
        assert!(only_entry(dir.path(), "vmlinuz-").unwrap_err().to_string().contains("2 of vmlinuz-*"));
    }
}
