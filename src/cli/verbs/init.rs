//! `init`: asks for a new passphrase, makes the store, and shows the fingerprint.

use serde_json::json;

use crate::cli::args::InitArgs;
use crate::cli::context::{Context, Shape};
use crate::cli::environment::absolute;
use crate::cli::outcome::Outcome;
use crate::cli::output::shown;
use crate::crypto::wrap::Recipient;
use crate::disk::OsDisk;
use crate::error::{Error, ErrorKind, Result};
use crate::ops::init::{InitRequest, Initialised, init};

/// Makes a store.
///
/// # Errors
/// Those of the op.
pub fn run(args: &InitArgs, context: &Context) -> Result<Outcome> {
    let readers = args.reader.iter().map(|text| recipient(text)).collect::<Result<_>>()?;
    let keys = context.settings.keys_dir()?;
    let root_keys = context.settings.root_keys.as_deref().unwrap_or(keys);
    let passphrase = context.passphrases.for_new()?;
    let path = absolute(&args.path);
    let disk = OsDisk::create(&path)?;
    let progress = context.start(Shape::Document)?;
    let request = InitRequest {
        readers,
        keys,
        root_keys,
        passphrase: passphrase.as_deref().map(|passphrase| passphrase.as_str()),
    };
    let made = init(&disk, &request, context.run(&progress))
        .map_err(|error| error.within(format!("cannot make a store at {}", shown(&path))))?;
    if root_keys == keys {
        context.notices.line(
            "chunkstore: root.key lies beside the keys of every day: move it to a safe place, or use --root-keys DIR",
        );
    }
    show(&made, &shown(&path), context)
}

fn recipient(text: &str) -> Result<Recipient> {
    let wrong =
        |error| Error::with_source(ErrorKind::Usage, format!("--reader takes an age recipient, not {text:?}"), error);
    Recipient::parse(text).map_err(wrong)
}

fn show(made: &Initialised, path: &str, context: &Context) -> Result<Outcome> {
    let output = &context.output;
    output.field("store", path)?;
    output.field("store id", made.store.to_string())?;
    output.field("fingerprint", &made.fingerprint)?;
    for (number, tag) in made.tags.iter().enumerate() {
        output.field(if number == 0 { "own reader" } else { "reader" }, tag.to_string())?;
    }
    let tags: Vec<_> = made.tags.iter().map(ToString::to_string).collect();
    output.json(&json!({
        "store_id": made.store.to_string(),
        "fingerprint": made.fingerprint,
        "generation": 1,
        "reader_tags": tags,
    }))?;
    Ok(Outcome::Done)
}
