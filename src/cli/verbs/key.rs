//! `key rotate`, `key export` and `key import`.

use serde_json::json;
use zeroize::Zeroizing;

use super::passphrase;
use super::reader::show_rotated;
use crate::cli::args::readers::{KeyArgs, KeyVerb, LocalKeyName};
use crate::cli::context::{Context, Shape};
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::cli::paper::qr_code;
use crate::disk::host::read_host_file;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::local_keys::{KeyDir, LocalKey};
use crate::ops::readers::rotate;
use crate::store::Store;

/// Longest text that a key is taken from.
const TEXT_MAX_BYTES: u64 = 64 * 1024;

/// Begins an epoch, or carries keys to paper and back.
///
/// # Errors
/// Those of the op.
pub fn run(args: &KeyArgs, context: &Context) -> Result<Outcome> {
    match &args.verb {
        KeyVerb::Rotate => run_rotate(context),
        KeyVerb::Export { which, .. } => run_export(*which, context),
        KeyVerb::Import { file } => run_import(file, context),
        KeyVerb::Passphrase { new_passphrase_file, no_new_passphrase } => {
            passphrase::run(new_passphrase_file.as_deref(), *no_new_passphrase, context)
        }
    }
}

fn run_rotate(context: &Context) -> Result<Outcome> {
    let (disk, store) = context.marked_disk()?;
    let writer = context.writer_key(store)?;
    let progress = context.start(Shape::Document)?;
    let done = rotate(&disk, &writer, context.settings.cache.as_deref(), context.run(&progress));
    progress.finish();
    show_rotated(&done.map_err(|error| error.within("cannot begin an epoch"))?, context)?;
    Ok(Outcome::Done)
}

fn run_export(which: LocalKeyName, context: &Context) -> Result<Outcome> {
    let store = context.store()?;
    let (key, dir) = place(which, &store, context)?;
    let trust = &store.trust().newest().trust;
    let text = dir.plain_text(key, trust, &|purpose| context.passphrases.for_existing(purpose))?;
    let none = || {
        let file = dir.path(key.file_name());
        Error::new(ErrorKind::NoIdentity, format!("there is no {} key for this store at {}", key.name(), shown(&file)))
    };
    let text = text.ok_or_else(none)?;
    let (name, id, fingerprint) = (key.name(), store.id(), store.trust().fingerprint());
    let output = &context.output;
    let code = qr_code(&text)?;
    output.text(format!("chunkstore {name} key of store {id}"))?;
    output.text(format!("fingerprint {fingerprint}, made {}", context.clock.now()))?;
    output
        .text("Whoever has this page has the key. Typed into a file, or scanned, `key import FILE` takes it back.\n")?;
    output.text("-----8<-----")?;
    output.text(text.trim_end())?;
    output.text("-----8<-----\n")?;
    output.text(code.as_str())?;
    output.json(&json!({
        "store_id": id.to_string(),
        "fingerprint": fingerprint,
        "key": name,
        "text": text.as_str(),
    }))?;
    Ok(Outcome::Done)
}

fn run_import(file: &std::path::Path, context: &Context) -> Result<Outcome> {
    let unusable = |why: &str| Error::new(ErrorKind::Usage, format!("cannot take a key from {}: {why}", shown(file)));
    let bytes = read_host_file(file, TEXT_MAX_BYTES)?.ok_or_else(|| unusable("there is no such file"))?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is no text"))?;
    // Of a whole page the key alone.
    let text = text.split("-----8<-----").nth(1).unwrap_or(text).trim_start_matches('\u{feff}').trim();
    let key = LocalKey::of_text(text).ok_or_else(|| unusable("it holds no key of this program"))?;
    let which = match key {
        LocalKey::Reader => LocalKeyName::Reader,
        LocalKey::Writer => LocalKeyName::Writer,
        LocalKey::Root => LocalKeyName::Root,
    };
    let store = context.store()?;
    let (_, dir) = place(which, &store, context)?;
    let passphrase = context.passphrases.for_new()?;
    let trust = &store.trust().newest().trust;
    let path = dir.import(key, text, trust, passphrase.as_deref().map(String::as_str))?;
    context.output.field(&format!("{} key", key.name()), shown(&path))?;
    context.output.json(&json!({"store_id": store.id().to_string(), "key": key.name(), "path": shown(&path)}))?;
    Ok(Outcome::Done)
}

/// Returns which key is meant and the folder where it lives.
fn place(which: LocalKeyName, store: &Store, context: &Context) -> Result<(LocalKey, KeyDir)> {
    let keys = context.settings.keys_dir()?;
    let (key, dir) = match which {
        LocalKeyName::Reader => (LocalKey::Reader, keys),
        LocalKeyName::Writer => (LocalKey::Writer, keys),
        LocalKeyName::Root => (LocalKey::Root, context.settings.root_keys.as_deref().unwrap_or(keys)),
    };
    Ok((key, KeyDir::new(dir, store.id())))
}
