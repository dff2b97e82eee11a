//! `remote add` and `remote list`: the names in the configuration. Passwords are taken, never shown.

use serde_json::json;

use crate::cli::args::{RemoteArgs, RemoteVerb};
use crate::cli::config::{NewRemote, add_remote};
use crate::cli::context::Context;
use crate::cli::environment::absolute;
use crate::cli::outcome::Outcome;
use crate::cli::output::on_one_line;
use crate::cli::remotes::UNDERSTOOD;
use crate::error::{Error, ErrorKind, Result};
use crate::remote::http::HttpUrl;
use crate::remote::url::{FtpUrl, Password};

/// Names or lists remotes.
///
/// # Errors
/// [`ErrorKind::Usage`] for a name or address that cannot be used, and those of the disk.
pub fn run(args: &RemoteArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        RemoteVerb::Add { name, url, user } => add(name, url, user.as_deref(), context),
        RemoteVerb::List => list(context),
    }
}

/// An address without its login, and the login.
struct Place {
    url: String,
    user: Option<String>,
    password: Option<Password>,
}

fn add(name: &str, url: &str, user: Option<&str>, context: &Context) -> Result<Outcome> {
    let none = || Error::new(ErrorKind::Usage, "there is no configuration folder here");
    let file = context.settings.config_file.as_deref().ok_or_else(none)?;
    let place = place_of(url)?;
    let user = user.or(place.user.as_deref());
    add_remote(file, &NewRemote { name, url: &place.url, user, password: place.password.as_ref() })?;
    context.output.text(format!("{name}  {}", on_one_line(&place.url)))?;
    context.output.json(&json!({"name": name, "url": place.url, "user": user}))?;
    Ok(Outcome::Done)
}

fn place_of(text: &str) -> Result<Place> {
    if FtpUrl::is_ftp(text) {
        let parsed = FtpUrl::parse(text)
            .map_err(|error| Error::with_source(ErrorKind::Usage, "cannot understand the remote's address", error))?;
        return Ok(Place { url: parsed.to_string(), user: parsed.user, password: parsed.password });
    }
    if HttpUrl::is_http(text) {
        let parsed = HttpUrl::parse(text)
            .map_err(|error| Error::with_source(ErrorKind::Usage, "cannot understand the remote's address", error))?;
        return Ok(Place { url: parsed.to_string(), user: None, password: None });
    }
    if let Some((scheme, _)) = text.split_once("://") {
        let what = format!("cannot use {}:// as a remote: {UNDERSTOOD}", on_one_line(scheme));
        return Err(Error::new(ErrorKind::Usage, what));
    }
    let path = absolute(text.as_ref()).into_os_string().into_string();
    let url = path.map_err(|_| Error::new(ErrorKind::Usage, "a remote's path has to be UTF-8"))?;
    Ok(Place { url, user: None, password: None })
}

fn list(context: &Context) -> Result<Outcome> {
    let mut entries = Vec::new();
    for (name, entry) in &context.settings.config.remotes {
        // A person may have put a login into the address by hand.
        let url = match FtpUrl::parse(&entry.url) {
            Ok(url) => url.to_string(),
            Err(_) if HttpUrl::parse(&entry.url).is_ok() => entry.url.clone(),
            Err(_) if entry.url.contains("://") => "(an address that cannot be used)".to_owned(),
            Err(_) => entry.url.clone(),
        };
        context.output.text(format!("{name}  {}", on_one_line(&url)))?;
        entries.push(json!({"name": name, "url": url, "user": entry.user}));
    }
    context.output.json(&json!({"remotes": entries}))?;
    Ok(Outcome::Done)
}
