//! A folder as one zip archive, made while it is sent.
//!
//! What is damaged is left out, and listed with the reasons in a text at the end of the archive. If the medium goes away, or a file
//! that was sound a moment ago is not any more, the answer is broken off and the archive has no end.
//! A zip keeps its directory in memory until the end: what is too much for one is refused where that is known before, and broken off
//! where it only shows on the way.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::State;
use super::answer::{Answer, Refusal, read, tail, turn_to_walk};
use super::file::{file_name, named};
use super::html::several;
use super::live::Waiting;
use super::pipe::pipe;
use crate::base::units::show_size;
use crate::ops::Run;
use crate::ops::export::{ZipRoom, fits_zip, zip_telling};
use crate::ops::open::Spot;

/// The archive of a place.
pub async fn page(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let place = state.place(tail(request.uri()))?;
    let own = [&file_name(&place)[..], b".zip"].concat();
    let spot = Spot { snapshot: state.snapshots[place.snapshot].id.to_string(), path: place.path.clone() };
    read(&state, move |state| {
        // What does not list at all is an answer of its own, not an archive.
        let held = state.find(&place)?;
        if held.stat.kind == crate::disk::folder::FileKind::Dir {
            state.view.list(held.stat.inode, 0, 1)?;
        }
        Ok(())
    })
    .await?;
    let turn = turn_to_walk(&state)?;
    let zip = Arc::clone(&state.zips).try_acquire_owned().map_err(|_| Refusal::busy())?;
    let (feed, body) = pipe();
    let mut pipe = feed.blocking();
    // Sees a client that goes away already now, since the body goes with its request.
    let waiting = Waiting { state: Arc::clone(&state), watch: pipe.watch() };
    let (spot, waiting) = read(&state, move |state| {
        if fits_zip(&state.reading, &spot, state.bounds.zip, run_of(&waiting))? {
            return Ok((spot, waiting));
        }
        Err(too_much(state.bounds.zip))
    })
    .await?;
    if request.method() == Method::HEAD {
        return Ok(described(().into_response(), &own));
    }
    tokio::task::spawn_blocking(move || {
        let _turns = (turn, zip);
        let done = zip_telling(&state.reading, &spot, state.bounds.zip, &mut pipe, run_of(&waiting));
        // What watches the client keeps the answer open.
        drop(waiting);
        // An error drops the pipe, which breaks the answer off.
        if done.is_ok() {
            pipe.end();
        }
    });
    Ok(described(body.into_response(), &own))
}

fn run_of(waiting: &Waiting) -> Run<'_> {
    let state = &waiting.state;
    Run { clock: state.clock.as_ref(), random: state.random.as_ref(), monitor: waiting }
}

fn too_much(room: ZipRoom) -> Refusal {
    let reason = format!(
        "One zip takes at most {} with {} of names. Download the folders in here one after the other, or write all of it \
         to a folder with `chunkstore restore`.",
        several(room.entries, "entry", "entries"),
        show_size(room.path_bytes),
    );
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-much", "Too much for one zip", reason)
}

fn described(mut response: Response, own: &[u8]) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(disposition) = HeaderValue::try_from(named("attachment", own)) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
