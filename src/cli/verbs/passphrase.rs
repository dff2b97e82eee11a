//! `key passphrase`: wraps this machine's key files anew.

use std::path::{Path, PathBuf};

use serde_json::json;
use zeroize::Zeroizing;

use crate::base::StoreId;
use crate::cli::context::Context;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::cli::passphrase::{Passphrases, first_line};
use crate::cli::settings::PassphraseSource;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::local_keys::{KeyDir, change_passphrase};

/// Changes the passphrase of every key file for the store.
///
/// # Errors
/// Those of the disk, and of passphrases that are wrong or that nobody answers for.
pub(super) fn run(new_file: Option<&Path>, none: bool, context: &Context) -> Result<Outcome> {
    let (_, store) = context.marked_disk()?;
    let files = key_files(store, context)?;
    if files.is_empty() {
        return Err(Error::new(ErrorKind::NoIdentity, "there is no key file for this store in --keys or --root-keys"));
    }
    let new = new_passphrase(new_file, none)?;
    let mut changed = Vec::new();
    for file in &files {
        let ask = |purpose: &str| context.passphrases.for_existing(purpose);
        if change_passphrase(file, &ask, new.as_deref().map(|new| new.as_str()))? {
            context.output.text(format!("changed  {}", shown(file)))?;
            changed.push(shown(file));
        }
    }
    if changed.is_empty() {
        context.output.text("every key file has that passphrase already")?;
    }
    context.output.json(&json!({"changed": changed, "files": files.len()}))?;
    Ok(Outcome::Done)
}

/// Lists the key files for a store in all folders that hold some.
fn key_files(store: StoreId, context: &Context) -> Result<Vec<PathBuf>> {
    let keys = KeyDir::new(context.settings.keys_dir()?, store);
    context.warn_of_open_files(&keys);
    let mut files = keys.files()?;
    for file in KeyDir::new(context.root_keys_dir()?, store).files()? {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    Ok(files)
}

fn new_passphrase(file: Option<&Path>, none: bool) -> Result<Option<Zeroizing<String>>> {
    if none {
        return Ok(None);
    }
    match file {
        Some(file) => {
            let new = first_line(file)?;
            if new.is_empty() {
                return Err(Error::new(
                    ErrorKind::Usage,
                    "the new passphrase is empty: --no-new-passphrase goes without",
                ));
            }
            Ok(Some(new))
        }
        None => Passphrases::new(PassphraseSource::Ask).for_new(),
    }
}
