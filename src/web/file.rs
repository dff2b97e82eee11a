//! A file: its page with a preview, and its bytes, whole or a range.
//!
//! Its first piece is read before anything is said, so that damage there is an answer of its own. Damage further on breaks the answer
//! off short of the length that it announced.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;

use super::State;
use super::answer::{Answer, Refusal, query, read, tail};
use super::folder::{kind_of, title};
use super::html::{count, crumbs, escape, name, of_snapshot, time};
use super::kinds::{HEAD_BYTES, Kind};
use super::pipe::pipe;
use super::place::{Held, Place};
use crate::base::paths::drives_a_terminal;
use crate::base::units::show_size;
use crate::base::{EntryName, RelPath};
use crate::disk::folder::FileKind;
use crate::view::{Stat, ViewError};

/// Bytes that are read at a time: several pieces wait on their way to each client.
const PIECE_BYTES: usize = 256 << 10;
/// Bytes of a text on one page.
const TEXT_BYTES: usize = 128 << 10;
/// Longest picture that is shown unasked.
const IMAGE_MAX_BYTES: u64 = 64 << 20;
/// What the content of a file may do in a browser: nothing.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'";
/// The same for a type that a browser shows by a viewer of its own, which no sandbox lets in.
const NO_PAGE: &str = "default-src 'none'; style-src 'unsafe-inline'; object-src 'self'; frame-ancestors 'self'";

/// Makes the page of what is no folder.
pub fn page(state: &Arc<State>, place: &Place, held: &Held, uri: &Uri) -> Result<String, Refusal> {
    let (stat, own) = (&held.stat, place.path.names().last());
    let own = own.as_ref().map_or(&b""[..], EntryName::as_bytes);
    let (_, word) = kind_of(stat.kind);
    let mut facts = format!("<dt>Type</dt><dd>{word}</dd>");
    if stat.kind == FileKind::File {
        facts += &format!("<dt>Size</dt><dd>{} ({} bytes)</dd>", show_size(stat.len_bytes), count(stat.len_bytes));
    }
    facts += &format!("<dt>Changed</dt><dd>{} UTC</dd>", time(stat.meta.mtime_secs));
    facts += &format!("<dt>Mode</dt><dd>{:04o}</dd>", stat.meta.mode & 0o7777);
    if !stat.meta.user.is_empty() {
        facts += &format!("<dt>Owner</dt><dd>{}</dd>", name(stat.meta.user.as_ref()));
    }
    let shown = match stat.kind {
        FileKind::File => preview_of(state, place, stat, own, uri),
        FileKind::Symlink => {
            let target = state.view.readlink(stat.inode)?;
            let leads = match led_to(state, place, &target) {
                Some(path) => format!(
                    "<a class=\"entry\" href=\"{}\">{}</a>",
                    state.address("files", &state.snapshots[place.snapshot], &path),
                    name(&target)
                ),
                None => format!("{}, which is not in this snapshot", name(&target)),
            };
            format!("<p>Leads to {leads}.</p>")
        }
        _ => String::new(),
    };
    let snapshot = &state.snapshots[place.snapshot];
    let download = match stat.kind {
        FileKind::File => format!(
            "<p class=\"actions\"><a class=\"button\" href=\"{}\" download data-key=\"d\">Download</a></p>",
            state.address("download", snapshot, &place.path)
        ),
        _ => String::new(),
    };
    // Looked at last: the preview has just read some of it.
    let damage = state.view.reason(stat.inode).map_or_else(String::new, |reason| {
        format!(
            "<div class=\"notice\" role=\"alert\"><h2>This is damaged</h2><p>Not all of it reads from this copy of the store: {}. \
             A download breaks off there.</p></div>",
            escape(&reason)
        )
    });
    Ok(format!(
        "{}<h1>{}</h1>{}<dl class=\"facts\">{facts}</dl>{download}{damage}{shown}",
        crumbs(state, place),
        name(own),
        of_snapshot(state, place),
    ))
}

/// Returns where a link leads, as far as names tell, if something stands there, be it damaged.
fn led_to(state: &State, place: &Place, target: &[u8]) -> Option<RelPath> {
    let mut path = place.path.split_last().map(|(above, _)| above)?;
    if target.starts_with(b"/") {
        return None;
    }
    for part in target.split(|byte| *byte == b'/') {
        path = match part {
            b"" | b"." => path,
            b".." => path.split_last()?.0,
            part => path.join(&EntryName::new(part).ok()?).ok()?,
        };
    }
    match state.find(&Place { snapshot: place.snapshot, path: path.clone() }) {
        Err(ViewError::NoEntry | ViewError::NotADirectory) => None,
        _ => Some(path),
    }
}

fn preview_of(state: &Arc<State>, place: &Place, stat: &Stat, own: &[u8], uri: &Uri) -> String {
    let head = match state.view.read(stat.inode, 0, HEAD_BYTES) {
        Ok(head) => head,
        // The reason is remembered and stands on the page.
        Err(ViewError::Damaged(_)) => return String::new(),
        Err(error) => return format!("<p class=\"notice\">{}</p>", escape(&Refusal::from(error).reason)),
    };
    let address = state.address("preview", &state.snapshots[place.snapshot], &place.path);
    match Kind::of(own, &head) {
        Kind::Text => text_of(state, stat, uri),
        Kind::Image(_) if stat.len_bytes <= IMAGE_MAX_BYTES => format!(
            "<figure class=\"preview\"><a href=\"{address}\"><img src=\"{address}\" alt=\"{}\"></a></figure>",
            escape(&title(place))
        ),
        Kind::Pdf => format!(
            "<object class=\"preview\" type=\"application/pdf\" data=\"{address}\" aria-label=\"{}\">\
             <p>This browser shows no PDF here. <a href=\"{address}\">Open it by itself</a>, or download it.</p></object>",
            escape(&title(place))
        ),
        Kind::Image(_) | Kind::Other => "<p class=\"facts\">There is no preview of this.</p>".to_owned(),
    }
}

/// Shows a part of a text, from the query's `at` on.
fn text_of(state: &State, stat: &Stat, uri: &Uri) -> String {
    if stat.len_bytes == 0 {
        return "<p class=\"facts\">It is empty.</p>".to_owned();
    }
    let at = query(uri, "at").and_then(|at| at.parse::<u64>().ok()).unwrap_or(0);
    let Ok(bytes) = state.view.read(stat.inode, at, TEXT_BYTES) else { return String::new() };
    let mut bytes = &bytes[..];
    let is_last = at.saturating_add(bytes.len() as u64) >= stat.len_bytes;
    // A letter that is cut by the end of the part stands whole at the beginning of the next one.
    if !is_last && let Some(cut) = (1..=3).find(|back| bytes.iter().rev().nth(back - 1).is_some_and(|b| *b >= 0xc0)) {
        bytes = &bytes[..bytes.len() - cut];
    }
    let next = at.saturating_add(bytes.len() as u64);
    let mut text = String::with_capacity(bytes.len());
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '\n' | '\t' => text.push(c),
            '\r' => {}
            c if drives_a_terminal(c) => text += &format!("<span class=\"odd\">U+{:04X}</span>", u32::from(c)),
            c => text += &escape(c.encode_utf8(&mut [0; 4])),
        }
    }
    let step =
        |at: u64, key: &str, text: &str| format!("<a class=\"button\" href=\"?at={at}\" data-key=\"{key}\">{text}</a>");
    let before = if at > 0 { step(at.saturating_sub(TEXT_BYTES as u64), "p", "Before") } else { String::new() };
    let after = if is_last { String::new() } else { step(next, "n", "More") };
    let pager = if before.is_empty() && after.is_empty() {
        String::new()
    } else {
        format!(
            "<nav class=\"pager\" aria-label=\"Parts\">{before}<span>Bytes {} to {}</span>{after}</nav>",
            count(at),
            count(next)
        )
    };
    format!("{pager}<pre class=\"preview\" tabindex=\"0\"><bdi>{text}</bdi></pre>{pager}")
}

/// Sends a file to be kept.
pub async fn download(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let place = state.place(tail(request.uri()))?;
    send(&state, Target::At(place), Asked::of(&request), Use::Keep).await
}

/// Sends a file to be shown.
pub async fn preview(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    let place = state.place(tail(request.uri()))?;
    send(&state, Target::At(place), Asked::of(&request), Use::Show).await
}

/// What a client does with a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Saves it.
    Keep,
    /// Shows it, if that is safe.
    Show,
}

/// A file that is asked for.
pub enum Target {
    /// By its place.
    At(Place),
    /// Found already, with its name.
    Found(Held, Vec<u8>),
}

/// What a request says of which bytes it wants.
pub struct Asked {
    headers: HeaderMap,
    is_head: bool,
}

impl Asked {
    /// Takes it from a request.
    pub fn of(request: &Request) -> Self {
        Self { headers: request.headers().clone(), is_head: request.method() == Method::HEAD }
    }
}

/// Bytes of a file that are asked for: the first one and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    All,
    Range(u64, u64),
    /// None that the file has.
    Beyond,
}

/// Sends a file, or a range of it.
///
/// # Errors
/// Damage among them, where its first piece does not read.
pub async fn send(state: &Arc<State>, target: Target, asked: Asked, wish: Use) -> Answer {
    let Asked { headers, is_head } = asked;
    let found = read(state, move |state| {
        let (held, own) = match target {
            Target::At(place) => {
                let own = place.path.names().last().map(|name| name.as_bytes().to_vec()).unwrap_or_default();
                (state.find(&place)?, own)
            }
            Target::Found(held, own) => (held, own),
        };
        if held.stat.kind != FileKind::File {
            return Err(ViewError::NotAFile.into());
        }
        let (inode, len_bytes) = (held.stat.inode, held.stat.len_bytes);
        let wanted = wanted(&headers, &etag(&held.stat), len_bytes);
        let (from, most) = match wanted {
            Wanted::All => (0, len_bytes),
            Wanted::Range(from, most) => (from, most),
            Wanted::Beyond => (0, 0),
        };
        let kind = match wish {
            Use::Show => Kind::of(&own, &state.view.read(inode, 0, HEAD_BYTES)?),
            Use::Keep => Kind::Other,
        };
        let piece = if is_head { 0 } else { most.min(PIECE_BYTES as u64) as usize };
        let first = state.view.read(inode, from, piece)?;
        if first.len() < piece {
            return Err(Refusal::damaged("It is shorter than its folder says."));
        }
        Ok((held, own, wanted, kind, from, most, Bytes::copy_from_slice(&first)))
    });
    let (held, own, wanted, kind, from, most, first) = found.await?;
    let mut response = Response::new(Body::empty());
    describe(&mut response, &held.stat, &own, wanted, kind);
    if !is_head && wanted != Wanted::Beyond {
        *response.body_mut() = body(state, held, from, most, first);
    }
    Ok(response)
}

/// Puts the headers of a file on an answer.
fn describe(response: &mut Response, stat: &Stat, own: &[u8], wanted: Wanted, kind: Kind) {
    let len_bytes = stat.len_bytes;
    let range = match wanted {
        Wanted::All => None,
        Wanted::Range(from, most) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            Some(format!("bytes {from}-{}/{len_bytes}", from + most - 1))
        }
        Wanted::Beyond => {
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            Some(format!("bytes */{len_bytes}"))
        }
    };
    let body_bytes = match wanted {
        Wanted::All => len_bytes,
        Wanted::Range(_, most) => most,
        Wanted::Beyond => 0,
    };
    let disposition = if kind == Kind::Other { "attachment" } else { "inline" };
    let policy = if kind == Kind::Pdf { NO_PAGE } else { SANDBOX };
    let lines = [
        (header::CONTENT_TYPE, Some(kind.media_type().to_owned())),
        (header::CONTENT_LENGTH, Some(body_bytes.to_string())),
        (header::CONTENT_RANGE, range),
        (header::CONTENT_DISPOSITION, Some(named(disposition, own))),
        (header::CONTENT_SECURITY_POLICY, Some(policy.to_owned())),
        (header::ACCEPT_RANGES, Some("bytes".to_owned())),
        (header::ETAG, Some(etag(stat))),
        (header::LAST_MODIFIED, http_date(stat.meta.mtime_secs)),
    ];
    for (name, value) in lines {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Sends a stretch of a file, whose first piece was read, a piece at a time.
fn body(state: &Arc<State>, held: Held, from: u64, most: u64, first: Bytes) -> Body {
    let (feed, body) = pipe();
    let state = Arc::clone(state);
    tokio::spawn(async move {
        let (mut held, mut piece, mut at, end) = (held, first, from, from + most);
        loop {
            at += piece.len() as u64;
            if !piece.is_empty() && feed.send(piece).await.is_err() {
                return;
            }
            if at == end {
                return feed.end().await;
            }
            let next = read(&state, move |state| {
                let most = (end - at).min(PIECE_BYTES as u64) as usize;
                let bytes = state.view.read(held.stat.inode, at, most)?;
                Ok((held, Bytes::copy_from_slice(&bytes)))
            });
            // What does not read, or is shorter than it should be, breaks the answer off; the view remembers why.
            match next.await {
                Ok((back, bytes)) if !bytes.is_empty() => (held, piece) = (back, bytes),
                _ => return,
            }
        }
    });
    body
}

/// Reads which bytes are wanted. Several ranges at a time, or a range of another version, are answered with the whole.
fn wanted(headers: &HeaderMap, etag: &str, len_bytes: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_other = text(header::IF_RANGE).is_some_and(|version| version.trim() != etag);
    let Some(range) = text(header::RANGE).and_then(|range| range.trim().strip_prefix("bytes=")).filter(|_| !is_other)
    else {
        return Wanted::All;
    };
    let Some((first, last)) = range.split_once('-') else { return Wanted::All };
    let number =
        |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u64>().unwrap_or(u64::MAX));
    match (number(first.trim()), number(last.trim()), first.trim().is_empty(), last.trim().is_empty()) {
        // The last so many bytes.
        (_, Some(most), true, false) if most > 0 && len_bytes > 0 => {
            let most = most.min(len_bytes);
            Wanted::Range(len_bytes - most, most)
        }
        (_, Some(_), true, false) => Wanted::Beyond,
        (Some(from), Some(_), false, true) if from < len_bytes => Wanted::Range(from, len_bytes - from),
        (Some(from), Some(last), false, false) if from <= last && from < len_bytes => {
            Wanted::Range(from, last.min(len_bytes - 1) - from + 1)
        }
        (Some(from), Some(last), false, is_open) if is_open || from <= last => Wanted::Beyond,
        _ => Wanted::All,
    }
}

/// Names a version of a file: a number stands for one thing with one content.
pub fn etag(stat: &Stat) -> String {
    format!("\"{:x}-{:x}\"", stat.inode, stat.len_bytes)
}

/// Says what is to become of an answer, with a name that is good in any header (RFC 6266, RFC 8187).
pub fn named(disposition: &str, own: &[u8]) -> String {
    let clean = |c: char| drives_a_terminal(c) || matches!(c, '/' | '\\' | '\u{fffd}');
    let name: String = String::from_utf8_lossy(own).chars().map(|c| if clean(c) { '_' } else { c }).collect();
    let plain: String = name.chars().map(|c| if c.is_ascii() && !matches!(c, '"' | '%') { c } else { '_' }).collect();
    format!("{disposition}; filename=\"{plain}\"; filename*=UTF-8''{}", super::place::encode(name.as_bytes()))
}

/// Returns a time as HTTP writes it; nothing outside the years that it can say.
pub fn http_date(secs: i64) -> Option<String> {
    let time = jiff::Timestamp::from_second(secs).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
    (1970..=9999).contains(&time.year()).then(|| time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Returns the name that the last part of a place has as a file, `all-files` for the committed folder.
pub fn file_name(place: &Place) -> Vec<u8> {
    place.path.names().last().map_or_else(|| b"all-files".to_vec(), |name| name.as_bytes().to_vec())
}

#[cfg(test)]
mod tests;
