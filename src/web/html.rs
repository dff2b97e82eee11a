//! Pages: one frame around all of them, and text that no name breaks out of.

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::State;
use super::place::Place;
use crate::base::paths::show_bytes;
use crate::base::{RelPath, Timestamp};

const FRAME: &str = include_str!("assets/page.html");
/// Where the page's own part stands in the frame.
const MAIN: &str = "{{main}}";

/// A page that is being made.
#[derive(Clone)]
pub struct Page {
    title: String,
    brand: String,
    nav: String,
    search: String,
}

impl Page {
    /// Begins a page.
    pub fn new(title: impl Into<String>) -> Self {
        let brand = "<span class=\"brand\">chunkstore</span>".to_owned();
        Self { title: title.into(), brand, nav: String::new(), search: String::new() }
    }

    /// Adds the ways from a place to elsewhere; without one from the newest snapshot.
    #[must_use]
    pub fn of(mut self, state: &State, place: Option<&Place>) -> Self {
        self.brand = format!("<a class=\"brand\" href=\"{}\">chunkstore</a>", state.guard.home());
        let Some(snapshot) = state.snapshots.get(place.map_or(0, |place| place.snapshot)) else { return self };
        let (root, path) = (RelPath::root(), place.map(|place| place.path.clone()).unwrap_or_default());
        let link =
            |key: &str, address: &str, text: &str| format!("<a href=\"{address}\" data-key=\"{key}\">{text}</a>");
        self.nav = [
            link("f", &state.address("files", snapshot, &root), "Files"),
            link("t", &state.page("snapshots"), "Time line"),
            link("c", &state.address("changes", snapshot, &root), "Changes"),
        ]
        .concat();
        self.search = format!(
            "<form class=\"search\" role=\"search\" action=\"{}\"><input type=\"search\" name=\"q\" required maxlength=\"200\" \
             placeholder=\"Search names\" aria-label=\"Search names below {}\" data-key=\"/\"><button>Search</button></form>",
            state.address("search", snapshot, &path),
            escape(&path.to_string())
        );
        self
    }

    /// Returns the whole page.
    #[must_use]
    pub fn response(&self, main: &str) -> Response {
        let (before, after) = self.around();
        html([&before, main, &after].concat())
    }

    /// Returns what comes before and after the page's own part.
    #[must_use]
    pub fn around(&self) -> (String, String) {
        let (before, after) = FRAME.split_once(MAIN).unwrap_or((FRAME, ""));
        (self.filled(before), after.to_owned())
    }

    /// Fills the frame in one pass, so that no value is looked at again.
    fn filled(&self, frame: &str) -> String {
        let mut filled = String::with_capacity(frame.len() + 1024);
        let mut rest = frame;
        while let Some((text, after)) = rest.split_once("{{") {
            let (key, after) = after.split_once("}}").unwrap_or((after, ""));
            filled.push_str(text);
            match key {
                "title" => filled.push_str(&escape(&self.title)),
                "brand" => filled.push_str(&self.brand),
                "nav" => filled.push_str(&self.nav),
                "search" => filled.push_str(&self.search),
                _ => {}
            }
            rest = after;
        }
        filled + rest
    }
}

/// Makes an answer of a whole page.
pub fn html(page: impl IntoResponse) -> Response {
    let mut response = page.into_response();
    let kind = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Writes text so that it is nothing but text, in content and in values in double quotes.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Shows a name as `ls` does, with a direction of its own.
#[must_use]
pub fn name(bytes: &[u8]) -> String {
    format!("<bdi>{}</bdi>", escape(&show_bytes(bytes)))
}

/// Shows a moment to the minute, in UTC.
#[must_use]
pub fn time(secs: i64) -> String {
    let Some(nanos) = secs.checked_mul(1_000_000_000) else { return "—".to_owned() };
    let exact = Timestamp(nanos).to_string();
    let (date, clock) = exact.split_once('T').unwrap_or((&exact, ""));
    format!("<time datetime=\"{exact}\">{date} {}</time>", clock.get(..5).unwrap_or_default())
}

/// Shows the moment of a snapshot.
#[must_use]
pub fn moment(time_of: Timestamp) -> String {
    time(time_of.0.div_euclid(1_000_000_000))
}

/// Shows a number with thin spaces between the thousands.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// Shows a number of things: `1 file`, `2 files`.
#[must_use]
pub fn several(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}

/// Shows the way from the committed folder to a place, each part a link.
#[must_use]
pub fn crumbs(state: &State, place: &Place) -> String {
    let Some(snapshot) = state.snapshots.get(place.snapshot) else { return String::new() };
    let mut path = RelPath::root();
    let up = place.path.split_last().map(|(above, _)| above);
    let link = |path: &RelPath, text: &str| {
        let key = if up.as_ref() == Some(path) { " data-key=\"u\"" } else { "" };
        let current = if *path == place.path { " aria-current=\"page\"" } else { "" };
        format!("<li><a href=\"{}\"{key}{current}>{text}</a></li>", state.address("files", snapshot, path))
    };
    let mut parts = link(&path, "All files");
    for part in place.path.names() {
        let Ok(below) = path.join(&part) else { break };
        path = below;
        parts.push_str(&link(&path, &name(part.as_bytes())));
    }
    format!("<nav class=\"crumbs\" aria-label=\"Path\"><ol>{parts}</ol></nav>")
}

/// Says of which snapshot something is shown, with links to the same place in those before and after it.
#[must_use]
pub fn of_snapshot(state: &State, place: &Place) -> String {
    let Some(snapshot) = state.snapshots.get(place.snapshot) else { return String::new() };
    let step = |at: Option<usize>, key: &str, text: &str| match at.and_then(|at| state.snapshots.get(at)) {
        Some(other) => format!(
            " <a href=\"{}\" data-key=\"{key}\" rel=\"{text}\">{text}</a>",
            state.address("files", other, &place.path)
        ),
        None => String::new(),
    };
    let newest = if place.snapshot == 0 { ", the newest" } else { "" };
    let older = step(place.snapshot.checked_add(1), "[", "older");
    let newer = step(place.snapshot.checked_sub(1), "]", "newer");
    format!("<p class=\"when\">Snapshot of {} UTC{newest}.{older}{newer}</p>", moment(snapshot.time))
}

#[cfg(test)]
mod tests;
