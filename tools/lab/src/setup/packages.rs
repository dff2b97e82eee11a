//! Debian's packages: which are wanted for what, and how they are installed.

use std::path::Path;
use std::process::Command;

use super::{command, tell};
use crate::error::{LabError, Result};

/// Debian's static busybox.
pub const BUSYBOX: &str = "/bin/busybox";
/// Mounts NTFS in user space, since Debian 12's kernel has no driver that writes it.
pub const NTFS_3G: &str = "/bin/ntfs-3g";
/// Mends what a cut left of NTFS, where NTFS-3G does not mount it.
pub const NTFSFIX: &str = "/bin/ntfsfix";
const BACKPORTS_LIST: &str = "/etc/apt/sources.list.d/chunkstore-lab-backports.list";

/// Something that a package brings.
struct Wanted {
    /// A program on the path, or a file by its whole path.
    what: &'static str,
    package: &'static str,
    /// What is skipped without it; nothing where no machine runs without it.
    skipped: Option<&'static str>,
}

const fn wanted(what: &'static str, package: &'static str, skipped: Option<&'static str>) -> Wanted {
    Wanted { what, package, skipped }
}

const WANTED: &[Wanted] = &[
    wanted("qemu-system-x86_64", "qemu-system-x86", None),
    wanted("/usr/share/seabios/bios-256k.bin", "seabios", None),
    wanted(BUSYBOX, "busybox-static", None),
    wanted("depmod", "kmod", None),
    wanted("mkfs.vfat", "dosfstools", Some("the media vfat, vfat-flush and vfat-4k")),
    wanted("mkfs.exfat", "exfatprogs", Some("the medium exfat")),
    wanted("mkfs.ntfs", "ntfs-3g", Some("the medium ntfs")),
    wanted(NTFS_3G, "ntfs-3g", Some("the medium ntfs")),
    wanted(NTFSFIX, "ntfs-3g", Some("the medium ntfs")),
    wanted("mkfs.ext4", "e2fsprogs", Some("the medium ext4")),
    wanted("musl-gcc", "musl-tools", Some("the build with musl (the program is then linked with glibc)")),
];

/// Installs what is missing.
///
/// # Errors
/// When something is still missing after it without which no machine runs.
pub fn install() -> Result<()> {
    let missing: Vec<&Wanted> = WANTED.iter().filter(|wanted| !is_there(wanted.what)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<_> = missing.iter().map(|wanted| wanted.package).collect();
    tell(&format!("installing {}", packages.join(" ")));
    for package in packages {
        if let Err(error) = install_one(package) {
            tell(&error.to_string());
        }
    }
    let still: Vec<&Wanted> = missing.into_iter().filter(|wanted| !is_there(wanted.what)).collect();
    for wanted in &still {
        let skipped = wanted.skipped.unwrap_or("everything that needs a machine");
        tell(&format!("MISSING: {} (package {}); skipped: {skipped}", wanted.what, wanted.package));
    }
    match still.iter().find(|wanted| wanted.skipped.is_none()) {
        Some(wanted) => Err(LabError::new(format!(
            "no machine can be started without {}; install {} as root and run setup again",
            wanted.what, wanted.package
        ))),
        None => Ok(()),
    }
}

fn is_there(what: &str) -> bool {
    if what.starts_with('/') {
        return Path::new(what).is_file();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps mkfs and depmod where only root's path leads.
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    places.into_iter().any(|place| place.join(what).is_file())
}

/// Installs one package, from the suite of backports where its kin is from there, or where it cannot be had otherwise.
fn install_one(package: &str) -> Result<()> {
    let suite = backports_suite();
    let backports_first = package == "qemu-system-x86" && installed_version("qemu-utils").contains("~bpo");
    let suites = if backports_first { [Some(suite.as_str()), None] } else { [None, Some(suite.as_str())] };
    if apt_install(package, suites[0]).is_ok() {
        return Ok(());
    }
    tell("apt-get update, since a package was not to be had");
    command(Command::new("apt-get").args(["-q", "update"]))?;
    let plain = apt_install(package, suites[0]).or_else(|_| apt_install(package, suites[1]));
    if plain.is_ok() || package != "qemu-system-x86" || Path::new(BACKPORTS_LIST).exists() {
        return plain;
    }
    tell(&format!("adding Debian's {suite} as {BACKPORTS_LIST}, since {package} cannot be installed without it"));
    let line = format!("deb http://deb.debian.org/debian {suite} main\n");
    std::fs::write(BACKPORTS_LIST, line)
        .map_err(|error| LabError::because(format!("cannot write {BACKPORTS_LIST}"), error))?;
    command(Command::new("apt-get").args(["-q", "update"]))?;
    apt_install(package, Some(&suite))
}

fn apt_install(package: &str, suite: Option<&str>) -> Result<()> {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "install", "-y", "--no-install-recommends"]);
    if let Some(suite) = suite {
        apt.args(["-t", suite]);
    }
    command(apt.arg(package)).map(drop)
}

fn installed_version(package: &str) -> String {
    command(Command::new("dpkg-query").args(["-W", "-f", "${Version}", package])).unwrap_or_default()
}

fn backports_suite() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    format!("{}-backports", codename(&text).unwrap_or("stable"))
}

fn codename(os_release: &str) -> Option<&str> {
    os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).map(|name| name.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::MEDIA;

    #[test]
    fn every_medium_has_its_tool_among_the_wanted() {
        for medium in MEDIA {
            let tool = WANTED.iter().find(|wanted| wanted.what == medium.mkfs[0]);
            assert!(tool.is_some_and(|wanted| wanted.skipped.unwrap().contains(medium.name)), "{}", medium.name);
        }
    }

    #[test]
    fn what_is_on_the_path_is_found() {
        assert!(is_there("sh") && !is_there("no-such-program") && !is_there("/no/such/file"));
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), Some("bookworm"));
    }
}
