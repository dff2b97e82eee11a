//! Who may read a file: Windows has an owner and an access list where other systems have permission bits.
//!
//! An access list is read and written in Microsoft's text form (SDDL): `O:` the owner, `D:` the list, each rule in brackets as
//! kind, inheritance, rights, two ids that do not concern files, and whom it is about.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;

use super::calls;
use super::volume::{FLAG_DIRECTORY, Volume};

/// Rights to read the owner and access list and to change the latter (`READ_CONTROL`, `WRITE_DAC`).
const READ_CONTROL: u32 = 0x0002_0000;
const WRITE_DAC: u32 = 0x0004_0000;
/// Right to read what a file holds or a directory lists (`FILE_READ_DATA`).
const READ_DATA: u64 = 0x1;
/// Rights by name that let somebody read: all and read, of anything and of files.
const READING: [&str; 4] = ["GA", "GR", "FA", "FR"];
/// Who reads whatever they like anyway: the system, its administrators, and whoever the owner is at the time.
const ALWAYS: [&str; 7] = ["SY", "S-1-5-18", "BA", "S-1-5-32-544", "OW", "S-1-3-4", "CO"];

/// Creates a file that must not exist and that only its owner and the system can open.
///
/// Nobody else can have it open before its list is set: until then it is not shared at all.
#[expect(clippy::disallowed_methods, reason = "creates a key file")]
pub fn create_private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .access_mode(0x4000_0000 | READ_CONTROL | WRITE_DAC)
        .share_mode(0)
        .create_new(true)
        .write(true)
        .open(path)?;
    if Volume::below(path).is_ok_and(|volume| volume.keeps_access()) {
        protect(&file, "").inspect_err(|_| {
            // Its name has to go with it; a failure of that leaves an empty file.
            let _ = std::fs::remove_file(path);
        })?;
    }
    drop(file);
    OpenOptions::new().write(true).open(path)
}

/// Makes a directory, and what is made in it, one for its owner and the system alone; nothing where there are no such lists.
#[expect(clippy::disallowed_methods, reason = "protects a directory of keys")]
pub fn protect_dir(path: &Path) -> io::Result<()> {
    if !Volume::below(path)?.keeps_access() {
        return Ok(());
    }
    let rights = READ_CONTROL | WRITE_DAC;
    let dir = OpenOptions::new().access_mode(rights).custom_flags(FLAG_DIRECTORY).open(path)?;
    protect(&dir, "OICI")
}

/// Makes a directory for a service that runs under the account `LocalService`: that, the system and administrators may do all in
/// it, and with `is_shown` everybody on this machine may read it. One that stands gets these rights.
#[expect(clippy::disallowed_methods, reason = "makes the directory of a service")]
pub fn create_service_dir(path: &Path, is_shown: bool) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let dir = OpenOptions::new().access_mode(READ_CONTROL | WRITE_DAC).custom_flags(FLAG_DIRECTORY).open(path)?;
    let shown = if is_shown { "(A;OICI;0x1200a9;;;BU)" } else { "" };
    calls::set_access(&dir, &format!("D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;LS){shown}"))
}

fn protect(file: &File, inheritance: &str) -> io::Result<()> {
    let text = calls::security_text(file)?;
    let owner = owner_of(&text).ok_or(io::ErrorKind::InvalidData)?;
    calls::set_access(file, &format!("D:P(A;{inheritance};FA;;;{owner})(A;{inheritance};FA;;;SY)"))
}

/// Returns whether anybody but the owner and those who always can may read what stands under a path; no where the volume has
/// no such lists, or they cannot be read.
#[expect(clippy::disallowed_methods, reason = "asks for rights, reads nothing")]
pub fn is_open_to_others(path: &Path) -> bool {
    let keeps = Volume::below(path).is_ok_and(|volume| volume.keeps_access());
    let opened = OpenOptions::new().access_mode(READ_CONTROL).custom_flags(FLAG_DIRECTORY).open(path);
    keeps && opened.and_then(|file| calls::security_text(&file)).is_ok_and(|text| lets_others_read(&text))
}

/// Returns the owner that a text names.
fn owner_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("O:")?;
    let end = ["G:", "D:", "S:"].iter().filter_map(|part| rest.find(part)).min().unwrap_or(rest.len());
    Some(&rest[..end]).filter(|owner| !owner.is_empty())
}

/// Returns whether an access list lets somebody read who is neither the owner nor one of those who always can.
pub(super) fn lets_others_read(text: &str) -> bool {
    let owner = owner_of(text);
    let Some((_, list)) = text.split_once("D:") else { return true };
    // No list at all lets everybody do everything.
    if list.starts_with("NO_ACCESS_CONTROL") {
        return true;
    }
    list.split('(').skip(1).filter_map(|rule| rule.split(')').next()).any(|rule| {
        let mut parts = rule.split(';');
        let (kind, flags, rights) = (parts.next(), parts.next(), parts.next());
        let whom = parts.nth(2).unwrap_or_default();
        // A rule that is only inherited says nothing of this file.
        let counts = kind == Some("A") && !flags.is_some_and(|flags| flags.contains("IO"));
        counts && rights.is_some_and(can_read) && Some(whom) != owner && !ALWAYS.contains(&whom)
    })
}

/// Returns whether rights, as a number or as names of two letters, let somebody read.
fn can_read(rights: &str) -> bool {
    if let Some(number) = rights.strip_prefix("0x") {
        return u64::from_str_radix(number, 16).map_or(true, |number| number & (READ_DATA | 0x9000_0000) != 0);
    }
    rights.as_bytes().chunks(2).any(|name| READING.iter().any(|reading| reading.as_bytes() == name) || name == b"CC")
}
