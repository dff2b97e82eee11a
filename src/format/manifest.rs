//! A manifest: in clear, which packs make up a generation, as a base and changes to it; sealed, what only readers see.
//!
//! The clear part is a list of tagged sections. An even tag must be understood, an odd one may be ignored; files are
//! passed on as they are, so nothing is lost.

use super::codec::{Decoder, Encoder, FormatError};
use super::outer::{FileMagic, get_header, put_header};
use super::pointer::Class;
use crate::base::limits::{
    KEY_LIST_MAX_BYTES, MANIFEST_CHAIN_MAX, MANIFEST_MAX_BYTES, PACK_MAX_BYTES, RECIPE_MAX_BYTES, SMALL_FILE_MAX_BYTES,
};
use crate::base::{Epoch, FileHash, Generation, HeadHash, KeyListHash, ManifestHash, PackHash, RecipeHash};
use crate::base::{StoreId, Timestamp};

const WHOLE: &str = "a manifest";
/// Most HEAD hashes that one manifest lists.
pub const HEADS_MAX: usize = 4096;
/// Most shards of one epoch's key lists: 2 to this power.
pub const SHARD_BITS_MAX: u8 = 12;

const GENERATION: u16 = 2;
const BASE: u16 = 4;
const REMOVED: u16 = 6;
const ADDED: u16 = 8;
const CONDEMNED: u16 = 10;
const RECIPES: u16 = 12;
const HEADS: u16 = 14;
const KEY_LISTS: u16 = 16;
const SEALED: u16 = 18;
const FILES: u16 = 20;

/// The manifest that this one changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// How many manifests lie below this one, 1 to 15.
    pub depth: u32,
    /// The next one below, by hash.
    pub hash: ManifestHash,
    /// Its length in bytes.
    pub len_bytes: u64,
}

/// A pack as a manifest lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackRef {
    /// The hash of the file, and so its name.
    pub hash: PackHash,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// What it holds.
    pub class: Class,
    /// Which part of the archive it belongs to; 0 is for every key.
    pub set_label: u16,
}

/// A pack that nothing reaches any more and that is deleted after a grace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CondemnedPack {
    /// The hash of the file.
    pub hash: PackHash,
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Since when.
    pub since: Timestamp,
}

/// The recipe of a repacked pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipeRef {
    /// The pack that it rebuilds.
    pub pack: PackHash,
    /// The recipe file by hash.
    pub recipe: RecipeHash,
    /// Its length in bytes.
    pub len_bytes: u64,
}

/// What a small file that every replica carries is for. A kind that this version does not know is carried unread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKind(pub u16);

impl FileKind {
    /// A purge order.
    pub const ORDER: Self = Self(1);
    /// A receipt of a purge.
    pub const RECEIPT: Self = Self(2);
    /// The state of a replica.
    pub const REPLICA_STATE: Self = Self(3);
    /// A shard of the roster.
    pub const ROSTER: Self = Self(4);
}

/// A small immutable file that every replica carries and only its users read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileRef {
    /// What it is for.
    pub kind: FileKind,
    /// Its length in bytes, at most 1 MiB.
    pub len_bytes: u32,
    /// The hash of the file, and so its name.
    pub hash: FileHash,
}

/// The key lists of one epoch: 2^bits shards, a reader's being the top bits of its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyShards {
    /// The epoch.
    pub epoch: Epoch,
    /// Hash and length in bytes of each shard, in order; the count is a power of two.
    pub shards: Vec<(KeyListHash, u64)>,
}

/// A decoded manifest: this file alone, not the chain below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Bumped until the file's name is free.
    pub clash_counter: u32,
    /// The generation that it was made for.
    pub generation: Generation,
    /// What it changes; nothing for a full one.
    pub base: Option<Base>,
    /// Packs of the base that are gone, ascending.
    pub removed: Vec<PackHash>,
    /// Packs that are new, in the order they were written.
    pub added: Vec<PackRef>,
    /// All packs that wait for their end, complete in each manifest, ascending.
    pub condemned: Vec<CondemnedPack>,
    /// Recipes of added packs, ascending by pack.
    pub recipes: Vec<RecipeRef>,
    /// Earlier HEADs that the base does not list, ascending by generation.
    pub heads: Vec<(Generation, HeadHash)>,
    /// Key lists by epoch, ascending, complete in each manifest.
    pub key_lists: Vec<KeyShards>,
    /// Epoch and bytes of the sealed part.
    pub sealed: (Epoch, Vec<u8>),
    /// Small files that every replica carries, complete in each manifest, ascending by kind and hash.
    pub files: Vec<FileRef>,
}

impl Manifest {
    /// Writes the file.
    #[must_use]
    pub fn encode(&self, store: StoreId) -> Vec<u8> {
        let mut out = Encoder::new();
        put_header(&mut out, FileMagic::Manifest, store, self.clash_counter);
        section(&mut out, GENERATION, |body| body.u64(self.generation.0));
        section(&mut out, BASE, |body| {
            if let Some(base) = &self.base {
                body.u32(base.depth);
                body.raw(&base.hash.0);
                body.u64(base.len_bytes);
            }
        });
        section(&mut out, REMOVED, |body| self.removed.iter().for_each(|hash| body.raw(&hash.0)));
        section(&mut out, ADDED, |body| self.added.iter().for_each(|pack| put_pack(body, pack)));
        section(&mut out, CONDEMNED, |body| {
            for pack in &self.condemned {
                body.raw(&pack.hash.0);
                body.u64(pack.len_bytes);
                body.u64(pack.since.0 as u64);
            }
        });
        section(&mut out, RECIPES, |body| {
            for recipe in &self.recipes {
                body.raw(&recipe.pack.0);
                body.raw(&recipe.recipe.0);
                body.u64(recipe.len_bytes);
            }
        });
        section(&mut out, HEADS, |body| {
            for (generation, hash) in &self.heads {
                body.u64(generation.0);
                body.raw(&hash.0);
            }
        });
        section(&mut out, KEY_LISTS, |body| self.key_lists.iter().for_each(|lists| put_key_lists(body, lists)));
        section(&mut out, SEALED, |body| {
            body.u32(self.sealed.0.0);
            body.raw(&self.sealed.1);
        });
        section(&mut out, FILES, |body| self.files.iter().for_each(|file| put_file(body, file)));
        out.finish()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FormatError`].
    pub fn decode(bytes: &[u8], store: StoreId) -> Result<Self, FormatError> {
        if bytes.len() as u64 > MANIFEST_MAX_BYTES {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut input = Decoder::new(WHOLE, bytes);
        let clash_counter = get_header(&mut input, FileMagic::Manifest, store)?;
        let mut sections = Sections { input, last_tag: 0 };
        let mut generation = sections.take(GENERATION)?;
        let base = get_base(sections.take(BASE)?)?;
        let removed = get_items(sections.take(REMOVED)?, 32, |item| Ok(PackHash(item.array()?)))?;
        let added = get_items(sections.take(ADDED)?, 48, get_pack)?;
        let condemned = get_items(sections.take(CONDEMNED)?, 48, get_condemned)?;
        let recipes = get_items(sections.take(RECIPES)?, 72, get_recipe)?;
        let heads =
            get_items(sections.take(HEADS)?, 40, |item| Ok((Generation(item.u64()?), HeadHash(item.array()?))))?;
        let key_lists = get_key_lists(sections.take(KEY_LISTS)?)?;
        let mut sealed = sections.take(SEALED)?;
        let files = get_items(sections.take(FILES)?, 48, get_file)?;
        sections.end()?;
        let manifest = Self {
            clash_counter,
            generation: Generation(generation.u64()?),
            base,
            removed,
            added,
            condemned,
            recipes,
            heads,
            key_lists,
            sealed: (Epoch(sealed.u32()?), sealed.peek().to_vec()),
            files,
        };
        generation.end()?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), FormatError> {
        let ascending = self.removed.is_sorted_by(|a, b| a < b)
            && self.condemned.is_sorted_by(|a, b| a.hash < b.hash)
            && self.recipes.is_sorted_by(|a, b| a.pack < b.pack)
            && self.heads.is_sorted_by(|a, b| a.0 < b.0)
            && self.key_lists.is_sorted_by(|a, b| a.epoch < b.epoch)
            && self.files.is_sorted_by(|a, b| (a.kind, a.hash) < (b.kind, b.hash));
        if !ascending {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        let heads_fit = self.heads.len() <= HEADS_MAX && self.heads.iter().all(|(head, _)| *head < self.generation);
        let full_is_full = self.base.is_some() || self.removed.is_empty();
        if heads_fit && full_is_full { Ok(()) } else { Err(FormatError::Limit(WHOLE)) }
    }
}

fn section(out: &mut Encoder, tag: u16, fill: impl FnOnce(&mut Encoder)) {
    let mut body = Encoder::new();
    fill(&mut body);
    let body = body.finish();
    out.u16(tag);
    out.u16(0);
    // A manifest is at most 32 MiB, so every section's length fits.
    out.u32(body.len() as u32);
    out.raw(&body);
}

struct Sections<'a> {
    input: Decoder<'a>,
    last_tag: u16,
}

impl<'a> Sections<'a> {
    fn next(&mut self) -> Result<(u16, Decoder<'a>), FormatError> {
        let tag = self.input.u16()?;
        let reserved = self.input.u16()?;
        let len = self.input.u32()? as usize;
        if tag <= self.last_tag || reserved != 0 {
            return Err(FormatError::NotCanonical(WHOLE));
        }
        self.last_tag = tag;
        Ok((tag, Decoder::new(WHOLE, self.input.raw(len)?)))
    }

    /// Returns the section `tag`, passing over those that may be ignored.
    fn take(&mut self, tag: u16) -> Result<Decoder<'a>, FormatError> {
        loop {
            match self.next()? {
                (found, body) if found == tag => return Ok(body),
                (found, _) if found % 2 == 1 => {}
                (found, _) if found < tag => return Err(FormatError::TooNew(WHOLE)),
                _ => return Err(FormatError::Truncated(WHOLE)),
            }
        }
    }

    fn end(mut self) -> Result<(), FormatError> {
        while self.input.remaining() > 0 {
            if self.next()?.0 % 2 == 0 {
                return Err(FormatError::TooNew(WHOLE));
            }
        }
        Ok(())
    }
}

fn get_items<T>(
    mut body: Decoder<'_>,
    item_bytes: usize,
    get: impl Fn(&mut Decoder<'_>) -> Result<T, FormatError>,
) -> Result<Vec<T>, FormatError> {
    let mut items = Vec::with_capacity(body.remaining() / item_bytes);
    while body.remaining() > 0 {
        items.push(get(&mut body)?);
    }
    Ok(items)
}

fn get_base(mut body: Decoder<'_>) -> Result<Option<Base>, FormatError> {
    if body.remaining() == 0 {
        return Ok(None);
    }
    let base = Base { depth: body.u32()?, hash: ManifestHash(body.array()?), len_bytes: body.u64()? };
    body.end()?;
    let fits = (1..MANIFEST_CHAIN_MAX).contains(&base.depth) && base.len_bytes <= MANIFEST_MAX_BYTES;
    if fits { Ok(Some(base)) } else { Err(FormatError::Limit(WHOLE)) }
}

fn put_pack(out: &mut Encoder, pack: &PackRef) {
    out.raw(&pack.hash.0);
    out.u64(pack.len_bytes);
    out.u8(pack.class.byte());
    out.u8(0);
    out.u16(pack.set_label);
    out.u32(0);
}

fn get_pack(input: &mut Decoder<'_>) -> Result<PackRef, FormatError> {
    let hash = PackHash(input.array()?);
    let len_bytes = input.u64()?;
    let class = Class::from_byte(input.u8()?)?;
    let reserved = input.u8()?;
    let set_label = input.u16()?;
    let reserved = u32::from(reserved) | input.u32()?;
    if reserved != 0 {
        return Err(FormatError::NotCanonical(WHOLE));
    }
    if len_bytes > PACK_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(PackRef { hash, len_bytes, class, set_label })
}

fn get_condemned(input: &mut Decoder<'_>) -> Result<CondemnedPack, FormatError> {
    let (hash, len_bytes) = (PackHash(input.array()?), input.u64()?);
    if len_bytes > PACK_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(CondemnedPack { hash, len_bytes, since: Timestamp(input.u64()? as i64) })
}

fn get_recipe(input: &mut Decoder<'_>) -> Result<RecipeRef, FormatError> {
    let recipe =
        RecipeRef { pack: PackHash(input.array()?), recipe: RecipeHash(input.array()?), len_bytes: input.u64()? };
    if recipe.len_bytes <= RECIPE_MAX_BYTES { Ok(recipe) } else { Err(FormatError::Limit(WHOLE)) }
}

fn put_file(out: &mut Encoder, file: &FileRef) {
    out.u16(file.kind.0);
    out.u16(0);
    out.u32(file.len_bytes);
    out.raw(&file.hash.0);
    out.u64(0);
}

fn get_file(input: &mut Decoder<'_>) -> Result<FileRef, FormatError> {
    let kind = FileKind(input.u16()?);
    let reserved = input.u16()?;
    let (len_bytes, hash) = (input.u32()?, FileHash(input.array()?));
    if reserved != 0 || input.u64()? != 0 {
        return Err(FormatError::NotCanonical(WHOLE));
    }
    if u64::from(len_bytes) > SMALL_FILE_MAX_BYTES {
        return Err(FormatError::Limit(WHOLE));
    }
    Ok(FileRef { kind, len_bytes, hash })
}

fn put_key_lists(out: &mut Encoder, lists: &KeyShards) {
    out.u32(lists.epoch.0);
    out.u32(lists.shards.len() as u32);
    for (hash, len_bytes) in &lists.shards {
        out.raw(&hash.0);
        out.u64(*len_bytes);
    }
}

fn get_key_lists(mut body: Decoder<'_>) -> Result<Vec<KeyShards>, FormatError> {
    let mut lists = Vec::new();
    while body.remaining() > 0 {
        let epoch = Epoch(body.u32()?);
        let count = body.u32()?;
        if !count.is_power_of_two() || count > 1 << SHARD_BITS_MAX {
            return Err(FormatError::Limit(WHOLE));
        }
        let mut shards = Vec::new();
        for _ in 0..count {
            let shard = (KeyListHash(body.array()?), body.u64()?);
            if shard.1 > KEY_LIST_MAX_BYTES {
                return Err(FormatError::Limit(WHOLE));
            }
            shards.push(shard);
        }
        lists.push(KeyShards { epoch, shards });
    }
    Ok(lists)
}
