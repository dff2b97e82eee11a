//! Metrics in the text format of Prometheus, version 0.0.4.

use std::io::{self, Write};

use crate::cli::output::on_one_line;
use crate::ops::fleet::judge::{Flag, Row, Standing};
use crate::ops::fleet::{Fleet, Summary};

/// One number of each key, where it is known.
type Measure = fn(&Row) -> Option<u64>;

/// Names, what they say, and where that comes from.
const OF_EACH: [(&str, &str, Measure); 7] = [
    ("chunkstore_key_generation", "Generation that the key holds.", |row| Some(row.generation?.0)),
    ("chunkstore_key_behind_generations", "Generations after the one that the key holds.", |row| row.behind),
    ("chunkstore_key_behind_seconds", "For how long there has been a newer generation, at least.", |row| {
        Some(row.behind_secs?.unsigned_abs())
    }),
    ("chunkstore_key_seen_timestamp_seconds", "When the key last gave a receipt, by the clock it was at.", |row| {
        u64::try_from(row.seen?.0 / 1_000_000_000).ok()
    }),
    ("chunkstore_key_problems", "Problems that its last run met.", |row| row.problems),
    ("chunkstore_key_free_bytes", "Free bytes on the key.", |row| row.free_bytes),
    ("chunkstore_key_purge_generation", "Newest purge that the key carried out, 0 if not.", |row| Some(row.purge?.0)),
];

/// Writes all metrics, those of each key under one name together.
///
/// # Errors
/// Those of the sink.
pub fn write(fleet: &Fleet, summary: &Summary, sink: &mut dyn Write) -> io::Result<()> {
    begin(sink, "chunkstore_fleet_generation", "Newest generation that keys can have.")?;
    writeln!(sink, "chunkstore_fleet_generation {}", fleet.newest)?;
    begin(sink, "chunkstore_fleet_purge_generation", "Generation of the newest purge, 0 where there was none.")?;
    writeln!(sink, "chunkstore_fleet_purge_generation {}", fleet.purged)?;
    begin(sink, "chunkstore_fleet_unread_receipts", "Receipts that could not be read.")?;
    let unread = fleet.left_out + summary.count(Flag::Unreadable) + summary.count(Flag::Sealed);
    writeln!(sink, "chunkstore_fleet_unread_receipts {unread}")?;
    begin(sink, "chunkstore_fleet_keys", "Keys by how far they are.")?;
    let standings = [
        (Standing::Current, summary.current),
        (Standing::Held, summary.held),
        (Standing::Behind, summary.behind),
        (Standing::Unknown, summary.unknown),
    ];
    for (word, count) in standings.map(|(standing, count)| (standing.word(), count)) {
        writeln!(sink, "chunkstore_fleet_keys{{standing=\"{word}\"}} {count}")?;
    }
    begin(sink, "chunkstore_fleet_flagged_keys", "Keys by what is to be looked at.")?;
    for flag in Flag::ALL {
        writeln!(sink, "chunkstore_fleet_flagged_keys{{flag=\"{}\"}} {}", flag.word(), summary.count(flag))?;
    }
    for (name, help, measure) in OF_EACH {
        begin(sink, name, help)?;
        for row in &fleet.rows {
            if let Some(value) = measure(row) {
                writeln!(sink, "{name}{{{}}} {value}", labels(fleet, row))?;
            }
        }
    }
    begin(sink, "chunkstore_key_info", "How the last run of the key ended, and by which program; always 1.")?;
    for row in &fleet.rows {
        let (outcome, program) = (label(row.outcome.as_deref()), label(row.program.as_deref()));
        let more = format!("standing=\"{}\",outcome=\"{outcome}\",program=\"{program}\"", row.standing.word());
        writeln!(sink, "chunkstore_key_info{{{},{more}}} 1", labels(fleet, row))?;
    }
    begin(sink, "chunkstore_key_flag", "What is to be looked at of the key; always 1.")?;
    for row in &fleet.rows {
        for flag in &row.flags {
            writeln!(sink, "chunkstore_key_flag{{{},flag=\"{}\"}} 1", labels(fleet, row), flag.word())?;
        }
    }
    Ok(())
}

fn begin(sink: &mut dyn Write, name: &str, help: &str) -> io::Result<()> {
    writeln!(sink, "# HELP {name} {help}\n# TYPE {name} gauge")
}

fn labels(fleet: &Fleet, row: &Row) -> String {
    let name = label(fleet.holder(row).map(|holder| holder.name.as_str()));
    format!("replica=\"{}\",name=\"{name}\"", row.replica)
}

/// Escapes a text of others for a label.
pub(super) fn label(value: Option<&str>) -> String {
    on_one_line(value.unwrap_or_default()).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
