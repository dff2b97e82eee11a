//! Answers: pages, refusals that say why, and the way to what has to wait for the store.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::State;
use super::html::{Page, escape};
use super::place::{Held, Place};
use crate::base::RelPath;
use crate::error::{Error, ErrorKind};
use crate::format::sealed::SnapshotRef;
use crate::view::ViewError;

/// Longest wait for a turn to read.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// What a handler returns.
pub type Answer = Result<Response, Refusal>;

/// An answer that is none, with what a person should know.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The same as a word for programs.
    pub kind: &'static str,
    /// What happened.
    pub title: &'static str,
    /// Why, and what to do.
    pub reason: String,
}

impl Refusal {
    /// Makes a refusal.
    pub fn new(status: StatusCode, kind: &'static str, title: &'static str, reason: impl Into<String>) -> Self {
        Self { status, kind, title, reason: reason.into() }
    }

    /// Nothing goes by an address.
    #[must_use]
    pub fn nothing() -> Self {
        let reason = "Nothing goes by this address in the store.";
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", reason)
    }

    /// A request makes no sense.
    pub fn wrong(reason: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "usage", "That cannot be asked", reason)
    }

    /// Too much is going on.
    #[must_use]
    pub fn busy() -> Self {
        let reason = "Other searches, comparisons or downloads are still under way. Try again once one has ended.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", reason)
    }

    /// Something is damaged.
    pub fn damaged(reason: impl Into<String>) -> Self {
        let title = "This is damaged";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", title, reason)
    }

    /// Shows it as a document or as a page, as the client wants it; with ways to elsewhere for who was let in.
    #[must_use]
    pub fn shown(&self, headers: &HeaderMap, state: Option<&State>) -> Response {
        let wants = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let mut response = if wants.contains("application/json") {
            let document = json!({"error": {"kind": self.kind, "title": self.title, "message": self.reason}});
            ([(header::CONTENT_TYPE, "application/json")], format!("{document}\n")).into_response()
        } else {
            let main = format!(
                "<div class=\"notice\" role=\"alert\"><h1>{}</h1><p>{}</p></div>",
                escape(self.title),
                escape(&self.reason)
            );
            let page = Page::new(self.title);
            state.map_or(page.clone(), |state| page.of(state, None)).response(&main)
        };
        *response.status_mut() = self.status;
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl IntoResponse for Refusal {
    /// Leaves the showing to whoever knows what the client wants.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<ViewError> for Refusal {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Unknown | ViewError::NoEntry | ViewError::NotADirectory => Self::nothing(),
            ViewError::NotAFile => Self::wrong("This is no file: it has no content of its own."),
            ViewError::NotALink => Self::wrong("This is no link."),
            ViewError::TooMany => Self::busy(),
            ViewError::Damaged(reason) => {
                Self::damaged(format!("It does not read from this copy of the store: {reason}."))
            }
            ViewError::Gone => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "medium-gone",
                "The medium went away",
                "Plug it in again and start browsing anew.",
            ),
            ViewError::Offline(reason) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::Remote.name(),
                "Not to be reached",
                format!("What holds it does not answer: {reason}. Try again in a while."),
            ),
            ViewError::Interrupted => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::Interrupted.name(),
                "It is ending",
                "The program was asked to stop.",
            ),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let reason = error.in_full();
        match error.kind() {
            ErrorKind::Usage => Self::wrong(reason),
            ErrorKind::Other => Self { reason, ..Self::nothing() },
            ErrorKind::Gone => ViewError::Gone.into(),
            ErrorKind::Remote => ViewError::Offline(reason).into(),
            ErrorKind::Corrupt => Self::damaged(reason),
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.kind().name(), "That did not work", reason),
        }
    }
}

/// Reads the store in a thread that may wait, once it is this request's turn.
///
/// # Errors
/// Those of `work`; [`Refusal::busy`].
pub async fn read<T: Send + 'static>(
    state: &Arc<State>,
    work: impl FnOnce(&Arc<State>) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let turn = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&state.reads).acquire_owned()).await;
    let (Ok(Ok(turn)), state) = (turn, Arc::clone(state)) else { return Err(Refusal::busy()) };
    let done = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work(&state)
    });
    let failed = "An error of this program. Its other pages still work.";
    done.await.map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "other", "That did not work", failed))?
}

/// Takes one of the few turns to go through much.
///
/// # Errors
/// [`Refusal::busy`].
pub fn turn_to_walk(state: &Arc<State>) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(&state.walks).try_acquire_owned().map_err(|_| Refusal::busy())
}

impl State {
    /// Reads a place from an address.
    ///
    /// # Errors
    /// [`Refusal::nothing`].
    pub fn place(&self, text: &str) -> Result<Place, Refusal> {
        Place::parse(&self.snapshots, text).ok_or_else(Refusal::nothing)
    }

    /// Returns the address of a page.
    #[must_use]
    pub fn page(&self, word: &str) -> String {
        format!("{}{word}", self.guard.home())
    }

    /// Returns the address of a place below a word.
    #[must_use]
    pub fn address(&self, word: &str, snapshot: &SnapshotRef, path: &RelPath) -> String {
        Place::address(self.guard.home(), word, snapshot, path)
    }

    /// Finds what stands at a place.
    ///
    /// # Errors
    /// As [`Held::down`].
    pub fn find(&self, place: &Place) -> Result<Held, ViewError> {
        let snapshot = self.snapshots.get(place.snapshot).ok_or(ViewError::NoEntry)?;
        Held::snapshot(&self.view, &snapshot.id)?.down(&place.path)
    }
}

/// Returns the part of a page's address behind the run's home and the word, as it came.
#[must_use]
pub fn tail(uri: &axum::http::Uri) -> &str {
    uri.path().splitn(4, '/').nth(3).unwrap_or_default()
}

/// Returns a value of the query, decoded; the first of a name.
#[must_use]
pub fn query(uri: &axum::http::Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(String::from_utf8_lossy(&super::place::decode(&value.replace('+', " "))).into_owned())
}
