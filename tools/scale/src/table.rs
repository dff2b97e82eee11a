//! Rows of measured verbs, as a table and as one JSON document.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

/// Most that a verb may take.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    /// Seconds.
    pub secs: Option<f64>,
    /// MiB of anonymous memory.
    pub mib: Option<u64>,
}

/// What a verb took in all rounds.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// What was run.
    pub what: String,
    /// How long it ran, each round.
    pub walls: Vec<Duration>,
    /// The most anonymous memory of all rounds.
    pub anon_bytes: u64,
    /// Bytes that it copied into new packs.
    pub copied_bytes: u64,
    /// Bytes of files that it removed.
    pub removed_bytes: u64,
    /// Most that it may take.
    pub bound: Bound,
}

impl Row {
    /// Returns the middle time in seconds.
    #[must_use]
    pub fn median_secs(&self) -> f64 {
        let mut walls = self.walls.clone();
        walls.sort_unstable();
        walls.get(walls.len() / 2).map_or(0.0, Duration::as_secs_f64)
    }

    fn mib(&self) -> f64 {
        self.anon_bytes as f64 / f64::from(1 << 20)
    }

    /// Returns whether it stayed within its bound.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.bound.secs.is_none_or(|secs| self.median_secs() <= secs)
            && self.bound.mib.is_none_or(|mib| self.anon_bytes <= mib << 20)
    }

    fn line(&self) -> String {
        let bound = |text: Option<String>| text.unwrap_or_default();
        format!(
            "| {}{} | {:.2} | {} | {:.0} | {} | {:.0} | {:.0} |",
            self.what,
            if self.holds() { "" } else { " BROKEN" },
            self.median_secs(),
            bound(self.bound.secs.map(|secs| secs.to_string())),
            self.mib(),
            bound(self.bound.mib.map(|mib| mib.to_string())),
            self.copied_bytes as f64 / 1e6,
            self.removed_bytes as f64 / 1e6,
        )
    }

    fn document(&self) -> Value {
        json!({
            "what": self.what,
            "wall_secs": self.walls.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
            "median_secs": self.median_secs(),
            "anon_bytes": self.anon_bytes,
            "copied_bytes": self.copied_bytes,
            "removed_bytes": self.removed_bytes,
            "held": self.holds(),
        })
    }
}

/// Returns the rows as a table for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text =
        "| verb | median s | bound s | peak anonymous MiB | bound MiB | copied MB | removed MB |\n".to_owned();
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    text
}

/// Returns the rows as one document.
#[must_use]
pub fn document(rows: &[Row]) -> Value {
    rows.iter().map(Row::document).collect()
}

#[cfg(test)]
mod tests;
