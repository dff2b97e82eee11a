//! Comma-separated values as RFC 4180 has them, safe to be opened by a spreadsheet.

use std::fmt::Display;
use std::io::{self, Write};

use crate::cli::output::on_one_line;
use crate::ops::fleet::Fleet;
use crate::ops::fleet::judge::Row;

const COLUMNS: &str = "replica_id,name,note,tag,standing,generation,behind,behind_secs,behind_longer,seen,reached,outcome,\
                       problems,free_bytes,program,purge,flags,reason";

/// Writes a line of names, and one for each row.
///
/// # Errors
/// Those of the sink.
pub fn write(fleet: &Fleet, sink: &mut dyn Write) -> io::Result<()> {
    write!(sink, "{COLUMNS}\r\n")?;
    for row in &fleet.rows {
        write!(sink, "{}\r\n", line(fleet, row).join(","))?;
    }
    Ok(())
}

fn line(fleet: &Fleet, row: &Row) -> [String; 18] {
    let holder = fleet.holder(row);
    let flags: Vec<&str> = row.flags.iter().map(|flag| flag.word()).collect();
    [
        row.replica.to_string(),
        text(holder.map(|holder| holder.name.as_str())),
        text(holder.map(|holder| holder.note.as_str())),
        plain(row.tag),
        row.standing.word().to_owned(),
        plain(row.generation),
        plain(row.behind),
        plain(row.behind_secs),
        row.is_behind_longer.to_string(),
        plain(row.seen),
        plain(row.reached),
        text(row.outcome.as_deref()),
        plain(row.problems),
        plain(row.free_bytes),
        text(row.program.as_deref()),
        plain(row.purge),
        flags.join(" "),
        text(row.reason.as_deref()),
    ]
}

fn plain(value: Option<impl Display>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Writes a text of others as one field: what a spreadsheet would take for a formula has an apostrophe before it.
pub(super) fn text(value: Option<&str>) -> String {
    let mut field = on_one_line(value.unwrap_or_default());
    if field.trim_start().starts_with(['=', '+', '-', '@']) {
        field.insert(0, '\'');
    }
    let is_bare = !field.contains([',', '"', '\r', '\n']) && field.trim() == field;
    if is_bare { field } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}
