//! Passphrases: from a file, from the person at the terminal, or none. Asked at most once a run, never shown.

use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::output::shown;
use super::settings::PassphraseSource;
use crate::disk::host::read_host_file;
use crate::error::{Error, ErrorKind, Result};

const FILE_MAX_BYTES: u64 = 64 * 1024;

/// Asks the person at the terminal a question whose answer is not shown.
type AskPerson = fn(&str) -> std::io::Result<String>;

/// Answers for passphrases.
pub struct Passphrases {
    source: PassphraseSource,
    known: Mutex<Option<Zeroizing<String>>>,
    ask: AskPerson,
}

impl Passphrases {
    /// Takes them from `source`.
    #[must_use]
    pub fn new(source: PassphraseSource) -> Self {
        Self { source, known: Mutex::new(None), ask: |prompt| rpassword::prompt_password(prompt) }
    }

    /// Returns the passphrase of a key file; `purpose` says of which.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when nobody can be asked, [`ErrorKind::NoIdentity`] when there is said to be none.
    pub fn for_existing(&self, purpose: &str) -> Result<Zeroizing<String>> {
        self.once(|| match &self.source {
            PassphraseSource::None => {
                Err(Error::new(ErrorKind::NoIdentity, format!("--no-passphrase, but there is a {purpose}")))
            }
            _ => self.answer(purpose),
        })
    }

    /// Returns the passphrase for new key files, typed twice; nothing for `--no-passphrase`.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when nobody can be asked, nothing was typed, or two different ones were.
    pub fn for_new(&self) -> Result<Option<Zeroizing<String>>> {
        if self.source == PassphraseSource::None {
            return Ok(None);
        }
        let passphrase = self.once(|| {
            let first = self.answer("new passphrase of the key files")?;
            if self.source == PassphraseSource::Ask && *self.answer("the same again")? != *first {
                return Err(Error::new(ErrorKind::Usage, "the two passphrases differ"));
            }
            Ok(first)
        })?;
        Ok(Some(passphrase))
    }

    /// Returns the passphrase of somebody else's key, typed twice; asked for anew each time.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when nobody can be asked, nothing was typed, or two different ones were.
    pub fn for_another(&self, purpose: &str) -> Result<Zeroizing<String>> {
        let ask = |prompt: &str| {
            let answer = (self.ask)(&format!("{prompt}: "));
            let failed = |error| Error::with_source(ErrorKind::Usage, format!("cannot ask for the {purpose}"), error);
            answer.map(Zeroizing::new).map_err(failed)
        };
        let first = ask(purpose)?;
        if *ask("the same again")? == *first {
            Ok(first)
        } else {
            Err(Error::new(ErrorKind::Usage, "the two passphrases differ"))
        }
    }

    fn once(&self, make: impl FnOnce() -> Result<Zeroizing<String>>) -> Result<Zeroizing<String>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = known.as_ref() {
            return Ok(passphrase.clone());
        }
        let passphrase = make()?;
        Ok(known.insert(passphrase).clone())
    }

    fn answer(&self, purpose: &str) -> Result<Zeroizing<String>> {
        let passphrase = match &self.source {
            PassphraseSource::File(file) => first_line(file)?,
            PassphraseSource::Ask => Zeroizing::new((self.ask)(&format!("{purpose}: ")).map_err(|error| {
                Error::with_source(ErrorKind::Usage, "cannot ask for the passphrase: use --passphrase-file", error)
            })?),
            PassphraseSource::Nobody | PassphraseSource::None => {
                let why = format!("cannot ask for the {purpose} without a terminal: --passphrase-file FILE answers it");
                let why = if purpose.starts_with("new") { why + ", --no-passphrase goes without" } else { why };
                return Err(Error::new(ErrorKind::Usage, why));
            }
        };
        if passphrase.is_empty() {
            return Err(Error::new(ErrorKind::Usage, "the passphrase is empty: --no-passphrase goes without"));
        }
        Ok(passphrase)
    }
}

/// Returns the first line of a file that holds a secret.
///
/// # Errors
/// [`ErrorKind::Usage`] when there is no such file or it is no text.
pub fn first_line(file: &std::path::Path) -> Result<Zeroizing<String>> {
    let unusable =
        |why: &str| Error::new(ErrorKind::Usage, format!("cannot take a secret from {}: {why}", shown(file)));
    let bytes = Zeroizing::new(read_host_file(file, FILE_MAX_BYTES)?.ok_or_else(|| unusable("there is no such file"))?);
    let line = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|_| unusable("its first line is no UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
