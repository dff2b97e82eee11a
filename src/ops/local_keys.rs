//! The keys of this machine: `DIR/<store id>/{writer,reader,root}.key`, plain or wrapped under a passphrase.
//!
//! `reader.key` is an age identity file; the others are small text files. A key file is never overwritten but by a rotation of
//! what is in it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::base::{Random, StoreId};
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::crypto::wrap::{
    Identity, WrapError, is_wrapped_with_passphrase, unwrap_with_passphrase, wrap_with_passphrase,
};
use crate::disk::host::{read_host_file, replace_host_file, write_host_file_new};
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::KeyTag;
use crate::format::text::Lines;

const MAX_BYTES: u64 = 64 * 1024;
const WRITER_TITLE: &str = "chunkstore writer key";
const ROOT_TITLE: &str = "chunkstore root key";

/// Asks for a passphrase when a key file needs one; the text says what for.
pub type AskPassphrase<'a> = &'a dyn Fn(&str) -> Result<Zeroizing<String>>;

/// One of a machine's keys for a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalKey {
    /// An age identity that opens the store for reading.
    Reader,
    /// What commits to it.
    Writer,
    /// What changes who is trusted.
    Root,
}

impl LocalKey {
    /// Returns what people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Root => "root",
        }
    }

    /// Returns the name of its file.
    #[must_use]
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Reader => "reader.key",
            Self::Writer => "writer.key",
            Self::Root => "root.key",
        }
    }

    /// Returns which key a text in clear looks like; nothing for any other text.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        if text.starts_with(WRITER_TITLE) {
            return Some(Self::Writer);
        }
        if text.starts_with(ROOT_TITLE) {
            return Some(Self::Root);
        }
        Identity::parse_file(text).is_ok().then_some(Self::Reader)
    }
}

/// What a writer holds on its machine.
#[derive(Clone)]
pub struct WriterKey {
    /// Signs HEAD.
    pub sign: Secret,
    /// Opens the writer's key file.
    pub identity: Identity,
    /// Opens it once a rotation is through that is on its way.
    pub next: Option<Identity>,
}

impl WriterKey {
    /// Draws a fresh key.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self { sign: Secret::generate(random), identity: Identity::generate(), next: None }
    }

    /// Returns what may open the writer's key file.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        [Some(&self.identity), self.next.as_ref()].into_iter().flatten().cloned().collect()
    }

    /// Returns the signing key.
    #[must_use]
    pub fn signer(&self) -> SignKey {
        SignKey::from_seed(&self.sign)
    }
}

/// The folder where one store's keys live on this machine.
pub struct KeyDir {
    dir: PathBuf,
    store: StoreId,
}

impl KeyDir {
    /// Names the folder of a store's keys below `keys`.
    #[must_use]
    pub fn new(keys: &Path, store: StoreId) -> Self {
        Self { dir: keys.join(store.to_string()), store }
    }

    /// Returns the path of one key file.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes `writer.key`, wrapped under a passphrase if there is one.
    ///
    /// # Errors
    /// [`ErrorKind::Other`] when a file stands there already.
    pub fn save_writer(&self, key: &WriterKey, passphrase: Option<&str>) -> Result<()> {
        self.save("writer.key", &self.writer_text(key), passphrase)
    }

    fn writer_text(&self, key: &WriterKey) -> Zeroizing<String> {
        let seed = Zeroizing::new(hex::encode(key.sign.expose()));
        let identity = key.identity.to_line();
        let next = key.next.as_ref().map(|next| Zeroizing::new(format!("next-identity {}\n", *next.to_line())));
        let next = next.as_deref().map_or("", String::as_str);
        let text = format!("{WRITER_TITLE}\nstore {}\nsign-seed {}\nidentity {}\n{next}", self.store, *seed, *identity);
        Zeroizing::new(text)
    }

    /// Writes `writer.key` anew, under the passphrase that it has.
    ///
    /// # Durability
    /// The new file stands once this returns; after a cut within, the old or the new one.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn replace_writer(&self, key: &WriterKey, ask: AskPassphrase<'_>) -> Result<()> {
        self.replace("writer.key", &self.writer_text(key), ask)
    }

    /// Writes `reader.key` anew, under the passphrase that it has, with one identity or more.
    ///
    /// # Durability
    /// As [`KeyDir::replace_writer`].
    ///
    /// # Errors
    /// Those of the disk.
    pub fn replace_reader(&self, identities: &[Identity], tag: KeyTag, ask: AskPassphrase<'_>) -> Result<()> {
        let mut text = Zeroizing::new(format!("# chunkstore reader of store {}\n# tag: {tag}\n", self.store));
        for identity in identities {
            text.push_str(&format!("# public key: {}\n", identity.recipient().as_str()));
            text.push_str(&identity.to_line());
            text.push('\n');
        }
        self.replace("reader.key", &text, ask)
    }

    fn replace(&self, name: &str, text: &str, ask: AskPassphrase<'_>) -> Result<()> {
        let path = self.path(name);
        let before = read_host_file(&path, MAX_BYTES)?.map(Zeroizing::new);
        let is_wrapped = before.as_ref().is_some_and(|bytes| is_wrapped_with_passphrase(bytes).is_some());
        let passphrase = is_wrapped.then(|| ask(&format!("passphrase of {}", path.display()))).transpose()?;
        let wrapped = passphrase.map(|passphrase| wrap_with_passphrase(&passphrase, text.as_bytes())).transpose();
        let wrapped = wrapped.map_err(|error| wrap_error(&path, error))?;
        replace_host_file(&path, wrapped.as_deref().unwrap_or(text.as_bytes()), 0o600)
            .map_err(|error| Error::from(error).within(format!("cannot write the key file {}", path.display())))
    }

    /// Writes `root.key`, likewise.
    ///
    /// # Errors
    /// As [`KeyDir::save_writer`].
    pub fn save_root(&self, seed: &Secret, passphrase: Option<&str>) -> Result<()> {
        let hex = Zeroizing::new(hex::encode(seed.expose()));
        let text = format!("{ROOT_TITLE}\nstore {}\nsign-seed {}\n", self.store, *hex);
        self.save("root.key", &Zeroizing::new(text), passphrase)
    }

    /// Writes `reader.key`: an age identity file that says in comments which store and key file it is for.
    ///
    /// # Errors
    /// As [`KeyDir::save_writer`].
    pub fn save_reader(&self, identity: &Identity, tag: KeyTag, passphrase: Option<&str>) -> Result<()> {
        let recipient = identity.recipient();
        let line = identity.to_line();
        let text = format!(
            "# chunkstore reader of store {}\n# tag: {tag}\n# public key: {}\n{}\n",
            self.store,
            recipient.as_str(),
            *line
        );
        self.save("reader.key", &Zeroizing::new(text), passphrase)
    }

    /// Reads a key as the text that its file holds in clear; nothing where none stands.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] for a wrong passphrase.
    pub fn plain_text(&self, key: LocalKey, ask: AskPassphrase<'_>) -> Result<Option<Zeroizing<String>>> {
        read_key_file(&self.path(key.file_name()), ask)
    }

    /// Writes a key from a text in clear, wrapped under a passphrase if there is one; returns where.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a text that is of another store or damaged, [`ErrorKind::Other`] when a file stands there already.
    pub fn import(&self, key: LocalKey, text: &str, passphrase: Option<&str>) -> Result<PathBuf> {
        let title = match key {
            LocalKey::Reader => None,
            LocalKey::Writer => Some(WRITER_TITLE),
            LocalKey::Root => Some(ROOT_TITLE),
        };
        let text = Zeroizing::new(format!("{text}\n"));
        if let Some(title) = title {
            let usage = |why: &str| Error::new(ErrorKind::Usage, format!("the {} key {why}", key.name()));
            let lines = Lines::parse("a key", title, text.as_bytes()).map_err(|_| usage("is damaged"))?;
            if lines.value::<StoreId>("store").map_err(|_| usage("does not name its store"))? != self.store {
                return Err(usage("is of another store"));
            }
            seed_of(lines.one("sign-seed").map_err(|_| usage("lacks its seed"))?, Path::new("the text"))?;
        }
        self.save(key.file_name(), &text, passphrase)?;
        Ok(self.path(key.file_name()))
    }

    fn save(&self, name: &str, text: &str, passphrase: Option<&str>) -> Result<()> {
        let path = self.path(name);
        let wrapped = passphrase.map(|passphrase| wrap_with_passphrase(passphrase, text.as_bytes())).transpose();
        let wrapped = wrapped.map_err(|error| wrap_error(&path, error))?;
        write_host_file_new(&path, wrapped.as_deref().unwrap_or(text.as_bytes()))
            .map_err(|error| Error::from(error).within(format!("cannot write the key file {}", path.display())))
    }

    /// Reads `writer.key`; nothing where none stands.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] for a wrong passphrase or another store's key.
    pub fn load_writer(&self, ask: AskPassphrase<'_>) -> Result<Option<WriterKey>> {
        let path = self.path("writer.key");
        let Some(text) = read_key_file(&path, ask)? else { return Ok(None) };
        let broken = |_| Error::new(ErrorKind::NoIdentity, format!("{} is no writer's key", path.display()));
        let lines = Lines::parse("a writer's key", WRITER_TITLE, text.as_bytes()).map_err(broken)?;
        if lines.value::<StoreId>("store").map_err(broken)? != self.store {
            return Err(Error::new(ErrorKind::NoIdentity, format!("{} is of another store", path.display())));
        }
        let sign = seed_of(lines.one("sign-seed").map_err(broken)?, &path)?;
        let identities = Identity::parse_file(lines.one("identity").map_err(broken)?);
        let identity = identities.ok().and_then(|mut all| all.pop());
        let identity =
            identity.ok_or_else(|| Error::new(ErrorKind::NoIdentity, "a writer's key without an identity"))?;
        let next = lines.all("next-identity", 1).map_err(broken)?.into_iter().next();
        let next = next.and_then(|line| Identity::parse_file(line).ok()).and_then(|mut all| all.pop());
        Ok(Some(WriterKey { sign, identity, next }))
    }

    /// Reads `reader.key`; nothing where none stands.
    ///
    /// # Errors
    /// As [`KeyDir::load_writer`].
    pub fn load_reader(&self, ask: AskPassphrase<'_>) -> Result<Vec<Identity>> {
        match read_key_file(&self.path("reader.key"), ask)? {
            Some(text) => parse_identities(&text, &self.path("reader.key")),
            None => Ok(Vec::new()),
        }
    }
}

/// Reads an age identity file that a person named, plain or under a passphrase.
///
/// # Errors
/// [`ErrorKind::NoIdentity`] when there is none, it holds none, or the passphrase is wrong.
pub fn load_identity_file(path: &Path, ask: AskPassphrase<'_>) -> Result<Vec<Identity>> {
    let text = read_key_file(path, ask)?;
    let text = text.ok_or_else(|| Error::new(ErrorKind::NoIdentity, format!("there is no {}", path.display())))?;
    parse_identities(&text, path)
}

fn parse_identities(text: &str, path: &Path) -> Result<Vec<Identity>> {
    Identity::parse_file(text).map_err(|error| wrap_error(path, error))
}

fn read_key_file(path: &Path, ask: AskPassphrase<'_>) -> Result<Option<Zeroizing<String>>> {
    let Some(bytes) = read_host_file(path, MAX_BYTES)?.map(Zeroizing::new) else { return Ok(None) };
    let plain = match is_wrapped_with_passphrase(&bytes) {
        Some(true) => {
            let passphrase = ask(&format!("passphrase of {}", path.display()))?;
            unwrap_with_passphrase(&passphrase, &bytes, MAX_BYTES).map_err(|error| wrap_error(path, error))?
        }
        Some(false) => return Err(wrap_error(path, WrapError::NoMatch)),
        None => bytes,
    };
    let text = std::str::from_utf8(&plain).map_err(|_| wrap_error(path, WrapError::Damaged))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

fn wrap_error(path: &Path, error: WrapError) -> Error {
    Error::with_source(ErrorKind::NoIdentity, format!("cannot use the key file {}", path.display()), error)
}

fn seed_of(text: &str, path: &Path) -> Result<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, &mut bytes[..]).map_err(|_| wrap_error(path, WrapError::Damaged))?;
    Ok(Secret::from_bytes(*bytes))
}
