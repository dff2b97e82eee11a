//! Sizes as people read them, and the constants that name them.

/// 1024 bytes.
pub const KIB: u64 = 1024;
/// 1024 KiB.
pub const MIB: u64 = 1024 * KIB;
/// 1024 MiB.
pub const GIB: u64 = 1024 * MIB;

/// Shows a span of time by its largest unit, rounded down: `40 seconds`, `1 minute`, `5 hours`, `12 days`. One before now, which
/// only a clock that went wrong can make, is `0 seconds`.
#[must_use]
pub fn show_span(secs: i64) -> String {
    let secs = secs.max(0);
    let steps = [("day", 24 * 3600), ("hour", 3600), ("minute", 60)];
    let found = steps.iter().find(|(_, unit)| secs >= *unit);
    let (name, count) = found.map_or(("second", secs), |(name, unit)| (*name, secs / unit));
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// Shows a size with one decimal and a binary unit: `512 B`, `1.5 KiB`, `12.0 GiB`.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    let steps = [("TiB", GIB * 1024), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];
    match steps.iter().find(|(_, unit)| bytes >= *unit) {
        // The lost precision is below the one decimal that is shown.
        Some((name, unit)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}
