//! Which names Windows takes for files: the rules of its file systems and of what its programs do with names.
//!
//! A name outside them reaches a device, a stream of another file, or another name than it says, or makes a file that people
//! cannot open or remove. The rules are Microsoft's "Naming Files, Paths, and Namespaces"; they hold for every part of a path,
//! whatever form the path has.

/// Longest name, in units of UTF-16.
const NAME_MAX_UNITS: usize = 255;
/// Devices that every directory has, with any ending.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// The numbers behind `COM` and `LPT`; the raised ones count as well.
const PORTS: &str = "0123456789\u{b9}\u{b2}\u{b3}";

/// Returns whether a name stands for a plain file or directory of that very name: UTF-8, without separators, streams,
/// wildcards and controls, no device, no dot or blank at the end.
#[must_use]
pub fn windows_takes(name: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(name) else { return false };
    !text.is_empty()
        && !text.ends_with(['.', ' '])
        && !text.chars().any(|c| c.is_control() || "<>:\"/\\|?*".contains(c))
        && !is_device(text)
        && text.encode_utf16().count() <= NAME_MAX_UNITS
}

/// Returns whether a name is that of a device, which it is up to its first dot, blanks before that left out.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or(text).trim_end_matches(' ').to_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|number| number.chars().count() == 1 && PORTS.contains(number));
    is_port || DEVICES.contains(&stem.as_str())
}

#[cfg(test)]
mod tests;
