//! What changed from one snapshot to another, in a folder or everywhere.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::Method;
use axum::response::IntoResponse;

use super::State;
use super::answer::{Answer, Refusal, query, tail, turn_to_walk};
use super::html::{Page, count, crumbs, escape, html, moment, name};
use super::live::Live;
use super::pipe::pipe;
use super::place::{Place, find, short};
use crate::base::units::show_size;
use crate::error::ErrorKind;
use crate::format::sealed::SnapshotRef;
use crate::format::tree::Node;
use crate::ops::Run;
use crate::ops::diff::{Change, ChangeKind, DiffRequest, Diffed, diff};

/// Snapshots among which one can be chosen.
const CHOICES_MAX: usize = 500;
/// Digits of an id that tell snapshots of one minute apart.
const ALIKE_DIGITS: usize = 8;

/// The page of a comparison: of the place's snapshot, or the query's `new`, with the one before it, or the query's `old`.
pub async fn page(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let mut place = state.place(tail(request.uri()))?;
    let asked = |field: &str, otherwise: usize| match query(request.uri(), field) {
        Some(name) => find(&state.snapshots, &name).ok_or_else(Refusal::nothing),
        None => Ok(otherwise),
    };
    place.snapshot = asked("new", place.snapshot)?;
    let old = asked("old", place.snapshot + 1)?;
    let page = Page::new("What changed").of(&state, Some(&place));
    let Some(older) = state.snapshots.get(old) else {
        let main = format!(
            "{}<h1>What changed</h1>{}<p class=\"facts\">There is no older snapshot to compare with.</p>",
            crumbs(&state, &place),
            form(&state, &place, place.snapshot)
        );
        return Ok(page.response(&main));
    };
    if request.method() == Method::HEAD {
        return Ok(html(()));
    }
    let turn = turn_to_walk(&state)?;
    let (before, after) = page.around();
    let begin = format!(
        "{before}{}<h1>What changed</h1>{}<ol class=\"results changes\">",
        crumbs(&state, &place),
        form(&state, &place, old)
    );
    let wanted = DiffRequest {
        old: older.id.to_string(),
        new: state.snapshots[place.snapshot].id.to_string(),
        path: place.path.clone(),
    };
    let (feed, body) = pipe();
    let pipe = feed.blocking();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let live = Live::begin(&state, pipe, &begin);
        let run = Run { clock: state.clock.as_ref(), random: state.random.as_ref(), monitor: &live };
        let mut unshown = 0u64;
        let done = diff(&state.reading, &wanted, run, &mut |change| {
            unshown += u64::from(!live.row(&row(&state, &place, old, change)));
            Ok(())
        });
        let summary = match done {
            Ok(done) => summary(&done, unshown),
            Err(error) if error.kind() == ErrorKind::Other => "Neither snapshot holds anything there.".to_owned(),
            Err(error) => format!("The comparison ended early: {}.", escape(&error.in_full())),
        };
        live.end(&format!("<li class=\"summary\" role=\"status\">{summary}</li></ol>{after}"));
    });
    Ok(html(body.into_response()))
}

/// The choice of two snapshots.
fn form(state: &State, place: &Place, old: usize) -> String {
    let choice = |label: &str, field: &str, chosen: usize| {
        let option = |at: usize, snapshot: &SnapshotRef| {
            let mark = if at == chosen { " selected" } else { "" };
            let tags = snapshot.tags.join(", ");
            let id = short(&snapshot.id);
            // Of two of one minute the time line tells which is which.
            let when = plain(&moment(snapshot.time));
            let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten();
            let mut beside = beside.filter_map(|at| state.snapshots.get(at));
            let is_alike = beside.any(|other| plain(&moment(other.time)) == when);
            let told = id.get(..ALIKE_DIGITS).filter(|_| is_alike).map_or_else(String::new, |id| format!(", {id}"));
            format!("<option value=\"{id}\"{mark}>{when}{told} {}</option>", name(tags.as_bytes()))
        };
        // Those around the chosen one, where there are too many for a list.
        let from = chosen.saturating_sub(CHOICES_MAX / 2);
        let some = state.snapshots.iter().enumerate().skip(from).take(CHOICES_MAX);
        let options: String = some.map(|(at, snapshot)| option(at, snapshot)).collect();
        format!("<label>{label} <select name=\"{field}\">{options}</select></label>")
    };
    format!(
        "<form class=\"choice\" action=\"{}\">{}{}<button>Compare</button></form>",
        state.address("changes", &state.snapshots[place.snapshot], &place.path),
        choice("From", "old", old),
        choice("to", "new", place.snapshot)
    )
}

/// Leaves out the marks of a text, which an option does not show.
fn plain(html: &str) -> String {
    let parts = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text));
    parts.collect()
}

fn row(state: &State, place: &Place, old: usize, change: &Change) -> String {
    let (class, word) = match change.kind {
        ChangeKind::Added => ("added", "Added"),
        ChangeKind::Removed => ("removed", "Removed"),
        ChangeKind::Content => ("content", "Changed"),
        ChangeKind::Metadata => ("metadata", "Metadata"),
        ChangeKind::Type => ("type", "Other type"),
        ChangeKind::Moved => ("moved", "Moved"),
    };
    let stands_in = if change.new.is_some() { place.snapshot } else { old };
    let size = |entry: &Option<Box<crate::format::tree::Entry>>| match entry.as_deref().map(|entry| &entry.node) {
        Some(Node::File { len_bytes, .. }) => Some(show_size(*len_bytes)),
        _ => None,
    };
    let sizes = match (size(&change.old), size(&change.new)) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (old, new) => new.or(old).unwrap_or_default(),
    };
    let from = change
        .from
        .as_ref()
        .map_or_else(String::new, |from| format!(" <span class=\"facts\">from {}</span>", name(from.as_bytes())));
    format!(
        "<li class=\"{class}\"><span class=\"tag\">{word}</span> <a class=\"entry\" href=\"{}\">{}</a>{from} \
         <span class=\"facts\">{sizes}</span></li>",
        state.address("files", &state.snapshots[stands_in], &change.path),
        name(change.path.as_bytes()),
    )
}

fn summary(done: &Diffed, unshown: u64) -> String {
    let parts: Vec<String> =
        done.in_words().into_iter().map(|(number, words)| format!("{} {words}", count(number))).collect();
    let mut text = if parts.is_empty() { "Nothing changed.".to_owned() } else { format!("{}.", parts.join(", ")) };
    if unshown > 0 {
        text += &format!(" {} more are not listed; look in a folder further down.", count(unshown));
    }
    if done.damaged > 0 {
        text += &format!(" {} could not be compared, since they are damaged.", count(done.damaged));
    }
    text
}
