//! `browse`: a store as a web page and as WebDAV, on this machine alone, until Ctrl-C.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::base::Monitor;
use crate::base::random::OsRandom;
use crate::cli::args::reading::BrowseArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::disk::Medium;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::open::Reading;
use crate::view::{View, ViewRequest};
use crate::web::{Bounds, Web, WebOptions};

/// How often the wish to stop, the medium and the address are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Serves until told to stop, which is how it is meant to end.
///
/// # Errors
/// Those of opening a store and of listening, [`ErrorKind::Gone`] when the media of all copies went away.
pub fn run(args: &BrowseArgs, context: &Context) -> Result<Outcome> {
    let medium = Medium::below(&context.store_path());
    let store = context.store()?;
    let identities = context.identities_for(&store)?;
    drop(store);
    let progress = context.start(Shape::Events)?;
    let now = context.clock.now();
    let request = ViewRequest { copies: context.copies()?.into_vec(), identities: &identities, snapshot: None, now };
    let view = View::open(request, &progress)?;
    let (disk, reader) = view.shared();
    let reading = Reading::sharing(disk, reader, &identities, now)?;
    let (clock, random) = (Arc::clone(&context.clock), Arc::new(OsRandom));
    let web = Web::start(WebOptions { view, reading, port: args.port, clock, random, bounds: Bounds::default() })
        .map_err(|error| refused(args.port, error))?;
    let mut url = tell(&web, context)?;
    if args.open
        && let Err(error) = open::that_detached(&url)
    {
        context.notices.line(&format!("chunkstore: no browser could be started ({error}): open the address above"));
    }
    // Where others are named too, those go on without the one that is pulled.
    let is_alone = args.copies.also.is_empty();
    let is_gone = || web.is_gone() || (is_alone && medium.is_gone());
    while !progress.cancelled() && !is_gone() {
        context.clock.sleep(LOOK_EVERY);
        let next = web.url();
        if next != url {
            context.output.text(format!("opened; for another browser, once: {next}"))?;
            context.output.json(&json!({"event": "opened", "url": next}))?;
            context.output.flush()?;
            url = next;
        }
    }
    let (requests, was_gone) = (web.requests(), is_gone());
    web.stop();
    progress.finish();
    if was_gone {
        return Err(Error::new(ErrorKind::Gone, "the medium went away while the store was browsed"));
    }
    context.output.event(&json!({"event": "done", "requests": requests}));
    Ok(Outcome::Done)
}

/// Says where it listens; returns the address that opens the page.
fn tell(web: &Web, context: &Context) -> Result<String> {
    let (url, dav_url, (user, password)) = (web.url(), web.dav_url(), web.dav_login());
    context.output.text(format!("in a browser, once: {url}"))?;
    context.output.text(format!("by WebDAV: {dav_url} (user {user}, password {password})"))?;
    context.output.text(format!("   or, without a password: {dav_url}{password}/"))?;
    context.output.text("read-only, for this machine alone; Ctrl-C ends it")?;
    context.output.json(&json!({
        "event": "listening",
        "address": web.address().to_string(),
        "url": url,
        "webdav_url": dav_url,
        "webdav_user": user,
        "webdav_password": password,
    }))?;
    context.output.flush()?;
    Ok(url)
}

fn refused(port: u16, error: io::Error) -> Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program has port {port} of 127.0.0.1: name another one, or none for a free one")
        }
        io::ErrorKind::PermissionDenied => format!("this user may not listen on port {port}: name one above 1023"),
        _ => format!("cannot listen on port {port} of 127.0.0.1"),
    };
    Error::with_source(ErrorKind::Other, what, error)
}
