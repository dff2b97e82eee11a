//! A folder as one zip archive, made while it is sent.
//!
//! What is damaged is left out, and listed with the reasons in a text at the end of the archive. If the medium goes away, or a file
//! that was sound a moment ago is not any more, the answer is broken off and the archive has no end.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use super::State;
use super::answer::{Answer, read, tail, turn_to_walk};
use super::file::{file_name, named};
use super::live::Waiting;
use super::pipe::pipe;
use crate::ops::Run;
use crate::ops::export::{ArchiveFormat, export_telling};
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
    if request.method() == Method::HEAD {
        return Ok(described(().into_response(), &own));
    }
    let turn = turn_to_walk(&state)?;
    let (feed, body) = pipe();
    let mut pipe = feed.blocking();
    tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let waiting = Waiting { state: Arc::clone(&state), watch: pipe.watch() };
        let run = Run { clock: state.clock.as_ref(), random: state.random.as_ref(), monitor: &waiting };
        // An error drops the pipe, which breaks the answer off.
        if export_telling(&state.reading, &spot, ArchiveFormat::Zip, &mut pipe, run).is_ok() {
            pipe.end();
        }
    });
    Ok(described(body.into_response(), &own))
}

fn described(mut response: Response, own: &[u8]) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    if let Ok(disposition) = HeaderValue::try_from(named("attachment", own)) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}
