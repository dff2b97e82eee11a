//! Extended attributes of open files and of entries: which are read and set, and how.
//!
//! Linux: those of `user`, POSIX access lists, and file capabilities; macOS: all. What a security module or the kernel
//! itself keeps there belongs to the system and not to the entry. Limits: other systems have none.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use crate::disk::folder::ExtendedAttribute;

/// Returns whether an attribute of this name belongs to the entry's owner.
pub(super) fn is_kept(name: &[u8]) -> bool {
    let well_formed = !name.is_empty() && name.len() <= crate::disk::folder::ATTRIBUTE_NAME_MAX_BYTES;
    let known = cfg!(target_os = "macos")
        || name.starts_with(b"user.")
        || matches!(name, b"system.posix_acl_access" | b"system.posix_acl_default" | b"security.capability");
    well_formed && known && !name.contains(&0)
}

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod system {
    use rustix::fs::XattrFlags;

    use super::{AsFd, BorrowedFd, Errno, ExtendedAttribute, is_kept};
    use crate::disk::folder::ATTRIBUTE_VALUE_MAX_BYTES;

    /// Longest list of names that Linux returns (`XATTR_LIST_MAX`).
    const LIST_MAX_BYTES: usize = 64 * 1024;
    const FIRST_TRY_BYTES: usize = 512;

    /// Asks with a small buffer, and once more with the largest if that does not do.
    fn ask(max_bytes: usize, call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
        let mut small = [0; FIRST_TRY_BYTES];
        match call(&mut small) {
            Ok(len) => Ok(small[..len].to_vec()),
            Err(Errno::RANGE) => {
                let mut large = vec![0; max_bytes];
                let len = call(&mut large)?;
                large.truncate(len);
                Ok(large)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Collects attributes through two calls; what goes or may not be read in between is passed over.
    fn collect(
        list: impl Fn(&mut [u8]) -> Result<usize, Errno>,
        get: impl Fn(&[u8], &mut [u8]) -> Result<usize, Errno>,
    ) -> Result<Vec<ExtendedAttribute>, Errno> {
        let names = match ask(LIST_MAX_BYTES, list) {
            Ok(names) => names,
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        };
        let mut found = Vec::new();
        for name in names.split(|&byte| byte == 0).filter(|name| is_kept(name)) {
            match ask(ATTRIBUTE_VALUE_MAX_BYTES, |buffer| get(name, buffer)) {
                Ok(value) => found.push(ExtendedAttribute { name: name.to_vec(), value }),
                Err(errno) if passed_over(errno) => {}
                Err(errno) => return Err(errno),
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    fn passed_over(errno: Errno) -> bool {
        #[cfg(target_os = "linux")]
        const MISSING: Errno = Errno::NODATA;
        #[cfg(target_os = "macos")]
        const MISSING: Errno = Errno::NOATTR;
        errno == MISSING
            || matches!(errno, Errno::ACCESS | Errno::PERM | Errno::OPNOTSUPP | Errno::RANGE | Errno::TOOBIG)
    }

    pub(in crate::disk::os_folder) fn of_file(file: BorrowedFd<'_>) -> Result<Vec<ExtendedAttribute>, Errno> {
        collect(|buffer| rustix::fs::flistxattr(file, buffer), |name, buffer| rustix::fs::fgetxattr(file, name, buffer))
    }

    pub(in crate::disk::os_folder) fn set_of_file(file: impl AsFd, one: &ExtendedAttribute) -> Result<(), Errno> {
        rustix::fs::fsetxattr(file, &one.name[..], &one.value, XattrFlags::empty())
    }

    /// Pins the entry with a handle that grants no access, whatever its type and rights, and asks by its name below `/proc`.
    #[cfg(target_os = "linux")]
    pub(in crate::disk::os_folder) fn of_entry(
        dir: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<Vec<ExtendedAttribute>, Errno> {
        let Some((_pinned, path)) = pinned(dir, name)? else { return Ok(Vec::new()) };
        let get = |name: &[u8], buffer: &mut [u8]| rustix::fs::getxattr(&path[..], name, buffer);
        match collect(|buffer| rustix::fs::listxattr(&path[..], buffer), get) {
            // No `/proc` in this sandbox.
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(Vec::new()),
            result => result,
        }
    }

    #[cfg(target_os = "linux")]
    pub(in crate::disk::os_folder) fn set_of_entry(
        dir: BorrowedFd<'_>,
        name: &[u8],
        one: &ExtendedAttribute,
    ) -> Result<(), Errno> {
        let Some((_pinned, path)) = pinned(dir, name)? else { return Err(Errno::OPNOTSUPP) };
        rustix::fs::setxattr(&path[..], &one.name[..], &one.value, XattrFlags::empty())
    }

    /// Returns a handle and the path that leads to it; nothing for a link, which has no attributes of its owner.
    #[cfg(target_os = "linux")]
    fn pinned(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<(std::os::fd::OwnedFd, String)>, Errno> {
        use rustix::fs::{FileType, Mode, OFlags};
        use std::os::fd::AsRawFd;

        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::PATH;
        let pinned = rustix::fs::openat(dir, name, flags, Mode::empty())?;
        let is_link = FileType::from_raw_mode(rustix::fs::fstat(&pinned)?.st_mode) == FileType::Symlink;
        let path = format!("/proc/self/fd/{}", pinned.as_raw_fd());
        Ok((!is_link).then_some((pinned, path)))
    }

    #[cfg(target_os = "macos")]
    fn opened(dir: BorrowedFd<'_>, name: &[u8]) -> Result<Option<std::os::fd::OwnedFd>, Errno> {
        use rustix::fs::{Mode, OFlags};

        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NONBLOCK;
        match rustix::fs::openat(dir, name, flags, Mode::empty()) {
            // A link, or what cannot be opened: a socket, a device without a driver.
            Err(Errno::LOOP | Errno::OPNOTSUPP | Errno::NXIO) => Ok(None),
            result => result.map(Some),
        }
    }

    #[cfg(target_os = "macos")]
    pub(in crate::disk::os_folder) fn of_entry(
        dir: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<Vec<ExtendedAttribute>, Errno> {
        opened(dir, name)?.map_or(Ok(Vec::new()), |file| of_file(file.as_fd()))
    }

    #[cfg(target_os = "macos")]
    pub(in crate::disk::os_folder) fn set_of_entry(
        dir: BorrowedFd<'_>,
        name: &[u8],
        one: &ExtendedAttribute,
    ) -> Result<(), Errno> {
        set_of_file(opened(dir, name)?.ok_or(Errno::OPNOTSUPP)?, one)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
mod system {
    use super::{AsFd, BorrowedFd, Errno, ExtendedAttribute};

    pub(in crate::disk::os_folder) fn of_file(_: BorrowedFd<'_>) -> Result<Vec<ExtendedAttribute>, Errno> {
        Ok(Vec::new())
    }

    pub(in crate::disk::os_folder) fn of_entry(_: BorrowedFd<'_>, _: &[u8]) -> Result<Vec<ExtendedAttribute>, Errno> {
        Ok(Vec::new())
    }

    pub(in crate::disk::os_folder) fn set_of_file(_: impl AsFd, _: &ExtendedAttribute) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }

    pub(in crate::disk::os_folder) fn set_of_entry(
        _: BorrowedFd<'_>,
        _: &[u8],
        _: &ExtendedAttribute,
    ) -> Result<(), Errno> {
        Err(Errno::OPNOTSUPP)
    }
}

pub(super) use system::{of_entry, of_file, set_of_entry, set_of_file};
