//! A fleet as one page that needs nothing else: no other file, no network, and no script but the few lines that sort.
//!
//! Everything that others wrote is escaped, and the page's policy allows no style and no script besides those with its nonce.

use std::io::{self, Write};

use super::chart;
use super::short_id;
use super::table::{behind, counts, meaning, stage};
use crate::base::units::show_size;
use crate::cli::context::short_time;
use crate::cli::output::on_one_line;
use crate::ops::fleet::judge::{Flag, Row};
use crate::ops::fleet::{Fleet, Summary};
use crate::web::escape;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const HEADS: [&str; 10] =
    ["Key", "Name", "Note", "Generation", "Behind", "Seen (UTC)", "Last run", "Problems", "Free", "Look at"];

/// Writes the page. `nonce` is drawn anew for each.
///
/// # Errors
/// Those of the sink.
pub fn write(fleet: &Fleet, summary: &Summary, nonce: &str, sink: &mut dyn Write) -> io::Result<()> {
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'"
    );
    let store = fleet.store;
    write!(
        sink,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Keys of store {store}</title>\n<style nonce=\"{nonce}\">\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>Keys of store {store}</h1>\n<p>{}.</p>\n\
         <p class=\"soft\">As of {} UTC, by the receipts that keys gave. They are advice and no proof: whoever finds a key can \
         sign its receipts.</p>\n",
        html(&counts(fleet, summary)),
        short_time(fleet.time.to_string()),
    )?;
    if let Some(stage) = stage(fleet) {
        writeln!(sink, "<p>{}.</p>", html(&stage))?;
    }
    chart::write(fleet, sink)?;
    table(fleet, sink)?;
    legend(summary, sink)?;
    write!(sink, "</main>\n<script nonce=\"{nonce}\">\n{SCRIPT}</script>\n</body>\n</html>\n")
}

fn table(fleet: &Fleet, sink: &mut dyn Write) -> io::Result<()> {
    write!(
        sink,
        "<h2>Keys</h2>\n<div class=\"wide\">\n<table>\n<caption>Generation {} is the newest.</caption>\n",
        fleet.newest
    )?;
    write!(sink, "<thead>\n<tr>")?;
    for head in HEADS {
        write!(sink, "<th scope=\"col\"><button type=\"button\">{head}</button></th>")?;
    }
    write!(sink, "</tr>\n</thead>\n<tbody>\n")?;
    for row in &fleet.rows {
        tr(fleet, row, sink)?;
    }
    write!(sink, "</tbody>\n</table>\n</div>\n")
}

fn tr(fleet: &Fleet, row: &Row, sink: &mut dyn Write) -> io::Result<()> {
    let holder = fleet.holder(row);
    let name = html(holder.map_or("", |holder| &holder.name));
    let note = html(holder.map_or("", |holder| &holder.note));
    let seen = row.seen.map(|time| short_time(time.to_string())).unwrap_or_default();
    let flags: Vec<&str> = row.flags.iter().map(|flag| flag.word()).collect();
    let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
    let (generation, problems) = (number(row.generation.map(|generation| generation.0)), number(row.problems));
    let (behind_by, free) = (number(row.behind), number(row.free_bytes));
    writeln!(
        sink,
        "<tr class=\"{}\"><th scope=\"row\" title=\"{}\">{}</th><td><bdi>{name}</bdi></td><td><bdi>{note}</bdi></td>\
         <td>{generation}</td><td data-v=\"{behind_by}\">{}</td><td>{seen}</td><td>{}</td><td>{problems}</td>\
         <td data-v=\"{free}\">{}</td><td>{}{}</td></tr>",
        row.standing.word(),
        row.replica,
        short_id(row.replica),
        behind(row),
        html(row.outcome.as_deref().unwrap_or_default()),
        row.free_bytes.map(show_size).unwrap_or_default(),
        flags.join(" "),
        row.reason.as_deref().map(|reason| format!(": {}", html(reason))).unwrap_or_default(),
    )
}

/// Says what the words mean that stand in the table.
fn legend(summary: &Summary, sink: &mut dyn Write) -> io::Result<()> {
    if summary.flags.is_empty() {
        return Ok(());
    }
    write!(sink, "<h2>What to look at</h2>\n<dl>\n")?;
    for (flag, count) in &summary.flags {
        let said = meaning(*flag);
        writeln!(sink, "<dt>{} ({count})</dt><dd>{said}{}</dd>", flag.word(), advice(*flag))?;
    }
    writeln!(sink, "</dl>")
}

fn advice(flag: Flag) -> &'static str {
    match flag {
        Flag::AnotherKey => "; <code>fleet forget</code> takes the new one, where there is a reason for it",
        Flag::NoReceipt => "; <code>fleet forget</code> drops a key that was lost",
        _ => "",
    }
}

/// Escapes a text of others for a page, inside an element or a quoted attribute.
pub(super) fn html(text: &str) -> String {
    escape(&on_one_line(text))
}
