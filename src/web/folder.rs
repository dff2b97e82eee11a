//! A folder as a list, a page at a time, or whatever else stands at a place.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::Uri;

use super::State;
use super::answer::{Answer, Refusal, query, read, tail};
use super::html::{Page, crumbs, escape, name, of_snapshot, several, time};
use super::place::{Held, Place};
use crate::base::EntryName;
use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::disk::folder::FileKind;
use crate::view::{Stat, ViewError};

/// Entries on a page.
const PAGE: usize = 500;
/// Entries that are held to be sorted by something else than their names.
const SORTED_MAX: u64 = 50_000;
/// Bytes of a link's target that are shown in a list; its own page has all of it.
const TARGET_MAX_BYTES: usize = 1024;

/// What entries are sorted by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    Size,
    Time,
}

/// What is listed and how.
struct Wish {
    order: Order,
    descends: bool,
    page: usize,
}

/// An entry.
struct Row {
    name: EntryName,
    stat: Stat,
}

/// A part of a folder.
struct Part {
    rows: Vec<Row>,
    total: u64,
    /// Whether there were too many to sort them as asked for.
    is_by_name: bool,
    /// Why it ends early.
    broken: Option<ViewError>,
}

/// Shows what stands at a place.
pub async fn page(Shared(state): Shared<Arc<State>>, uri: Uri) -> Answer {
    let place = state.place(tail(&uri))?;
    read(&state, move |state| {
        let held = state.find(&place)?;
        let main = match held.stat.kind {
            FileKind::Dir => folder(state, &place, &held, &Wish::of(&uri))?,
            _ => super::file::page(state, &place, &held, &uri)?,
        };
        Ok(Page::new(title(&place)).of(state, Some(&place)).response(&main))
    })
    .await
}

/// Returns the last name of a place as text.
pub fn title(place: &Place) -> String {
    place.path.names().last().map_or_else(|| "All files".to_owned(), |name| show_bytes(name.as_bytes()))
}

impl Wish {
    fn of(uri: &Uri) -> Self {
        let order = match query(uri, "sort").as_deref() {
            Some("size") => Order::Size,
            Some("time") => Order::Time,
            _ => Order::Name,
        };
        let page = query(uri, "page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1).max(1) - 1;
        Self { order, descends: query(uri, "desc").is_some(), page }
    }

    /// Returns a query with another order.
    fn sorted(order: Order, descends: bool) -> String {
        let order = match order {
            Order::Name => "name",
            Order::Size => "size",
            Order::Time => "time",
        };
        format!("?sort={order}{}", if descends { "&amp;desc=1" } else { "" })
    }
}

fn folder(state: &Arc<State>, place: &Place, held: &Held, wish: &Wish) -> Result<String, Refusal> {
    let dir = held.stat.inode;
    let total = count_of(state, dir)?;
    let mut part = if wish.order == Order::Name || total > SORTED_MAX {
        by_name(state, dir, total, wish)
    } else {
        sorted(state, dir, total, wish)
    };
    part.is_by_name = wish.order != Order::Name && total > SORTED_MAX;
    let snapshot = &state.snapshots[place.snapshot];
    let mut rows = String::new();
    for row in &part.rows {
        write_row(&mut rows, state, place, row, target_of(state, dir, row).as_deref());
    }
    let mut notices = String::new();
    if part.is_by_name {
        notices.push_str("<p class=\"notice\">So many entries are listed by name alone.</p>");
    }
    if let Some(error) = part.broken {
        let refusal = Refusal::from(error);
        let _ = write!(
            notices,
            "<p class=\"notice\" role=\"alert\">Some of this folder is not listed. {}</p>",
            escape(&refusal.reason)
        );
    }
    let query = Wish::sorted(wish.order, wish.descends) + "&amp;";
    let pager = pager(wish.page, usize::try_from(part.total).unwrap_or(usize::MAX).div_ceil(PAGE), &query);
    let table = if part.rows.is_empty() {
        "<p class=\"facts\">Nothing to list.</p>".to_owned()
    } else {
        format!(
            "<table class=\"list\"><thead><tr>{}{}{}</tr></thead><tbody>{rows}</tbody></table>",
            heading(wish, Order::Name, "Name"),
            heading(wish, Order::Size, "Size"),
            heading(wish, Order::Time, "Changed (UTC)"),
        )
    };
    Ok(format!(
        "{}<h1>{}</h1>{}<p class=\"facts\">{}</p><p class=\"actions\">\
         <a class=\"button\" href=\"{}\" download data-key=\"d\">Download as zip</a>\
         <a class=\"button\" href=\"{}\">What changed</a></p>{notices}{table}{pager}",
        if place.path.is_root() { String::new() } else { crumbs(state, place) },
        place.path.names().last().map_or_else(|| "All files".to_owned(), |last| name(last.as_bytes())),
        of_snapshot(state, place),
        several(part.total, "entry", "entries"),
        state.address("zip", snapshot, &place.path),
        state.address("changes", snapshot, &place.path),
    ))
}

fn heading(wish: &Wish, order: Order, text: &str) -> String {
    let is_own = wish.order == order;
    // Largest and newest first, unless that stands already.
    let descends = if is_own { !wish.descends } else { order != Order::Name };
    let sort = match (is_own, wish.descends) {
        (true, true) => " aria-sort=\"descending\"",
        (true, false) => " aria-sort=\"ascending\"",
        _ => "",
    };
    format!("<th scope=\"col\"{sort}><a href=\"{}\">{text}</a></th>", Wish::sorted(order, descends))
}

fn write_row(rows: &mut String, state: &State, place: &Place, row: &Row, target: Option<&[u8]>) {
    let Ok(path) = place.path.join(&row.name) else { return };
    let address = state.address("files", &state.snapshots[place.snapshot], &path);
    let (kind, word) = kind_of(row.stat.kind);
    let slash = if row.stat.kind == FileKind::Dir { "/" } else { "" };
    let target = target.map_or_else(String::new, |to| {
        let (some, rest) = (&to[..to.len().min(TARGET_MAX_BYTES)], if to.len() > TARGET_MAX_BYTES { "…" } else { "" });
        format!(" <span class=\"facts\">→ {}{rest}</span>", name(some))
    });
    let damage =
        if state.view.reason(row.stat.inode).is_some() { " <span class=\"tag bad\">damaged</span>" } else { "" };
    let size = if row.stat.kind == FileKind::File { show_size(row.stat.len_bytes) } else { String::new() };
    let _ = write!(
        rows,
        "<tr><td class=\"{kind}\"><a class=\"entry\" href=\"{address}\"><span class=\"icon\" role=\"img\" \
         aria-label=\"{word}\"></span>{}{slash}</a>{target}{damage}</td><td>{size}</td><td>{}</td></tr>",
        name(row.name.as_bytes()),
        time(row.stat.meta.mtime_secs),
    );
}

/// Returns where a link of a folder points, all of it; nothing for what is no link, or does not read.
fn target_of(state: &Arc<State>, dir: u64, row: &Row) -> Option<Vec<u8>> {
    let is_link = row.stat.kind == FileKind::Symlink;
    let held = is_link.then(|| Held::below(&state.view, dir, &row.name).ok()).flatten()?;
    state.view.readlink(held.stat.inode).ok()
}

/// Returns a class and a word for a type.
pub fn kind_of(kind: FileKind) -> (&'static str, &'static str) {
    match kind {
        FileKind::Dir => ("dir", "folder"),
        FileKind::File => ("file", "file"),
        FileKind::Symlink => ("link", "link"),
        FileKind::Fifo => ("other", "pipe"),
        FileKind::Socket => ("other", "socket"),
        FileKind::CharDevice | FileKind::BlockDevice => ("other", "device"),
    }
}

/// Shows which of several pages this is, with the ways to others. `address` ends so that a field of a query can follow.
pub fn pager(page: usize, pages: usize, address: &str) -> String {
    if pages < 2 {
        return String::new();
    }
    let step = |to: usize, key: &str, text: &str| {
        format!("<a class=\"button\" href=\"{address}page={}\" data-key=\"{key}\">{text}</a>", to + 1)
    };
    let before = page.checked_sub(1).map_or(String::new(), |to| step(to, "p", "Previous"));
    let after = if page + 1 < pages { step(page + 1, "n", "Next") } else { String::new() };
    format!("<nav class=\"pager\" aria-label=\"Pages\">{before}<span>Page {} of {pages}</span>{after}</nav>", page + 1)
}

/// Counts the entries of a directory by its positions: a node a level for each look, and a look for each bit of the count.
fn count_of(state: &State, dir: u64) -> Result<u64, ViewError> {
    let stands = |at: u64| state.view.list(dir, at, 1).map(|page| !page.is_empty());
    let mut above = 1;
    while stands(above - 1)? {
        above *= 2;
    }
    let mut below = above / 2;
    // There are at least `below` and fewer than `above`.
    while below + 1 < above {
        let middle = below + (above - below) / 2;
        if stands(middle - 1)? {
            below = middle;
        } else {
            above = middle;
        }
    }
    Ok(below)
}

/// Lists entries from a position on, with what they are.
fn rows(state: &Arc<State>, dir: u64, mut from: u64, most: usize) -> (Vec<Row>, Option<ViewError>) {
    let mut rows = Vec::new();
    while rows.len() < most {
        let page = match state.view.list(dir, from, most - rows.len()) {
            Ok(page) => page,
            Err(error) => return (rows, Some(error)),
        };
        let Some(last) = page.last() else { break };
        from = last.next;
        for listed in page {
            match Held::below(&state.view, dir, &listed.name) {
                Ok(held) => rows.push(Row { name: listed.name, stat: held.stat.clone() }),
                Err(error) => return (rows, Some(error)),
            }
        }
    }
    (rows, None)
}

fn by_name(state: &Arc<State>, dir: u64, total: u64, wish: &Wish) -> Part {
    let before = (wish.page as u64).saturating_mul(PAGE as u64).min(total);
    let most = (total - before).min(PAGE as u64);
    let descends = wish.descends && wish.order == Order::Name;
    let from = if descends { total - before - most } else { before };
    let (mut rows, broken) = rows(state, dir, from, most as usize);
    if descends {
        rows.reverse();
    }
    Part { rows, total, is_by_name: false, broken }
}

fn sorted(state: &Arc<State>, dir: u64, total: u64, wish: &Wish) -> Part {
    let (mut rows, broken) = rows(state, dir, 0, total as usize);
    // Of two that are alike the first by name stays first.
    match (wish.order, wish.descends) {
        (Order::Size, false) => rows.sort_by_key(|row| row.stat.len_bytes),
        (Order::Size, true) => rows.sort_by_key(|row| Reverse(row.stat.len_bytes)),
        (_, false) => rows.sort_by_key(|row| (row.stat.meta.mtime_secs, row.stat.meta.mtime_nanos)),
        (_, true) => rows.sort_by_key(|row| Reverse((row.stat.meta.mtime_secs, row.stat.meta.mtime_nanos))),
    }
    let rows = rows.into_iter().skip(wish.page.saturating_mul(PAGE)).take(PAGE).collect();
    Part { rows, total, is_by_name: false, broken }
}
