//! `serve`: the small FTP server over a folder, until Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::base::Monitor;
use crate::cli::args::ServeArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::cli::passphrase::first_line;
use crate::disk::served::ServedDir;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::url::Credentials;
use crate::serve::{Faults, ServeOptions, Server};

/// How often the wish to stop is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Serves until told to stop, which is how it is meant to end.
///
/// # Errors
/// [`ErrorKind::Usage`] for an address that is none, and those of listening.
pub fn run(args: &ServeArgs, context: &Context) -> Result<Outcome> {
    let Ok(listen) = args.listen.parse() else {
        let wrong = format!("--listen takes an address and a port such as 127.0.0.1:2121, not {:?}", args.listen);
        return Err(Error::new(ErrorKind::Usage, wrong));
    };
    let dir = ServedDir::open_root(&args.dir)?;
    let options =
        ServeOptions { listen, login: login(args)?, allow_upload: args.allow_upload, ..ServeOptions::default() };
    let progress = context.start(Shape::Events)?;
    let server = Server::start(dir, options, Faults::none(), Arc::clone(&context.clock))
        .map_err(|error| Error::with_source(ErrorKind::Other, format!("cannot listen on {}", args.listen), error))?;
    let address = server.addr().to_string();
    context.output.text(format!("serving {} at ftp://{address}/", shown(&args.dir)))?;
    context.output.json(&json!({"event": "listening", "address": address, "url": format!("ftp://{address}/")}))?;
    context.output.flush()?;
    while !progress.cancelled() {
        context.clock.sleep(LOOK_EVERY);
    }
    let counts = server.counts();
    server.shutdown();
    context.output.event(&json!({
        "event": "done",
        "connections": counts.connections,
        "sent_bytes": counts.sent_bytes,
        "received_bytes": counts.received_bytes,
    }));
    Ok(Outcome::Done)
}

fn login(args: &ServeArgs) -> Result<Option<Credentials>> {
    match (&args.user, &args.password_file) {
        (Some(user), Some(file)) => Ok(Some(Credentials::new(user, &first_line(file)?))),
        _ => Ok(None),
    }
}
