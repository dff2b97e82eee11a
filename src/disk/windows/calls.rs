//! The calls of Windows that the standard library lacks, each as a safe function that does nothing else.
//!
//! No crate that is kept well wraps these; the ones that do free memory by another layout than it was allocated with, or have
//! not been touched for years.
#![expect(unsafe_code, reason = "calls of the system that no safe wrapper offers")]

use std::ffi::{OsString, c_void};
use std::fs::File;
use std::io;
use std::os::windows::ffi::{OsStrExt, OsStringExt};
use std::os::windows::io::{AsHandle, AsRawHandle};
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

use windows_sys::Win32::Foundation::{HANDLE, LocalFree};
use windows_sys::Win32::Security::Authorization::{
    ConvertSecurityDescriptorToStringSecurityDescriptorW, ConvertStringSecurityDescriptorToSecurityDescriptorW,
    GetSecurityInfo, SDDL_REVISION_1, SE_FILE_OBJECT,
};
use windows_sys::Win32::Security::{
    DACL_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION, PROTECTED_DACL_SECURITY_INFORMATION, SetKernelObjectSecurity,
};
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FileBasicInfo, FileIdBothDirectoryInfo,
    FileIdBothDirectoryRestartInfo, GetDiskFreeSpaceExW, GetDriveTypeW, GetFileInformationByHandle,
    GetFileInformationByHandleEx, GetLogicalDrives, GetVolumeInformationW, GetVolumePathNameW,
};
use windows_sys::Win32::System::Diagnostics::Debug::{SEM_FAILCRITICALERRORS, SetErrorMode};
use windows_sys::Win32::System::IO::DeviceIoControl;
use windows_sys::Win32::UI::Shell::{CSIDL_COMMON_APPDATA, SHGFP_TYPE_CURRENT, SHGetFolderPathW};

/// Longest name of a volume's root or file system that is taken, in units.
const NAME_MAX_UNITS: usize = 261;
/// Longest access list in text that is taken, in units.
const TEXT_MAX_UNITS: usize = 1 << 16;

/// Returns where programs keep what belongs to no person: the system knows, and a variable says what whoever started us wants.
pub fn program_data() -> Option<PathBuf> {
    let mut units = [0_u16; NAME_MAX_UNITS];
    let (folder, which) = (CSIDL_COMMON_APPDATA.cast_signed(), SHGFP_TYPE_CURRENT.cast_unsigned());
    // SAFETY: the buffer has more than the 260 units that the call fills at most, its end included.
    let result = unsafe { SHGetFolderPathW(null_mut(), folder, null_mut(), which, units.as_mut_ptr()) };
    let len_units = units.iter().position(|unit| *unit == 0)?;
    let path = PathBuf::from(OsString::from_wide(units.get(..len_units)?));
    (result == 0 && path.is_absolute()).then_some(path)
}

/// Returns a file's number on its volume.
pub fn file_number(file: &File) -> io::Result<u64> {
    let mut found = BY_HANDLE_FILE_INFORMATION::default();
    // SAFETY: the handle lives as long as the borrow, and the system fills the structure of which it is told.
    let done = unsafe { GetFileInformationByHandle(raw(file), &raw mut found) };
    checked(done)?;
    Ok(u64::from(found.nFileIndexHigh) << 32 | u64::from(found.nFileIndexLow))
}

/// When a file's entry was last changed, in the system's ticks; 0 where the file system keeps no such time.
pub fn change_ticks(file: &File) -> io::Result<i64> {
    let mut found = FILE_BASIC_INFO::default();
    let len_bytes = size_of::<FILE_BASIC_INFO>() as u32;
    // SAFETY: as above; the length is that of the structure.
    let done = unsafe { GetFileInformationByHandleEx(raw(file), FileBasicInfo, (&raw mut found).cast(), len_bytes) };
    checked(done).map(|()| found.ChangeTime)
}

/// Fills `buffer` with the next entries of a directory, or with the first ones; false where there are no more. `buffer` is of
/// words of eight bytes since the entries are aligned so.
pub fn read_directory(dir: &File, from_start: bool, buffer: &mut [u64]) -> io::Result<bool> {
    /// There are no more entries.
    const NO_MORE_FILES: i32 = 18;
    let class = if from_start { FileIdBothDirectoryRestartInfo } else { FileIdBothDirectoryInfo };
    let len_bytes = u32::try_from(size_of_val(buffer)).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the system writes at most that many bytes, all of them into the buffer; any bytes are valid numbers.
    let done = unsafe { GetFileInformationByHandleEx(raw(dir), class, buffer.as_mut_ptr().cast(), len_bytes) };
    match checked(done) {
        Err(error) if error.raw_os_error() == Some(NO_MORE_FILES) => Ok(false),
        done => done.map(|()| true),
    }
}

/// Returns the root of the volume that a path lies on, whether anything stands there or not.
pub fn volume_root(path: &Path) -> io::Result<String> {
    let (path, mut root) = (wide(path), [0; NAME_MAX_UNITS]);
    // SAFETY: the path ends in 0, and the system writes at most that many units.
    let done = unsafe { GetVolumePathNameW(path.as_ptr(), root.as_mut_ptr(), root.len() as u32) };
    checked(done).map(|()| text(&root))
}

/// Returns a volume's serial number, what it says that it can do (`FILE_…` flags), and the name of its file system.
pub fn volume_facts(root: &str) -> io::Result<(u32, u32, String)> {
    let (root, mut serial, mut flags, mut name) = (wide(Path::new(root)), 0, 0, [0; NAME_MAX_UNITS]);
    // SAFETY: as above; pointers that are null are not written to.
    let done = unsafe {
        GetVolumeInformationW(
            root.as_ptr(),
            null_mut(),
            0,
            &raw mut serial,
            null_mut(),
            &raw mut flags,
            name.as_mut_ptr(),
            name.len() as u32,
        )
    };
    checked(done).map(|()| (serial, flags, text(&name)))
}

/// Returns what kind of drive a volume's root is on (`DRIVE_…`).
#[must_use]
pub fn drive_kind(root: &str) -> u32 {
    let root = wide(Path::new(root));
    // SAFETY: the text ends in 0.
    unsafe { GetDriveTypeW(root.as_ptr()) }
}

/// Returns the drive letters that stand for something, `A` in the lowest bit.
#[must_use]
pub fn drive_letters() -> u32 {
    // SAFETY: takes nothing.
    unsafe { GetLogicalDrives() }
}

/// Has the system answer an empty drive with an error instead of a dialog, in this process.
pub fn show_no_dialogs() {
    // SAFETY: takes a number.
    unsafe {
        SetErrorMode(SEM_FAILCRITICALERRORS);
    }
}

/// Returns the bytes that this user may still write below a directory.
pub fn free_bytes(dir: &Path) -> io::Result<u64> {
    let (dir, mut free) = (wide(dir), 0);
    // SAFETY: the path ends in 0, and pointers that are null are not written to.
    let done = unsafe { GetDiskFreeSpaceExW(dir.as_ptr(), &raw mut free, null_mut(), null_mut()) };
    checked(done).map(|()| free)
}

/// Returns the bus that a device hangs on (`BusType…`).
pub fn bus_kind(device: &File) -> io::Result<u32> {
    /// `IOCTL_STORAGE_QUERY_PROPERTY`.
    const QUERY_PROPERTY: u32 = 0x002d_1400;
    /// Where the answer (`STORAGE_DEVICE_DESCRIPTOR`) has the bus, in words of four bytes.
    const BUS_AT: usize = 7;
    // `StorageDeviceProperty`, asked the standard way; both are 0.
    let query = [0_u32; 3];
    let (mut found, mut written_bytes) = ([0_u32; 256], 0);
    // SAFETY: both lengths are those of the arrays, which outlive the call; any bytes are valid numbers.
    let done = unsafe {
        DeviceIoControl(
            raw(device),
            QUERY_PROPERTY,
            query.as_ptr().cast(),
            size_of_val(&query) as u32,
            found.as_mut_ptr().cast(),
            size_of_val(&found) as u32,
            &raw mut written_bytes,
            null_mut(),
        )
    };
    checked(done)?;
    let is_told = written_bytes as usize >= (BUS_AT + 1) * size_of::<u32>();
    if is_told { Ok(found[BUS_AT]) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Returns a file's owner and access list as Microsoft's text form (SDDL). The handle needs `READ_CONTROL`.
pub fn security_text(file: &File) -> io::Result<String> {
    const PARTS: u32 = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
    let mut descriptor = Local(null_mut());
    // SAFETY: the descriptor is the system's own allocation, which `Local` frees.
    let code = unsafe {
        GetSecurityInfo(
            raw(file),
            SE_FILE_OBJECT,
            PARTS,
            null_mut(),
            null_mut(),
            null_mut(),
            null_mut(),
            &raw mut descriptor.0,
        )
    };
    if code != 0 {
        return Err(io::Error::from_raw_os_error(code.cast_signed()));
    }
    let (mut words, mut units) = (null_mut::<u16>(), 0);
    // SAFETY: the descriptor was just made by the system; the text is its own allocation, which `Local` frees.
    let done = unsafe {
        ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor.0,
            SDDL_REVISION_1,
            PARTS,
            &raw mut words,
            &raw mut units,
        )
    };
    let words = Local(words.cast());
    checked(done)?;
    let len = usize::try_from(units).unwrap_or(usize::MAX).min(TEXT_MAX_UNITS);
    // SAFETY: the system wrote `units` of them there, and `len` is not more.
    Ok(text(unsafe { std::slice::from_raw_parts(words.0.cast_const().cast(), len) }))
}

/// Gives a file this access list and no inherited one. The handle needs `WRITE_DAC`.
pub fn set_access(file: &File, sddl: &str) -> io::Result<()> {
    let (sddl, mut descriptor) = (wide(Path::new(sddl)), Local(null_mut()));
    // SAFETY: the text ends in 0; the descriptor is the system's own allocation, which `Local` frees.
    let done = unsafe {
        ConvertStringSecurityDescriptorToSecurityDescriptorW(
            sddl.as_ptr(),
            SDDL_REVISION_1,
            &raw mut descriptor.0,
            null_mut(),
        )
    };
    checked(done)?;
    let parts = DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION;
    // SAFETY: the descriptor is whole and outlives the call.
    checked(unsafe { SetKernelObjectSecurity(raw(file), parts, descriptor.0) })
}

/// Memory that the system allocated and wants back.
struct Local(*mut c_void);

impl Drop for Local {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it was allocated by a call whose documentation names `LocalFree`, and is freed once.
            unsafe { LocalFree(self.0) };
        }
    }
}

fn raw(file: &File) -> HANDLE {
    file.as_handle().as_raw_handle()
}

/// Turns the system's answer into a result.
fn checked(done: i32) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns a path as the system takes it, a 0 at its end.
fn wide(path: &Path) -> Vec<u16> {
    path.as_os_str().encode_wide().chain([0]).collect()
}

/// Returns what stands before the first 0.
fn text(units: &[u16]) -> String {
    let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}
