//! WebDAV, read-only: the same tree for file managers, with the password in the request or in the address.
//!
//! A link to a snapshot is shown as the folder that it leads to; links inside of snapshots, pipes and devices are not shown, since WebDAV
//! has none. Listings are dav-server's, with what it leaves open closed here: a listing that ends early for damage is broken off and
//! not taken for whole, what it parses is bounded, there are no locks and no listing of all below. Files go out as everywhere else, never
//! as pages.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dav_server::davpath::DavPath;
use dav_server::fs::{
    DavDirEntry, DavFile, DavFileSystem, DavMetaData, FsError, FsFuture, FsResult, FsStream, OpenOptions, ReadDirMeta,
};
use dav_server::{DavConfig, DavHandler, DavMethodSet};
use futures_core::Stream;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::State;
use super::answer::{Answer, Refusal, read};
use super::file::{Asked, Target, Use, etag, send};
use super::place::{Held, decode_path};
use crate::base::{EntryName, RelPath};
use crate::disk::folder::FileKind;
use crate::format::tree::Meta as TreeMeta;
use crate::view::{Listed, Stat, TOP, ViewError};

/// Longest body of a request, which asks for a few properties.
const ASKED_MAX_BYTES: usize = 8 << 10;
/// Most marks in it: the parser goes down as deep as they do.
const ASKED_MAX_MARKS: usize = 200;
/// Entries that are read at a time.
const PAGE: usize = 256;
const ALLOWED: &str = "OPTIONS, GET, HEAD, PROPFIND";

/// Answers a request of WebDAV.
pub async fn answer(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let path = request.uri().path();
    let below = path.strip_prefix("/dav").unwrap_or_default();
    let first = below.trim_start_matches('/').split('/').next().unwrap_or_default();
    let prefix = if state.guard.is_password(first) {
        format!("/dav/{first}")
    } else if state.guard.has_password(request.headers()) {
        "/dav".to_owned()
    } else {
        return Ok(who_are_you());
    };
    let wanted = decode_path(path.strip_prefix(&prefix).unwrap_or_default()).map_err(|_| Refusal::nothing())?;
    match request.method().as_str() {
        "GET" | "HEAD" => get(&state, wanted, Asked::of(&request)).await,
        "OPTIONS" => Ok(options()),
        "PROPFIND" => list(&state, wanted, prefix, request).await,
        _ => {
            let reason = "The store is only read here.";
            let refusal = Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "read-only", "Read-only", reason);
            Ok(([(header::ALLOW, ALLOWED)], refusal.into_response()).into_response())
        }
    }
}

fn who_are_you() -> Response {
    let reason = "Give any name and the password that chunkstore printed.";
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "no-password", "A password is needed", reason);
    let mut response = refusal.into_response();
    let challenge = HeaderValue::from_static("Basic realm=\"chunkstore\", charset=\"UTF-8\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

fn options() -> Response {
    let headers = [("allow", ALLOWED), ("dav", "1"), ("ms-author-via", "DAV")];
    (headers, ()).into_response()
}

async fn get(state: &Arc<State>, wanted: RelPath, asked: Asked) -> Answer {
    let own = wanted.names().last().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
    let held = read(state, move |state| Ok(find(state, &wanted)?)).await?;
    if held.as_ref().is_none_or(|held| held.stat.kind == FileKind::Dir) {
        let reason = "This is a folder: a program that knows WebDAV lists it, and a browser shows it from the address that chunkstore printed.";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "folder", "A folder", reason));
    }
    let held = held.ok_or_else(Refusal::nothing)?;
    send(state, Target::Found(held, own), asked, Use::Keep).await
}

/// Lists a folder, or tells of one thing.
async fn list(state: &Arc<State>, wanted: RelPath, prefix: String, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    let asked = axum::body::to_bytes(body, ASKED_MAX_BYTES).await;
    let asked = asked.ok().filter(|asked| asked.iter().filter(|byte| **byte == b'<').count() <= ASKED_MAX_MARKS);
    let Some(asked) = asked else {
        let reason = "That asks for more than there is.";
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "usage", "Too long", reason));
    };
    let depth = parts.headers.get("depth").map_or("infinity", |depth| depth.to_str().unwrap_or_default());
    if !matches!(depth, "0" | "1") {
        let finite =
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:error xmlns:D=\"DAV:\"><D:propfind-finite-depth/></D:error>";
        let kind = [(header::CONTENT_TYPE, "application/xml; charset=utf-8")];
        return Ok((StatusCode::FORBIDDEN, kind, finite).into_response());
    }
    let goes_in = depth == "1";
    // What does not read at all is an answer of its own.
    read(state, move |state| {
        let held = find(state, &wanted)?;
        let (dir, kind) = held.as_ref().map_or((TOP, FileKind::Dir), |held| (held.stat.inode, held.stat.kind));
        if goes_in && kind == FileKind::Dir {
            state.view.list(dir, 0, 1)?;
        }
        Ok(())
    })
    .await?;
    parts.headers.remove("x-litmus");
    let broken = Arc::new(AtomicBool::new(false));
    let tree = Tree { state: Arc::clone(state), broken: Arc::clone(&broken) };
    let config = DavConfig::new().filesystem(Box::new(tree)).strip_prefix(prefix).methods(DavMethodSet::WEBDAV_RO);
    let handler: DavHandler = config.build_handler();
    let (head, inner) = handler.handle(Request::from_parts(parts, Body::from(asked))).await.into_parts();
    Ok(Response::from_parts(head, Body::from_stream(Checked { inner, broken })))
}

/// A listing that is broken off where the folder is.
struct Checked {
    inner: dav_server::body::Body,
    broken: Arc<AtomicBool>,
}

impl Stream for Checked {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match Stream::poll_next(Pin::new(&mut self.inner), context) {
            Poll::Ready(None) if self.broken.swap(false, Ordering::Relaxed) => {
                Poll::Ready(Some(Err(std::io::Error::other("broken off"))))
            }
            polled => polled,
        }
    }
}

/// Finds what goes by a path from the top of the view; nothing for the top itself.
fn find(state: &Arc<State>, path: &RelPath) -> Result<Option<Held>, ViewError> {
    let mut found: Option<Held> = None;
    for name in path.names() {
        let dir = found.as_ref().map_or(TOP, |held| held.stat.inode);
        let held = Held::below(&state.view, dir, &name)?;
        found = Some(followed(state, held, dir)?.ok_or(ViewError::NoEntry)?);
    }
    Ok(found)
}

/// Returns what a thing in a directory is shown as: a link to a snapshot as that one, other links and special files not at all.
fn followed(state: &Arc<State>, held: Held, dir: u64) -> Result<Option<Held>, ViewError> {
    match held.stat.kind {
        FileKind::Dir | FileKind::File => Ok(Some(held)),
        FileKind::Symlink if is_of_view(state, dir) => {
            let target = state.view.readlink(held.stat.inode)?;
            let id = target.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            let of = |snapshot: &&crate::format::sealed::SnapshotRef| snapshot.id.to_string().as_bytes() == id;
            let snapshot = state.snapshots.iter().find(of).ok_or(ViewError::NoEntry)?;
            Held::snapshot(&state.view, &snapshot.id).map(Some)
        }
        _ => Ok(None),
    }
}

/// Returns whether a directory is one that the view makes, which holds snapshots and links to them.
fn is_of_view(state: &Arc<State>, dir: u64) -> bool {
    let is = |name: &[u8]| {
        let made = EntryName::new(name).ok().and_then(|name| Held::below(&state.view, TOP, &name).ok());
        made.is_some_and(|made| made.stat.inode == dir)
    };
    dir == TOP || is(b"snapshots") || is(b"by-id")
}

/// Returns what an entry of a directory is shown as. A snapshot that does not read is a folder of which no more is known, which says
/// why once it is opened: it hides none of those beside it.
fn shown_as(state: &Arc<State>, dir: u64, listed: &Listed) -> Result<Option<Stat>, ViewError> {
    let held = Held::below(&state.view, dir, &listed.name).and_then(|held| followed(state, held, dir));
    match held {
        Err(ViewError::Damaged(_) | ViewError::Offline(_)) if is_of_view(state, dir) => {
            let meta = TreeMeta { mode: 0o555, ..TreeMeta::default() };
            let (inode, kind) = (listed.inode, FileKind::Dir);
            Ok(Some(Stat { inode, kind, meta, len_bytes: 0, taken_bytes: 0, links: 1, rdev: 0 }))
        }
        held => Ok(held?.map(|held| held.stat.clone())),
    }
}

/// What dav-server asks.
#[derive(Clone)]
struct Tree {
    state: Arc<State>,
    /// Whether a listing ended early.
    broken: Arc<AtomicBool>,
}

#[derive(Debug, Clone)]
struct Meta(Stat);

struct Entry {
    name: EntryName,
    meta: Meta,
}

impl Tree {
    fn path(path: &DavPath) -> FsResult<RelPath> {
        RelPath::new(path.as_bytes()).map_err(|_| FsError::NotFound)
    }
}

fn failed(error: &Refusal) -> FsError {
    if error.status == StatusCode::NOT_FOUND { FsError::NotFound } else { FsError::GeneralFailure }
}

impl DavFileSystem for Tree {
    fn open<'a>(&'a self, _: &'a DavPath, _: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(std::future::ready(Err(FsError::NotImplemented)))
    }

    fn read_dir<'a>(&'a self, path: &'a DavPath, _: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(async move {
            let path = Self::path(path)?;
            let (sender, receiver) = channel(PAGE);
            let (state, broken) = (Arc::clone(&self.state), Arc::clone(&self.broken));
            tokio::spawn(async move {
                if !entries(&state, path, &sender).await {
                    broken.store(true, Ordering::Relaxed);
                }
            });
            Ok(Box::pin(Entries(receiver)) as FsStream<Box<dyn DavDirEntry>>)
        })
    }

    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        Box::pin(async move {
            let path = Self::path(path)?;
            let stat = read(&self.state, move |state| match find(state, &path)? {
                Some(held) => Ok(held.stat.clone()),
                None => Ok(state.view.stat(TOP)?),
            });
            Ok(Box::new(Meta(stat.await.map_err(|error| failed(&error))?)) as Box<dyn DavMetaData>)
        })
    }
}

/// Gives all entries of a folder; returns false where it ends early.
async fn entries(state: &Arc<State>, path: RelPath, sender: &Sender<Entry>) -> bool {
    let found = read(state, move |state| Ok(find(state, &path)?)).await;
    let Ok(held) = found else { return false };
    let dir = held.as_ref().map_or(TOP, |held| held.stat.inode);
    let mut from = 0;
    loop {
        let page = read(state, move |state| {
            let listed = state.view.list(dir, from, PAGE)?;
            let next = listed.last().map(|last| last.next);
            let mut entries = Vec::with_capacity(listed.len());
            for one in listed {
                if let Some(stat) = shown_as(state, dir, &one)? {
                    entries.push(Entry { name: one.name, meta: Meta(stat) });
                }
            }
            Ok((entries, next))
        });
        let Ok((page, next)) = page.await else { return false };
        for entry in page {
            if sender.send(entry).await.is_err() {
                return true;
            }
        }
        match next {
            Some(next) => from = next,
            None => return true,
        }
    }
}

struct Entries(Receiver<Entry>);

impl Stream for Entries {
    type Item = FsResult<Box<dyn DavDirEntry>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|entry| entry.map(|entry| Ok(Box::new(entry) as Box<dyn DavDirEntry>)))
    }
}

impl DavDirEntry for Entry {
    fn name(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }

    fn metadata(&'_ self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let meta: Box<dyn DavMetaData> = Box::new(self.meta.clone());
        Box::pin(std::future::ready(Ok(meta)))
    }
}

impl DavMetaData for Meta {
    fn len(&self) -> u64 {
        self.0.len_bytes
    }

    fn modified(&self) -> FsResult<SystemTime> {
        // Times that a header or a client's clock may not hold are left at the beginning.
        let secs = u64::try_from(self.0.meta.mtime_secs).unwrap_or(0).min(u64::from(u32::MAX));
        Ok(UNIX_EPOCH + Duration::from_secs(secs))
    }

    fn is_dir(&self) -> bool {
        self.0.kind == FileKind::Dir
    }

    fn etag(&self) -> Option<String> {
        Some(etag(&self.0))
    }
}
