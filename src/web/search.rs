//! Search by name below a folder of a snapshot, as it finds.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::Method;
use axum::response::IntoResponse;

use super::State;
use super::answer::{Answer, Refusal, query, read, tail, turn_to_walk};
use super::folder::kind_of;
use super::html::{Page, crumbs, escape, html, name, of_snapshot, several, time};
use super::live::{Live, ROWS_MAX};
use super::pipe::pipe;
use super::place::Place;
use crate::base::monitor::Problem;
use crate::base::units::show_size;
use crate::base::{Monitor, RelPath};
use crate::disk::folder::FileKind;
use crate::error::Error;
use crate::format::snapshot::Snapshot;
use crate::format::tree::{Entry, Node};
use crate::ops::find::{Pattern, Wanted};
use crate::ops::open::named_at;
use crate::store::StoreError;
use crate::tree::read::{Named, Start, walk};

/// The page of a search.
pub async fn page(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let place = state.place(tail(request.uri()))?;
    let asked = query(request.uri(), "q").unwrap_or_default();
    let pattern = pattern(asked.trim())?;
    let begins = place.clone();
    let (snapshot, start) = read(&state, move |state| {
        let named = state.snapshots.get(begins.snapshot).ok_or_else(Refusal::nothing)?;
        let (_, snapshot) = state.reading.snapshot(&named.id.to_string())?;
        let start = start(state, &snapshot, &begins)?;
        Ok((snapshot, start))
    })
    .await?;
    drop(snapshot);
    let (before, after) = Page::new(format!("Search: {}", asked.trim())).of(&state, Some(&place)).around();
    let begin = format!(
        "{before}{}<h1>Names like “<bdi>{}</bdi>”</h1>{}<ol class=\"results\">",
        crumbs(&state, &place),
        escape(asked.trim()),
        of_snapshot(&state, &place)
    );
    if request.method() == Method::HEAD {
        return Ok(html(()));
    }
    let turn = turn_to_walk(&state)?;
    let (feed, body) = pipe();
    let pipe = feed.blocking();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let live = Live::begin(&state, pipe, &begin);
        let summary = search(&state, &place, &start, &pattern, &live);
        live.end(&format!("<li class=\"summary\" role=\"status\">{summary}</li></ol>{after}"));
    });
    Ok(html(body.into_response()))
}

/// Reads what is searched for: a part of a name, or a glob where it has a `*`, `?` or `[`. With a `/` in it, it is the end of a path,
/// or a whole path where it begins with one.
fn pattern(asked: &str) -> Result<Pattern, Refusal> {
    if asked.is_empty() {
        return Err(Refusal::wrong("Say what to search for: a part of a name, or a pattern such as *.jpg."));
    }
    let is_glob = asked.contains(['*', '?', '[']);
    let escaped = |c: char| if "*?[]{}\\!".contains(c) { format!("\\{c}") } else { c.to_string() };
    let before = if asked.starts_with('/') { "" } else { "*" };
    let glob =
        if is_glob { asked.to_owned() } else { format!("{before}{}*", asked.chars().map(escaped).collect::<String>()) };
    let is_anywhere = glob.contains('/') && !asked.starts_with('/') && !asked.starts_with("**/");
    let glob = if is_anywhere { format!("**/{glob}") } else { glob };
    Ok(Pattern::new(&glob, true, Wanted::default())?)
}

fn start(state: &State, snapshot: &Snapshot, place: &Place) -> Result<Start, Refusal> {
    let tree = match named_at(&state.reading, snapshot, &place.path)? {
        Some(Named::Root) => snapshot.root,
        Some(Named::Entry(entry)) => match entry.node {
            Node::Dir { tree } => tree,
            _ => return Err(Refusal::wrong("What is searched is a folder.")),
        },
        None => return Err(Refusal::nothing()),
    };
    Ok(Start::at(snapshot, &tree, &place.path))
}

/// Writes what is found, and returns what is to be said of it.
fn search(state: &State, place: &Place, start: &Start, pattern: &Pattern, live: &Live) -> String {
    let (mut found, mut is_full) = (0, false);
    let walked = walk(
        &state.reading.reader,
        start,
        &mut |path, entry| {
            live.looked(1);
            if pattern.matches(path, entry) {
                is_full = !live.row(&row(state, place, path, entry));
                found += u64::from(!is_full);
            }
            if is_full || live.cancelled() { Err(StoreError::Interrupted) } else { Ok(true) }
        },
        &mut |path, error| {
            if !error.costs_one_entry() {
                return Err(error);
            }
            live.problem(Problem { subject: path.to_string(), reason: format!("not searched, {error}") });
            Ok(())
        },
    );
    let looked = several(live.looked_at(), "entry", "entries");
    match walked {
        _ if is_full => format!(
            "The first {} are shown. Search for more of the name, or in a folder further down.",
            several(ROWS_MAX as u64, "match", "matches")
        ),
        Ok(()) => format!("{} among {looked}.", several(found, "match", "matches")),
        Err(error) => {
            let reason = Error::from(state.reading.store.settle(error)).in_full();
            format!("The search ended early, after {looked}: {}.", escape(&reason))
        }
    }
}

fn row(state: &State, place: &Place, path: &RelPath, entry: &Entry) -> String {
    let kind = match &entry.node {
        Node::File { .. } => FileKind::File,
        Node::Dir { .. } => FileKind::Dir,
        Node::Symlink { .. } => FileKind::Symlink,
        _ => FileKind::Fifo,
    };
    let size = if let Node::File { len_bytes, .. } = &entry.node { Some(show_size(*len_bytes)) } else { None };
    let (class, word) = kind_of(kind);
    let above = path.split_last().map(|(above, _)| above).filter(|above| !above.is_root());
    let above = above.map(|above| format!("in {}", name(above.as_bytes())));
    let facts: Vec<_> = above.into_iter().chain(size).chain([time(entry.meta.mtime_secs)]).collect();
    format!(
        "<li class=\"{class}\"><a class=\"entry\" href=\"{}\"><span class=\"icon\" role=\"img\" aria-label=\"{word}\"></span>{}</a> \
         <span class=\"facts\">{}</span></li>",
        state.address("files", &state.snapshots[place.snapshot], path),
        name(entry.name.as_bytes()),
        facts.join(", "),
    )
}
