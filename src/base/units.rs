//! Sizes as people read them, and the constants that name them.

/// 1024 bytes.
pub const KIB: u64 = 1024;
/// 1024 KiB.
pub const MIB: u64 = 1024 * KIB;
/// 1024 MiB.
pub const GIB: u64 = 1024 * MIB;

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
