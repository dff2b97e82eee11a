//! A store as a web page for the person at this machine, and as WebDAV for its file managers; read-only.
//!
//! It listens on 127.0.0.1 alone, and `guard` says who may come in. Nothing is written anywhere, no page needs anything from
//! elsewhere, and no browser may keep what it was shown. Files of a store are never shown as pages: what is previewed is escaped
//! text, or comes under a type that runs nothing, in a sandbox. Names are bytes and hostile: addresses have them percent-encoded,
//! pages show them as `ls` does.
//!
//! One thread answers; what reads the store waits in threads of a bounded pool. Bounded are connections, requests, their heads
//! and bodies, what a page lists, and how long a client may take nothing. An answer that cannot be ended well is broken off
//! (`pipe`), so that a part of a file is never taken for the whole.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, Semaphore};

use crate::base::{Clock, EntryName, Random};
use crate::format::sealed::SnapshotRef;
use crate::ops::export::ZipRoom;
use crate::ops::open::Reading;
use crate::view::{PAGE_MAX, View, ViewError};
use guard::Guard;
use patient::Patient;

mod answer;
mod changes;
mod dav;
mod file;
mod folder;
mod gate;
mod guard;
mod html;
mod kinds;
mod live;
mod patient;
mod pipe;
mod place;
mod search;
mod timeline;
mod whole;

pub use html::escape;

/// Longest head of a request.
const HEAD_MAX_BYTES: usize = 64 << 10;
/// Requests at a time that read a page or a piece.
const READS_MAX: usize = 8;
/// Requests at a time that go through much: searches, comparisons, folders as zip.
const WALKS_MAX: usize = 4;
/// Folders as zip at a time, each of which keeps its directory in memory.
const ZIPS_MAX: usize = 2;
/// Longest wait for those at the end.
const END_TIMEOUT: Duration = Duration::from_secs(2);
/// Bytes of a thread's stack.
const STACK_BYTES: usize = 4 << 20;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at a time; others wait.
    pub connections: usize,
    /// Longest wait for the head of a request, and for the next one.
    pub head_timeout: Duration,
    /// Longest time in which a client takes nothing of an answer.
    pub take_timeout: Duration,
    /// What one zip takes.
    pub zip: ZipRoom,
}

impl Default for Bounds {
    fn default() -> Self {
        let (head_timeout, take_timeout) = (Duration::from_secs(30), Duration::from_secs(120));
        Self { connections: 64, head_timeout, take_timeout, zip: ZipRoom::default() }
    }
}

/// What every request needs.
struct State {
    view: Arc<View>,
    reading: Reading,
    /// Newest first.
    snapshots: Vec<SnapshotRef>,
    guard: Guard,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    is_stopping: AtomicBool,
    requests: AtomicU64,
    reads: Arc<Semaphore>,
    walks: Arc<Semaphore>,
    zips: Arc<Semaphore>,
    bounds: Bounds,
}

/// What is served, and with what.
pub struct WebOptions {
    /// The store.
    pub view: View,
    /// The same store, for what goes through much of it ([`Reading::sharing`]).
    pub reading: Reading,
    /// Where to listen on 127.0.0.1; 0 takes a free port.
    pub port: u16,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Draws the secrets.
    pub random: Arc<dyn Random>,
    /// What a client may take.
    pub bounds: Bounds,
}

/// A running server. Dropping it ends it.
pub struct Web {
    state: Arc<State>,
    address: SocketAddr,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Web {
    /// Starts to serve on threads of its own.
    ///
    /// # Errors
    /// The system's, [`io::ErrorKind::AddrInUse`] among them; [`ViewError`] as another one where the snapshots do not list.
    pub fn start(options: WebOptions) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let view = Arc::new(options.view);
        let snapshots = shown(&view, &options.reading).map_err(io::Error::other)?;
        let state = Arc::new(State {
            view,
            reading: options.reading,
            snapshots,
            guard: Guard::new(address.port(), Arc::clone(&options.random)),
            clock: options.clock,
            random: options.random,
            is_stopping: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            walks: Arc::new(Semaphore::new(WALKS_MAX)),
            zips: Arc::new(Semaphore::new(ZIPS_MAX)),
            bounds: options.bounds,
        });
        let stop = Arc::new(Notify::new());
        let (served, stopped) = (Arc::clone(&state), Arc::clone(&stop));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(READS_MAX + WALKS_MAX)
            .thread_stack_size(STACK_BYTES)
            .build()?;
        let thread = std::thread::Builder::new().name("web".to_owned()).stack_size(STACK_BYTES).spawn(move || {
            runtime.block_on(serve(&served, listener, &stopped));
            runtime.shutdown_timeout(END_TIMEOUT);
        })?;
        Ok(Self { state, address, stop, thread: Some(thread) })
    }

    /// Returns where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that opens the page; it works once, and then there is another one.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/open/{}", self.address, self.state.guard.token())
    }

    /// Returns the address of WebDAV, which asks for a name and a password.
    #[must_use]
    pub fn dav_url(&self) -> String {
        format!("http://{}/dav/", self.address)
    }

    /// Returns the name and the password of WebDAV. The address with the password behind it asks for neither.
    #[must_use]
    pub fn dav_login(&self) -> (&'static str, &str) {
        (guard::USER, self.state.guard.password())
    }

    /// Returns how many requests came so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Returns whether the media of all copies are known to be gone; no says nothing.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.state.view.is_gone()
    }

    /// Breaks off what is being answered and ends.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.state.is_stopping.store(true, Ordering::Relaxed);
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.end();
    }
}

/// Returns the snapshots that both list, newest first: a commit may have come between the two. None of them is read, so that one that
/// is damaged stands there too, and no older one passes for the newest.
fn shown(view: &Arc<View>, reading: &Reading) -> Result<Vec<SnapshotRef>, ViewError> {
    let (by_id, mut listed, mut from) = (place::by_id(view)?, HashSet::new(), 0);
    loop {
        let page = view.list(by_id.stat.inode, from, PAGE_MAX)?;
        let Some(last) = page.last() else { break };
        from = last.next;
        listed.extend(page.into_iter().map(|listed| listed.name));
    }
    let is_listed = |snapshot: &SnapshotRef| {
        EntryName::new(snapshot.id.to_string().as_bytes()).is_ok_and(|name| listed.contains(&name))
    };
    let mut seen = HashSet::new();
    let newest_first = reading.unlocked.sealed.snapshots.iter().rev();
    Ok(newest_first.filter(|snapshot| seen.insert(snapshot.id) && is_listed(snapshot)).cloned().collect())
}

async fn serve(state: &Arc<State>, listener: TcpListener, stop: &Notify) {
    let app = router(state);
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut connections = tokio::task::JoinSet::new();
    let (room, bounds) = (Arc::new(Semaphore::new(state.bounds.connections)), state.bounds);
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let Some(accepted) = unless(stop, next).await else { break };
        while connections.try_join_next().is_some() {}
        match accepted {
            (Ok((tcp, peer)), Ok(permit)) if peer.ip().is_loopback() => {
                let app = app.clone();
                connections.spawn(async move {
                    converse(app, tcp, bounds).await;
                    drop(permit);
                });
            }
            (Ok(_), _) => {}
            // Out of handles, most likely: some come back when connections end.
            (Err(_), _) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    connections.shutdown().await;
    // What walks through the store sees that its client is gone.
    let _ = tokio::time::timeout(END_TIMEOUT, state.walks.acquire_many(WALKS_MAX as u32)).await;
}

/// Does something unless the end comes first.
async fn unless<T>(stop: &Notify, work: impl Future<Output = T>) -> Option<T> {
    let (mut stopped, mut work) = (pin!(stop.notified()), pin!(work));
    poll_fn(|context| match stopped.as_mut().poll(context) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => work.as_mut().poll(context).map(Some),
    })
    .await
}

async fn converse(app: Router, tcp: tokio::net::TcpStream, bounds: Bounds) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head_timeout).max_buf_size(HEAD_MAX_BYTES);
    // How it ended is nobody's business: the client went away, or broke a rule and was told so.
    let tcp = Patient::new(tcp, bounds.take_timeout);
    let _ = http.serve_connection(TokioIo::new(tcp), TowerToHyperService::new(app)).await;
}

fn router(state: &Arc<State>) -> Router {
    use axum::routing::{any, get};
    let page = |word: &str| state.page(word);
    Router::new()
        .route("/open/{token}", get(gate::open))
        .route("/page.css", get(gate::style))
        .route("/page.js", get(gate::script))
        .route("/icon.svg", get(gate::icon))
        .route(&page(""), get(timeline::home))
        .route(&page("snapshots"), get(timeline::page))
        .route(&page("files/{*place}"), get(folder::page))
        .route(&page("search/{*place}"), get(search::page))
        .route(&page("changes/{*place}"), get(changes::page))
        .route(&page("download/{*place}"), get(file::download))
        .route(&page("preview/{*place}"), get(file::preview))
        .route(&page("zip/{*place}"), get(whole::page))
        .route("/dav", any(dav::answer))
        .route("/dav/", any(dav::answer))
        .route("/dav/{*path}", any(dav::answer))
        .fallback(gate::nothing)
        .method_not_allowed_fallback(gate::not_allowed)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(state), gate::pass))
        .with_state(Arc::clone(state))
}
