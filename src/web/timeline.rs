//! Snapshots as a time line, newest first.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;

use super::State;
use super::answer::{Answer, query, read};
use super::html::{Page, count, escape, moment, several};
use super::place::short;
use crate::base::RelPath;
use crate::base::paths::show_bytes;
use crate::base::units::show_size;
use crate::format::sealed::SnapshotRef;
use crate::tree::snapshots;

/// Snapshots on a page.
const PAGE: usize = 100;
/// Characters of a message that are shown.
const MESSAGE_MAX: usize = 500;

/// The start: the folder as it was committed last, or the empty time line.
pub async fn home(Shared(state): Shared<Arc<State>>) -> Answer {
    let to = state
        .snapshots
        .first()
        .map_or_else(|| state.page("snapshots"), |newest| state.address("files", newest, &RelPath::root()));
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, to)]).into_response())
}

/// The time line.
pub async fn page(Shared(state): Shared<Arc<State>>, uri: Uri) -> Answer {
    let from = query(&uri, "page").and_then(|page| page.parse::<usize>().ok()).unwrap_or(1).max(1) - 1;
    let rows = read(&state, move |state| {
        let shown = state.snapshots.iter().enumerate().skip(from.saturating_mul(PAGE)).take(PAGE);
        Ok(shown.map(|(at, snapshot)| row(state, at, snapshot)).collect::<String>())
    });
    let (rows, total) = (rows.await?, state.snapshots.len());
    let pager = super::folder::pager(from, total.div_ceil(PAGE), "?");
    let empty = if total == 0 { "<p>Nothing was committed to this store yet.</p>" } else { "" };
    let main = format!(
        "<h1>Time line</h1><p class=\"facts\">{}: the store as it was when browsing began. What was \
         committed since is shown when it begins anew.</p>{empty}<ol class=\"timeline\">{rows}</ol>{pager}",
        several(total as u64, "snapshot", "snapshots"),
    );
    Ok(Page::new("Time line").of(&state, None).response(&main))
}

fn row(state: &State, at: usize, snapshot: &SnapshotRef) -> String {
    let root = RelPath::root();
    let when = moment(snapshot.time);
    let tags: String = snapshot.tags.iter().map(|tag| format!("<span class=\"tag\">{}</span>", text(tag))).collect();
    let compare = if at + 1 < state.snapshots.len() {
        format!("<a href=\"{}\">What changed</a>", state.address("changes", snapshot, &root))
    } else {
        String::new()
    };
    let what = match snapshots::load(&state.reading.reader, snapshot) {
        Ok(read) => {
            let totals = &read.totals;
            format!(
                "<p class=\"message\">{}</p><p class=\"facts\">{} in {}, {}. By {}.</p>",
                text(&read.message),
                several(totals.files, "file", "files"),
                several(totals.dirs, "folder", "folders"),
                show_size(totals.bytes),
                text(&read.author),
            )
        }
        Err(error) => {
            let reason = crate::error::Error::from(state.reading.store.settle(error)).in_full();
            format!("<p class=\"notice\" role=\"alert\">It does not read from this copy: {}.</p>", escape(&reason))
        }
    };
    format!(
        "<li><h2><a class=\"entry\" href=\"{}\">{when}</a>{tags}</h2>{what}<p class=\"actions\">{compare} \
         <span class=\"id\">{}, generation {}</span></p></li>",
        state.address("files", snapshot, &root),
        short(&snapshot.id),
        count(snapshot.generation.0),
    )
}

/// Shows a text of a writer on one line, and not all of an endless one.
fn text(text: &str) -> String {
    let some: String = text.chars().take(MESSAGE_MAX).collect();
    let rest = if some.len() < text.len() { " …" } else { "" };
    format!("<bdi>{}{rest}</bdi>", escape(&show_bytes(some.as_bytes())))
}
