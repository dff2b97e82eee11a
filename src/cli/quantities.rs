//! Sizes (`500K`, `1.5M`, `2GiB`), spans of time (`30s`, `2m`), shares (`5%`), counts and hashes as people type them.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::tree::retention::Count;

/// Longest span of time: no wait of this program makes sense beyond a day.
const LONGEST_SECS: f64 = 24.0 * 3600.0;
const LONGEST_KEEPING_SECS: i64 = 100 * 365 * 24 * 3600;

/// Parses a size in bytes, with a binary unit: `1M`, `1MiB` and `1m` are all 1048576. Plain numbers are bytes.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_size(what: &str, text: &str) -> Result<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits_end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits_end);
    let power = match unit.trim().trim_end_matches("/s").trim_end_matches("ib").trim_end_matches('b') {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return Err(wrong(what, text, "a size such as 500K, 1M or 2G")),
    };
    let size = number.parse::<f64>().ok().map(|number| number * 1024_f64.powi(power));
    match size {
        // Below 2^63 the conversion keeps all that the text says.
        Some(size) if size.is_finite() && (0.0..9e18).contains(&size) => Ok(size as u64),
        _ => Err(wrong(what, text, "a size such as 500K, 1M or 2G")),
    }
}

/// Parses a span of time, more than none and at most a day: `30s`, `2m`, `1h`, `500ms`; plain numbers are seconds.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_duration(what: &str, text: &str) -> Result<Duration> {
    let lower = text.trim().to_ascii_lowercase();
    let digits_end = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits_end);
    let factor = match unit.trim() {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(wrong(what, text, "a span of time such as 30s or 2m")),
    };
    match number.parse::<f64>().ok().map(|number| number * factor) {
        Some(secs) if secs > 0.0 && secs <= LONGEST_SECS => Ok(Duration::from_secs_f64(secs)),
        _ => Err(wrong(what, text, "a span of time such as 30s or 2m, at most a day")),
    }
}

/// Parses how long something is kept, in whole seconds from none to a hundred years: `0s`, `12h`, `30d`, `2w`, `1y`.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_keeping(what: &str, text: &str) -> Result<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits_end = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits_end);
    let factor: i64 = match unit.trim() {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "w" => 7 * 24 * 3600,
        "y" => 365 * 24 * 3600,
        _ => return Err(wrong(what, text, "a span of time such as 12h or 30d")),
    };
    let secs = number.parse::<i64>().ok().and_then(|number| number.checked_mul(factor));
    secs.filter(|secs| *secs <= LONGEST_KEEPING_SECS).ok_or_else(|| wrong(what, text, "a span of time to 100y"))
}

/// Parses a share, more than none and at most all, in percent: `5%`, `0.5%`; plain numbers are percent.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_percent(what: &str, text: &str) -> Result<f64> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        Ok(percent) if plain && percent > 0.0 && percent <= 100.0 => Ok(percent),
        _ => Err(wrong(what, text, "a share such as 5%, more than 0 and at most 100")),
    }
}

/// Parses a whole number within bounds.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_count(what: &str, text: &str, allowed: std::ops::RangeInclusive<usize>) -> Result<usize> {
    let found = text.trim().parse().ok().filter(|count| allowed.contains(count));
    found.ok_or_else(|| wrong(what, text, &format!("a number from {} to {}", allowed.start(), allowed.end())))
}

/// Parses how many snapshots a word of `forget` keeps: a number from 1, or `unlimited`, for which -1 may stand as in restic.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_keep(what: &str, text: &str) -> Result<Count> {
    match text.trim() {
        "unlimited" | "-1" => Ok(Count::Unlimited),
        number => number
            .parse()
            .map(Count::AtMost)
            .map_err(|_| wrong(what, text, "a number of snapshots from 1, or `unlimited`")),
    }
}

/// Parses a SHA-256 in hex; `sha256:` before it and colons between the digits are as openssl shows them.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn parse_sha256(what: &str, text: &str) -> Result<[u8; 32]> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.strip_prefix("sha256:").unwrap_or(&lower).replace(':', "");
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).map_err(|_| wrong(what, text, "64 hex digits"))?;
    Ok(hash)
}

fn wrong(what: &str, text: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::Usage, format!("{what} takes {wanted}, not {text:?}"))
}

#[cfg(test)]
mod tests;
