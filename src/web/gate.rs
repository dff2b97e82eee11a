//! The gate that every request passes, the way in, and the page's own files.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::State;
use super::answer::{Answer, Refusal};
use super::guard::Guard;
use super::html::{Page, html};

/// What a page may do: run the one script, look as the one sheet says, and ask this server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; frame-src 'self'; \
                      object-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Headers of every answer, beside the policy.
const HEADERS: [(HeaderName, &str); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    // What was read with a key is not to lie about on the disk of the machine.
    (header::CACHE_CONTROL, "no-store"),
];

/// Lets a request through that may come in, and puts on every answer what keeps browsers careful.
pub async fn pass(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    state.requests.fetch_add(1, Ordering::Relaxed);
    let headers = request.headers().clone();
    let mut shown_to = Some(state.as_ref()).filter(|state| state.guard.knows(&headers));
    let mut response = match check(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            shown_to = None;
            refusal.into_response()
        }
    };
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        let status_headers = std::mem::take(response.headers_mut());
        response = refusal.shown(&headers, shown_to);
        response.headers_mut().extend(status_headers);
    }
    let given = response.headers_mut();
    for (name, value) in HEADERS {
        given.insert(name, HeaderValue::from_static(value));
    }
    given.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    response
}

fn check(state: &State, request: &Request) -> Result<(), Refusal> {
    let (headers, path) = (request.headers(), request.uri().path());
    if !state.guard.is_host(headers) {
        let reason = "This server answers to the address that chunkstore printed, and to no other name.";
        return Err(Refusal::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", "Not this server", reason));
    }
    let is_of = |word: &str| path.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if is_of("/dav") {
        // Its own way in; and no page of another site may use it.
        return if state.guard.is_foreign(headers) { Err(foreign()) } else { Ok(()) };
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(only_reading());
    }
    let is_open = is_of("/open") || ["/page.css", "/page.js", "/icon.svg"].contains(&path);
    if is_open && goes_there(headers) {
        return Ok(());
    }
    if state.guard.is_foreign(headers) {
        return Err(foreign());
    }
    if is_open || state.guard.knows(headers) {
        return Ok(());
    }
    let reason = "This browser has not been let in, or was let in by an earlier run. Open the address that chunkstore printed last.";
    Err(Refusal::new(StatusCode::UNAUTHORIZED, "no-session", "Not let in yet", reason))
}

/// Returns whether a person goes to an address, from wherever.
fn goes_there(headers: &HeaderMap) -> bool {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|value| value == wanted);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document") && !headers.contains_key(header::ORIGIN)
}

fn foreign() -> Refusal {
    let reason = "Another site had your browser ask for this. Nothing was shown to it.";
    Refusal::new(StatusCode::FORBIDDEN, "foreign-site", "Asked by another site", reason)
}

fn only_reading() -> Refusal {
    let reason = "A store is only read here.";
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "read-only", "Read-only", reason)
}

/// Exchanges the token of an address for a session.
pub async fn open(Shared(state): Shared<Arc<State>>, request: Request) -> Answer {
    if Guard::is_guess(request.headers()) || request.method() != Method::GET {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Not before somebody goes there", ""));
    }
    let Some(cookie) = state.guard.open(request.uri().path().strip_prefix("/open/").unwrap_or_default()) else {
        let reason = "An address lets in once, and this one was used or never printed. chunkstore prints the next one when one is used.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "used-up", "This address does not let in", reason));
    };
    // A page of this server goes on, since a redirect after a link from elsewhere would not carry the cookie.
    let (before, after) = Page::new("chunkstore").around();
    let home = state.guard.home();
    let going_on = format!("<meta http-equiv=\"refresh\" content=\"0;url={home}\"></head>");
    let before = before.replacen("</head>", &going_on, 1);
    let main = format!("<p><a href=\"{home}\">To the store</a></p>");
    let mut response = html([before, main, after].concat());
    let cookie = HeaderValue::try_from(cookie).map_err(|_| Refusal::nothing())?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

/// How pages look.
pub async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/page.css")).into_response()
}

/// What keys do.
pub async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/page.js")).into_response()
}

/// The sign in the browser's tab.
pub async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("assets/icon.svg")).into_response()
}

/// An address that is none.
pub async fn nothing() -> Refusal {
    Refusal::nothing()
}

/// Another method than reading.
pub async fn not_allowed() -> Refusal {
    only_reading()
}
