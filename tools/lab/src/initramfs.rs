//! The guest's root file system: a cpio archive of busybox, the program, modules and the guest's init.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cpio::Archive;
use crate::error::{LabError, Result};

/// The guest's first process.
const INIT: &str = include_str!("../guest/init");
const DIRS: &[&str] = &["bin", "dev", "mnt", "modules", "proc", "root", "sys", "tmp"];
/// What is loaded, in this order, after what it depends on; with the options of the module.
const MODULES: &[(&str, &str)] = &[
    ("xhci_pci", ""),
    ("usb_storage", "delay_use=0"),
    ("uas", ""),
    ("crct10dif_generic", ""),
    ("sd_mod", ""),
    ("nls_cp437", ""),
    ("nls_ascii", ""),
    ("nls_iso8859_1", ""),
    ("nls_utf8", ""),
    ("vfat", ""),
    ("exfat", ""),
    ("fuse", ""),
    ("crc32c_generic", ""),
    ("ext4", ""),
    ("virtio_pci", ""),
    ("virtio_net", ""),
    ("loop", ""),
];

/// A root file system, and the modules that the kernel does not have.
pub struct Initramfs {
    /// The archive.
    pub bytes: Vec<u8>,
    /// Names of modules that are neither built in nor beside the kernel.
    pub missing: Vec<&'static str>,
}

/// Puts together busybox, the program, the modules and the guest's init. `modules` is the directory of one kernel's
/// modules with the lists that depmod wrote; `host_files` are files of the host that lie at the same path in the guest.
///
/// # Errors
/// When a file cannot be read.
pub fn build(modules: &Path, busybox: &Path, chunkstore: &Path, host_files: &[PathBuf]) -> Result<Initramfs> {
    let read_text = |name: &str| read(&modules.join(name)).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let plan = Plan::new(&read_text("modules.dep")?, &read_text("modules.builtin")?);
    let mut archive = Archive::default();
    DIRS.iter().for_each(|dir| archive.dir(dir));
    archive.file("init", true, INIT.as_bytes());
    archive.file("bin/busybox", true, &read(busybox)?);
    archive.file("bin/chunkstore", true, &read(chunkstore)?);
    add_host_files(&mut archive, host_files)?;
    let mut list = String::new();
    for (path, options) in &plan.files {
        let name = path.rsplit('/').next().unwrap_or(path);
        archive.file(&format!("modules/{name}"), false, &read(&modules.join(path))?);
        list.push_str(format!("{name} {options}").trim_end());
        list.push('\n');
    }
    archive.file("modules/list", false, list.as_bytes());
    Ok(Initramfs { bytes: archive.finish(), missing: plan.missing })
}

/// Adds files of the host at their own paths, after the directories that they lie in.
fn add_host_files(archive: &mut Archive, files: &[PathBuf]) -> Result<()> {
    let name = |path: &Path| path.to_string_lossy().trim_start_matches('/').to_owned();
    let parents = files.iter().flat_map(|file| file.ancestors().skip(1)).map(name);
    let parents: BTreeSet<String> = parents.filter(|dir| !dir.is_empty() && !DIRS.contains(&dir.as_str())).collect();
    parents.iter().for_each(|dir| archive.dir(dir));
    for file in files {
        archive.file(&name(file), true, &read(file)?);
    }
    Ok(())
}

/// Which files are loaded, in order, with their options.
#[derive(Debug, Default)]
struct Plan {
    files: Vec<(String, &'static str)>,
    missing: Vec<&'static str>,
}

impl Plan {
    /// Reads `modules.dep`, where a line is `file: file...`, later ones to be loaded first, and `modules.builtin`.
    fn new(dependencies: &str, builtin: &str) -> Self {
        let lines = dependencies.lines().filter_map(|line| line.split_once(':'));
        let known: BTreeMap<String, (&str, &str)> = lines.map(|(file, needs)| (stem(file), (file, needs))).collect();
        let builtin: Vec<String> = builtin.lines().map(stem).collect();
        let mut plan = Self::default();
        for (name, options) in MODULES {
            let Some((file, needs)) = known.get(*name) else {
                if !builtin.iter().any(|module| module == name) {
                    plan.missing.push(name);
                }
                continue;
            };
            needs.split_whitespace().rev().for_each(|need| plan.add(need, ""));
            plan.add(file, options);
        }
        plan
    }

    fn add(&mut self, file: &str, options: &'static str) {
        if !self.files.iter().any(|(known, _)| known == file) {
            self.files.push((file.to_owned(), options));
        }
    }
}

/// Returns a module's name: its file without folder and ending, with `_` for `-`, which the kernel treats alike.
fn stem(file: &str) -> String {
    let name = file.trim().rsplit('/').next().unwrap_or_default();
    name.split('.').next().unwrap_or_default().replace('-', "_")
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| LabError::because(format!("cannot read {}", path.display()), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_what_they_need_and_a_missing_one_is_named() {
        let dependencies = "kernel/a/xhci-pci.ko: kernel/a/xhci-hcd.ko kernel/b/usbcore.ko\n\
                            kernel/a/xhci-hcd.ko: kernel/b/usbcore.ko\nkernel/b/usbcore.ko:\nnonsense\n\
                            kernel/c/usb-storage.ko: kernel/b/usbcore.ko\nkernel/d/unused.ko:\n";
        let plan = Plan::new(dependencies, "kernel/fs/ext4/ext4.ko\n");
        let names: Vec<_> = plan.files.iter().map(|(file, options)| (stem(file), *options)).collect();
        let expected = [("usbcore", ""), ("xhci_hcd", ""), ("xhci_pci", ""), ("usb_storage", "delay_use=0")];
        assert_eq!(names, expected.map(|(name, options)| (name.to_owned(), options)));
        assert!(plan.missing.contains(&"fuse") && !plan.missing.contains(&"ext4"));
    }
}
