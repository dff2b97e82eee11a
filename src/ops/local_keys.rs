//! The keys of this machine: `DIR/<store id>/{writer,reader,root}.key`, plain or wrapped under a passphrase.
//!
//! `reader.key` is an age identity file; the others are small text files. A folder may hold several roots: `root-*.key`. A key
//! file is never overwritten, but for the change of its passphrase or a rotation of what is in it. Secrets are wiped from memory
//! once they were used.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::base::{Generation, Random, StoreId};
use crate::crypto::Secret;
use crate::crypto::sign::SignKey;
use crate::crypto::wrap::{
    Identity, WrapError, is_wrapped_with_passphrase, unwrap_with_passphrase, wrap_with_passphrase,
};
use crate::disk::host::{is_open_to_others, list_host_dir, read_host_file, replace_host_file, write_host_file_new};
use crate::error::{Error, ErrorKind, Result};
use crate::format::keylist::KeyTag;
use crate::format::text::Lines;
use crate::format::trust::Trust;

const MAX_BYTES: u64 = 64 * 1024;
const WRITER_TITLE: &str = "chunkstore writer key";
const ROOT_TITLE: &str = "chunkstore root key";
/// Most root keys in one folder.
const ROOT_FILES_MAX: usize = 64;
/// Most identities that `writer.key` holds besides the first.
pub const MORE_IDENTITIES_MAX: usize = 15;

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
    /// More of them, from a purge that gives this machine new ones and has not ended: one of all opens it.
    pub more: Vec<Identity>,
    /// The generation that this purge makes: what does not open that one or a later one is worth nothing.
    pub rotating: Option<Generation>,
}

impl WriterKey {
    /// Draws a fresh key.
    #[must_use]
    pub fn generate(random: &dyn Random) -> Self {
        Self { sign: Secret::generate(random), identity: Identity::generate(), more: Vec::new(), rotating: None }
    }

    /// Returns what may open the writer's key file.
    #[must_use]
    pub fn identities(&self) -> Vec<Identity> {
        [&self.identity].into_iter().chain(&self.more).cloned().collect()
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
        let text = secret_text(&[WRITER_TITLE, "\nstore ", &self.store.to_string(), "\nsign-seed ", &seed]);
        let mut text = secret_text(&[&text, "\nidentity ", &identity, "\n"]);
        for more in &key.more {
            text = secret_text(&[&text, "next-identity ", &more.to_line(), "\n"]);
        }
        match key.rotating {
            Some(generation) => secret_text(&[&text, "rotating ", &generation.to_string(), "\n"]),
            None => text,
        }
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
        let (store, tag) = (self.store.to_string(), tag.to_string());
        let mut text = secret_text(&["# chunkstore reader of store ", &store, "\n# tag: ", &tag, "\n"]);
        for identity in identities {
            let (recipient, line) = (identity.recipient(), identity.to_line());
            text = secret_text(&[&text, "# public key: ", recipient.as_str(), "\n", &line, "\n"]);
        }
        self.replace("reader.key", &text, ask)
    }

    fn replace(&self, name: &str, text: &str, ask: AskPassphrase<'_>) -> Result<()> {
        let path = self.path(name);
        let before = read_host_file(&path, MAX_BYTES)?.map(Zeroizing::new);
        let is_wrapped = before.as_ref().is_some_and(|bytes| is_wrapped_with_passphrase(bytes).is_some());
        let passphrase = is_wrapped.then(|| ask(&format!("passphrase of {}", path.display()))).transpose()?;
        write_again(&path, text, passphrase.as_deref().map(String::as_str))
    }

    /// Writes `root.key`, likewise.
    ///
    /// # Errors
    /// As [`KeyDir::save_writer`].
    pub fn save_root(&self, seed: &Secret, passphrase: Option<&str>) -> Result<()> {
        self.save_root_as("root.key", seed, passphrase)
    }

    /// Writes a root key beside others that may stand there: as `root.key`, or else under the first digits of its public key.
    /// Returns its path.
    ///
    /// # Errors
    /// As [`KeyDir::save_writer`].
    pub fn save_another_root(&self, seed: &Secret, passphrase: Option<&str>) -> Result<PathBuf> {
        let is_first = read_host_file(&self.path("root.key"), MAX_BYTES)?.is_none();
        let digits = &SignKey::from_seed(seed).public().to_string()[..8];
        let name = if is_first { "root.key".to_owned() } else { format!("root-{digits}.key") };
        self.save_root_as(&name, seed, passphrase)?;
        Ok(self.path(&name))
    }

    fn save_root_as(&self, name: &str, seed: &Secret, passphrase: Option<&str>) -> Result<()> {
        let hex = Zeroizing::new(hex::encode(seed.expose()));
        let text = secret_text(&[ROOT_TITLE, "\nstore ", &self.store.to_string(), "\nsign-seed ", &hex, "\n"]);
        self.save(name, &text, passphrase)
    }

    /// Writes `reader.key`: an age identity file that says in comments which store it is for, and which key file if that is known.
    ///
    /// # Errors
    /// As [`KeyDir::save_writer`].
    pub fn save_reader(&self, identity: &Identity, tag: Option<KeyTag>, passphrase: Option<&str>) -> Result<()> {
        let (recipient, line, store) = (identity.recipient(), identity.to_line(), self.store);
        let tag = tag.map_or_else(String::new, |tag| format!("# tag: {tag}\n"));
        let about = format!("# chunkstore reader of store {store}\n{tag}# public key: {}\n", recipient.as_str());
        self.save("reader.key", &secret_text(&[&about, &line, "\n"]), passphrase)
    }

    /// Reads a key as the text that its file holds in clear; nothing where none stands. Of several root keys it is the one that
    /// `trust` lists.
    ///
    /// # Errors
    /// [`ErrorKind::NoIdentity`] for a wrong passphrase, [`ErrorKind::Usage`] where several root keys are meant.
    pub fn plain_text(
        &self,
        key: LocalKey,
        trust: &Trust,
        ask: AskPassphrase<'_>,
    ) -> Result<Option<Zeroizing<String>>> {
        if key != LocalKey::Root {
            return read_key_file(&self.path(key.file_name()), ask);
        }
        let files = self.root_files()?;
        if let [] | [_] = files[..] {
            return files.first().map_or(Ok(None), |name| read_key_file(&self.path(name), ask));
        }
        let mut listed = Vec::new();
        for name in &files {
            let Some(text) = read_key_file(&self.path(name), ask)? else { continue };
            if trust.roots.contains(&self.root_of(&text, &self.path(name))?.public()) {
                listed.push(text);
            }
        }
        if listed.len() < 2 {
            return Ok(listed.pop());
        }
        let text =
            format!("there are several root keys in {}: --root-keys has to name a folder of one", self.dir.display());
        Err(Error::new(ErrorKind::Usage, text))
    }

    /// Writes a key from a text in clear, as typed on any system, wrapped under a passphrase if there is one; returns where. A seed has no
    /// check digits, so it counts only if `trust` lists its key.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for a text that is of another store, damaged or mistyped, [`ErrorKind::Other`] when a file stands there
    /// already.
    pub fn import(&self, key: LocalKey, text: &str, trust: &Trust, passphrase: Option<&str>) -> Result<PathBuf> {
        let title = match key {
            LocalKey::Reader => None,
            LocalKey::Writer => Some(WRITER_TITLE),
            LocalKey::Root => Some(ROOT_TITLE),
        };
        let mut lines = Vec::new();
        text.lines().for_each(|line| lines.extend([line.trim_end(), "\n"]));
        let text = secret_text(&lines);
        if let Some(title) = title {
            let usage = |why: &str| Error::new(ErrorKind::Usage, format!("the {} key {why}", key.name()));
            let lines = Lines::parse("a key", title, text.as_bytes()).map_err(|_| usage("is damaged"))?;
            if lines.value::<StoreId>("store").map_err(|_| usage("does not name its store"))? != self.store {
                return Err(usage("is of another store"));
            }
            let seed = lines.one("sign-seed").map_err(|_| usage("lacks its seed"))?;
            let public = SignKey::from_seed(&seed_of(seed, Path::new("the text"))?).public();
            if !trust.is_writer(&public) && !trust.roots.contains(&public) {
                return Err(usage(
                    "is none that the store's trust lists: a digit may be mistyped, or the store be older than the key (sync it)",
                ));
            }
        }
        self.save(key.file_name(), &text, passphrase)?;
        Ok(self.path(key.file_name()))
    }

    fn save(&self, name: &str, text: &str, passphrase: Option<&str>) -> Result<()> {
        let path = self.path(name);
        let wrapped = passphrase.map(|passphrase| wrap_with_passphrase(passphrase, text.as_bytes())).transpose();
        let wrapped = wrapped.map_err(|error| wrap_error(&path, error))?;
        write_host_file_new(&path, wrapped.as_deref().unwrap_or(text.as_bytes()))
            .map_err(|error| Error::from(error).within("cannot write the key file"))
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
        let more = lines.all("next-identity", MORE_IDENTITIES_MAX).map_err(broken)?.into_iter();
        let more: Vec<_> = more.filter_map(|line| Identity::parse_file(line).ok()?.pop()).collect();
        let rotating = match lines.all("rotating", 1).map_err(broken)?.first() {
            Some(_) => Some(Generation(lines.value("rotating").map_err(broken)?)),
            None => None,
        };
        Ok(Some(WriterKey { sign, identity, more, rotating }))
    }

    /// Returns the names of root keys that stand here.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn root_files(&self) -> Result<Vec<String>> {
        let mut names = list_host_dir(&self.dir)?;
        names.retain(|name| name == "root.key" || (name.starts_with("root-") && name.ends_with(".key")));
        names.truncate(ROOT_FILES_MAX);
        Ok(names)
    }

    /// Reads every root key that stands here.
    ///
    /// # Errors
    /// As [`KeyDir::load_writer`].
    pub fn load_roots(&self, ask: AskPassphrase<'_>) -> Result<Vec<SignKey>> {
        let mut roots = Vec::new();
        for name in self.root_files()? {
            let path = self.path(&name);
            let Some(text) = read_key_file(&path, ask)? else { continue };
            roots.push(self.root_of(&text, &path)?);
        }
        Ok(roots)
    }

    fn root_of(&self, text: &str, path: &Path) -> Result<SignKey> {
        let broken = |_| Error::new(ErrorKind::NoIdentity, format!("{} is no root key", path.display()));
        let lines = Lines::parse("a root key", ROOT_TITLE, text.as_bytes()).map_err(broken)?;
        if lines.value::<StoreId>("store").map_err(broken)? != self.store {
            return Err(Error::new(ErrorKind::NoIdentity, format!("{} is of another store", path.display())));
        }
        Ok(SignKey::from_seed(&seed_of(lines.one("sign-seed").map_err(broken)?, path)?))
    }

    /// Returns the key files that stand here.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut names = list_host_dir(&self.dir)?;
        names.retain(|name| name.ends_with(".key"));
        Ok(names.iter().map(|name| self.path(name)).collect())
    }

    /// Returns those key files, and their folder, that other people on this machine may read.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open_to_others(&self) -> Result<Vec<PathBuf>> {
        let mut open = self.files()?;
        if !open.is_empty() {
            open.push(self.dir.clone());
        }
        open.retain(|path| is_open_to_others(path));
        Ok(open)
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

/// Wraps a key file under another passphrase, or none; one that opens with that one already stays as it is. Returns whether
/// it was written.
///
/// # Durability
/// The file opens with the new passphrase once this returns; after a cut within, with the old or the new one.
///
/// # Errors
/// [`ErrorKind::NoIdentity`] for a wrong passphrase, and those of the disk.
pub fn change_passphrase(path: &Path, ask: AskPassphrase<'_>, new: Option<&str>) -> Result<bool> {
    let Some(bytes) = read_host_file(path, MAX_BYTES)?.map(Zeroizing::new) else { return Ok(false) };
    let is_wrapped = is_wrapped_with_passphrase(&bytes) == Some(true);
    let is_done = match new {
        Some(new) => is_wrapped && unwrap_with_passphrase(new, &bytes, MAX_BYTES).is_ok(),
        None => !is_wrapped,
    };
    if is_done {
        return Ok(false);
    }
    let Some(text) = read_key_file(path, ask)? else { return Ok(false) };
    write_again(path, &text, new)?;
    Ok(true)
}

/// Writes a key file over the one that stands, wrapped under a passphrase if there is one.
fn write_again(path: &Path, text: &str, passphrase: Option<&str>) -> Result<()> {
    let wrapped = passphrase.map(|passphrase| wrap_with_passphrase(passphrase, text.as_bytes())).transpose();
    let wrapped = wrapped.map_err(|error| wrap_error(path, error))?;
    replace_host_file(path, wrapped.as_deref().unwrap_or(text.as_bytes()), 0o600)
        .map_err(|error| Error::from(error).within(format!("cannot write the key file {}", path.display())))
}

/// Puts texts together without leaving any of them behind: a text that grows moves.
fn secret_text(parts: &[&str]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
    parts.iter().for_each(|part| text.push_str(part));
    text
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
