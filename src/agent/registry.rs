//! Values in the registry of Windows.
#![expect(unsafe_code, reason = "two calls of the system, in safe functions")]

use std::io;

use windows_sys::Win32::System::Registry::{
    HKEY, HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE, REG_DWORD, REG_EXPAND_SZ, REG_SZ, RegDeleteTreeW, RegSetKeyValueW,
};

/// Whose part of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hive {
    /// That of the machine, which administrators write.
    Machine,
    /// That of whoever runs this.
    Person,
}

impl Hive {
    fn key(self) -> HKEY {
        match self {
            Self::Machine => HKEY_LOCAL_MACHINE,
            Self::Person => HKEY_CURRENT_USER,
        }
    }
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text.
    Text(&'a str),
    /// A text in which `%NAME%` stands for a variable.
    Template(&'a str),
    /// A number.
    Number(u32),
}

/// Writes a value, with the keys above it.
///
/// # Errors
/// What the system said.
pub fn set(hive: Hive, key: &str, name: &str, value: Value<'_>) -> io::Result<()> {
    let bytes_of = |text: &str| wide(text).into_iter().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (kind, bytes) = match value {
        Value::Text(text) => (REG_SZ, bytes_of(text)),
        Value::Template(text) => (REG_EXPAND_SZ, bytes_of(text)),
        Value::Number(number) => (REG_DWORD, number.to_le_bytes().to_vec()),
    };
    let (key, name, len_bytes) = (wide(key), wide(name), u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    // SAFETY: both texts end in 0, and the length is that of the value.
    let code =
        unsafe { RegSetKeyValueW(hive.key(), key.as_ptr(), name.as_ptr(), kind, bytes.as_ptr().cast(), len_bytes) };
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.cast_signed())) }
}

/// Takes a key away, with all below it; one that is not there stays away.
pub fn remove(hive: Hive, key: &str) {
    let key = wide(key);
    // SAFETY: the text ends in 0.
    unsafe {
        RegDeleteTreeW(hive.key(), key.as_ptr());
    }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
