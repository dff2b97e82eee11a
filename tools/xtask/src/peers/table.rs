//! What was measured, as a Markdown table or a JSON document: medians, and how far the best peer is from chunkstore.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Map, Value, json};

use super::measure::Measured;
use super::tools::{self, Tool};
use super::trees::Extent;
use super::{Entry, Result, Run, Step};

/// The lines of a page between which the table stands.
const BEGIN: &str = "<!-- peers: begin -->";
const END: &str = "<!-- peers: end -->";

const MIB: f64 = (1 << 20) as f64;

/// Everything that was measured.
pub struct Report {
    /// How it can be had again.
    pub command: String,
    pub entries: Vec<Entry>,
    /// Those that are not installed.
    pub missing: Vec<&'static Tool>,
    /// The two weeks.
    pub extents: [Extent; 2],
}

/// What a column shows of a run.
#[derive(Debug, Clone, Copy)]
enum Column {
    Step(Step),
    Week1,
    Added,
    Memory,
}

impl Column {
    fn all() -> impl Iterator<Item = Self> {
        Step::ALL.into_iter().map(Self::Step).chain([Self::Week1, Self::Added, Self::Memory])
    }

    fn heading(self) -> String {
        match self {
            Self::Step(step) => format!("{}, s (CPU)", step.name()),
            Self::Week1 => "store, week 1, MiB".to_owned(),
            Self::Added => "added in week 2, MiB".to_owned(),
            Self::Memory => "peak anonymous memory, MiB".to_owned(),
        }
    }

    /// The key of its median in the JSON document.
    fn key(self) -> String {
        match self {
            Self::Step(step) => format!("{}_s", step.name().replace(' ', "_")),
            Self::Week1 => "store_week1_mib".to_owned(),
            Self::Added => "added_week2_mib".to_owned(),
            Self::Memory => "peak_anonymous_mib".to_owned(),
        }
    }

    /// Returns seconds or MiB; nothing for a step that the tool does not have.
    fn value(self, run: &Run) -> Option<f64> {
        match self {
            Self::Step(step) => run.steps[step as usize].map(|measured| measured.wall.as_secs_f64()),
            Self::Week1 => Some(run.week1_bytes as f64 / MIB),
            Self::Added => Some(run.added_bytes as f64 / MIB),
            Self::Memory => Some(peak_bytes(run) as f64 / MIB),
        }
    }

    fn median(self, entry: &Entry) -> Option<f64> {
        median(entry.runs.iter().filter_map(|run| self.value(run)))
    }

    fn cell(self, entry: &Entry) -> String {
        let Some(value) = self.median(entry) else { return "none".to_owned() };
        let Self::Step(step) = self else { return shown(value) };
        let cpu = |run: &Run| run.steps[step as usize].map(|measured| measured.cpu.as_secs_f64());
        let cpu = median(entry.runs.iter().filter_map(cpu)).unwrap_or(0.0);
        format!("{} ({})", shown(value), shown(cpu))
    }
}

fn peak_bytes(run: &Run) -> u64 {
    run.steps.iter().flatten().map(|measured| measured.anonymous_bytes).max().unwrap_or(0)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().wrapping_sub(1) / 2)?, values.get(values.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

/// Shows a number with three digits or so.
fn shown(value: f64) -> String {
    match value {
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

impl Report {
    /// Returns those whose every run did its work.
    fn measured(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.failed.is_none())
    }

    /// Returns the peer with the least in a column, among those that seal or all, and its part of what chunkstore has.
    fn best(&self, column: Column, sealing: bool) -> Option<(&'static str, f64)> {
        let (own, peers): (Vec<&Entry>, _) = self.measured().partition(|entry| entry.tool.name == tools::TOOLS[0].name);
        let own = column.median(own.first()?)?;
        let peers = peers.into_iter().filter(|entry| !sealing || entry.tool.cipher.is_some());
        let best = peers.filter_map(|entry| Some((entry.tool.name, column.median(entry)?)));
        let (name, value) = best.min_by(|(_, one), (_, other)| one.total_cmp(other))?;
        Some((name, value / own)).filter(|(_, ratio)| ratio.is_finite())
    }

    /// Shows the table, what it was measured on, and what was not measured.
    pub fn markdown(&self) -> String {
        let mut text = self.opening();
        let headings: String = Column::all().map(|column| format!(" {} |", column.heading())).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| | seals with | compresses by |{headings}\n|{}",
            " --- |".repeat(3 + Column::all().count())
        );
        for entry in self.measured() {
            let Tool { name, cipher, compression, .. } = entry.tool;
            let cells: String = Column::all().map(|column| format!(" {} |", column.cell(entry))).collect();
            let cipher = cipher.unwrap_or("nothing");
            let _ = writeln!(text, "| {name} {} | {cipher} | {compression} |{cells}", entry.version);
        }
        for (title, sealing) in [("best peer ÷ chunkstore", false), ("best peer that seals ÷ chunkstore", true)] {
            let cell = |column| self.best(column, sealing).map(|(name, ratio)| format!(" {ratio:.2} ({name}) |"));
            let cells: Vec<String> = Column::all().map(|column| cell(column).unwrap_or(" none |".to_owned())).collect();
            if cells.iter().any(|cell| cell != " none |") {
                let _ = writeln!(text, "| {title} | | |{}", cells.concat());
            }
        }
        for Entry { tool, failed, .. } in &self.entries {
            let _ = failed.as_ref().map(|why| writeln!(text, "\n{} failed: {why}", tool.name));
        }
        for Tool { name, install, .. } in &self.missing {
            let _ = writeln!(text, "\n{name} is not installed here: `{install}`");
        }
        text
    }

    fn opening(&self) -> String {
        let said = |program: &str, word: &str| {
            let output = Command::new(program).arg(word).output();
            output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let [week1, week2] =
            self.extents.map(|Extent { entries, bytes }| format!("{entries} entries and {} MiB", bytes >> 20));
        let runs = self.measured().map(|entry| entry.runs.len()).max().unwrap_or(0);
        let runs = if runs == 1 { "one run".to_owned() } else { format!("medians of {runs} alternating runs") };
        format!(
            "Measured on {} by `{}`: {runs}, Linux {}, {threads} CPUs. \
             Week 1 has {week1}, week 2 {week2}.\n\n",
            said("date", "+%F"),
            self.command,
            said("uname", "-r"),
        )
    }

    /// Returns every run, the medians and the ratios.
    pub fn json(&self) -> Value {
        let medians = |entry: &Entry| -> Map<String, Value> {
            Column::all().map(|column| (column.key(), json!(column.median(entry)))).collect()
        };
        let best = |sealing| -> Map<String, Value> {
            let of = |column: Column| {
                let (peer, ratio) = self.best(column, sealing)?;
                Some((column.key(), json!({ "peer": peer, "ratio": ratio })))
            };
            Column::all().filter_map(of).collect()
        };
        let tool = |entry: &Entry| {
            json!({
                "name": entry.tool.name,
                "version": entry.version,
                "cipher": entry.tool.cipher,
                "compression": entry.tool.compression,
                "failed": entry.failed,
                "medians": medians(entry),
                "runs": entry.runs.iter().map(run_object).collect::<Vec<_>>(),
            })
        };
        json!({
            "command": self.command,
            "weeks": self.extents.map(|Extent { entries, bytes }| json!({ "entries": entries, "bytes": bytes })),
            "tools": self.entries.iter().map(tool).collect::<Vec<_>>(),
            "best_peer": best(false),
            "best_sealing_peer": best(true),
            "missing": self.missing.iter().map(|tool| json!({ "name": tool.name, "install": tool.install })).collect::<Vec<_>>(),
        })
    }
}

fn run_object(run: &Run) -> Value {
    let step = |measured: &Measured| {
        json!({
            "wall_s": measured.wall.as_secs_f64(),
            "cpu_s": measured.cpu.as_secs_f64(),
            "peak_anonymous_bytes": measured.anonymous_bytes,
        })
    };
    let steps = Step::ALL.into_iter().zip(&run.steps);
    let steps: Map<String, Value> =
        steps.map(|(name, took)| (name.name().replace(' ', "_"), took.as_ref().map_or(Value::Null, step))).collect();
    json!({ "steps": steps, "store_week1_bytes": run.week1_bytes, "added_week2_bytes": run.added_bytes })
}

/// Puts a table between the two lines of a page; without a table, tells only whether they are there.
///
/// # Errors
/// When the page cannot be read or written, or has no such lines.
pub fn put_on_page(path: &Path, table: Option<&str>) -> Result<()> {
    let page = std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| format!("{} has no lines `{BEGIN}` and `{END}` for the table", path.display()))?;
    let Some(table) = table else { return Ok(()) };
    let written = std::fs::write(path, format!("{before}{BEGIN}\n{table}{END}{after}"));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
