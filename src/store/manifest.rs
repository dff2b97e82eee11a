//! A chain of manifests read into one set of packs, and the next manifest made from it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::error::StoreError;
use super::layout;
use super::near::read_known;
use crate::base::limits::MANIFEST_CHAIN_MAX;
use crate::base::{Epoch, Generation, HeadHash, ManifestHash, PackHash, StoreId};
use crate::disk::Disk;
use crate::format::manifest::{Base, CondemnedPack, FileRef, HEADS_MAX, KeyShards, Manifest, PackRef, RecipeRef};

/// Gets the bytes of a manifest by its hash and length.
pub type ReadManifest<'a> = &'a mut dyn FnMut(&ManifestHash, u64) -> Result<Vec<u8>, StoreError>;

/// What a generation consists of: the outcome of its whole chain of manifests.
#[derive(Debug, Clone)]
pub struct PackSet {
    /// The manifest that HEAD names.
    pub top: Manifest,
    /// Hash and length of every manifest of the chain, the one that HEAD names first.
    pub chain: Vec<(ManifestHash, u64)>,
    /// Earlier HEADs by generation, as far back as they are listed.
    pub heads: BTreeMap<Generation, HeadHash>,
    /// Recipes of packs that the set still holds or that wait for their end, ascending by pack; of two for one pack the
    /// later. Those of condemned packs lead from older packs to what was made of them since.
    pub recipes: Vec<RecipeRef>,
    packs: Vec<PackRef>,
    places: HashMap<PackHash, usize>,
}

impl PackSet {
    /// Reads a chain from wherever `read` gets files; each is checked against its hash and length here.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] for a wrong hash, a chain that is too long, or changes that do not fit; whatever `read` returns.
    pub fn load(
        store: StoreId,
        hash: ManifestHash,
        len_bytes: u64,
        read: ReadManifest<'_>,
    ) -> Result<Self, StoreError> {
        let mut manifests: Vec<Manifest> = Vec::new();
        let mut chain = Vec::new();
        let mut next = Some(Base { depth: MANIFEST_CHAIN_MAX, hash, len_bytes });
        while let Some(base) = next {
            let bytes = read(&base.hash, base.len_bytes)?;
            let what = format!("manifest {}", layout::manifest(&base.hash));
            if bytes.len() as u64 != base.len_bytes || *blake3::hash(&bytes).as_bytes() != base.hash.0 {
                return Err(StoreError::damaged(what));
            }
            let manifest = Manifest::decode(&bytes, store).map_err(|error| StoreError::format(&what, error))?;
            // Depths fall by one at each step, so a chain ends after 16 files whatever they say.
            let deeper = manifest.base.filter(|_| base.depth > 1);
            let expected = chain.is_empty() || manifest.base.map_or(0, |b| b.depth) + 1 == base.depth;
            if !expected || (manifest.base.is_some() && deeper.is_none()) {
                return Err(StoreError::damaged(what));
            }
            chain.push((base.hash, base.len_bytes));
            next = deeper;
            manifests.push(manifest);
        }
        Self::fold(manifests, chain)
    }

    fn fold(manifests: Vec<Manifest>, chain: Vec<(ManifestHash, u64)>) -> Result<Self, StoreError> {
        let mut packs: BTreeMap<usize, PackRef> = BTreeMap::new();
        let mut places: HashMap<PackHash, usize> = HashMap::new();
        let mut heads = BTreeMap::new();
        let mut recipes: BTreeMap<PackHash, RecipeRef> = BTreeMap::new();
        let mut written = 0;
        let misfit = || StoreError::damaged("the chain of manifests");
        for manifest in manifests.iter().rev() {
            for hash in &manifest.removed {
                let place = places.remove(hash).ok_or_else(misfit)?;
                packs.remove(&place);
            }
            for pack in &manifest.added {
                if places.insert(pack.hash, written).is_some() {
                    return Err(misfit());
                }
                packs.insert(written, *pack);
                written += 1;
            }
            heads.extend(manifest.heads.iter().copied());
            recipes.extend(manifest.recipes.iter().map(|recipe| (recipe.pack, *recipe)));
        }
        let top = manifests.into_iter().next().ok_or_else(misfit)?;
        let packs: Vec<_> = packs.into_values().collect();
        let places: HashMap<_, _> = packs.iter().enumerate().map(|(at, pack)| (pack.hash, at)).collect();
        let is_kept =
            |recipe: &RecipeRef| places.contains_key(&recipe.pack) || is_condemned(&top.condemned, &recipe.pack);
        let recipes = recipes.into_values().filter(is_kept).collect();
        Ok(Self { top, chain, heads, recipes, packs, places })
    }

    /// Reads the chain that a disk holds.
    ///
    /// # Errors
    /// As [`PackSet::load`]; [`StoreError::Corrupt`] when a file is missing.
    pub fn load_from_disk(
        disk: &dyn Disk,
        store: StoreId,
        hash: ManifestHash,
        len_bytes: u64,
    ) -> Result<Self, StoreError> {
        Self::load(store, hash, len_bytes, &mut |hash, len_bytes| {
            let path = layout::manifest(hash);
            match read_known(disk, &path, &hash.0, len_bytes) {
                Ok(Some(bytes)) => Ok(bytes),
                Ok(None) => Err(StoreError::damaged(format!("manifest {path}"))),
                Err(error) => Err(StoreError::unread(format!("manifest {path}"), error)),
            }
        })
    }

    /// Returns all packs in the order they were written.
    #[must_use]
    pub fn packs(&self) -> &[PackRef] {
        &self.packs
    }

    /// Returns a pack by its hash.
    #[must_use]
    pub fn pack(&self, hash: &PackHash) -> Option<&PackRef> {
        self.places.get(hash).map(|&place| &self.packs[place])
    }

    /// Returns a pack that waits for its end by its hash.
    #[must_use]
    pub fn condemned(&self, hash: &PackHash) -> Option<&CondemnedPack> {
        let condemned = &self.top.condemned;
        condemned.binary_search_by_key(hash, |condemned| condemned.hash).ok().map(|place| &condemned[place])
    }

    /// Returns the recipe that is listed of a pack.
    #[must_use]
    pub fn recipe(&self, hash: &PackHash) -> Option<&RecipeRef> {
        self.recipes.binary_search_by_key(hash, |recipe| recipe.pack).ok().map(|place| &self.recipes[place])
    }

    /// Returns the bytes of all packs together.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.len_bytes).sum()
    }
}

/// Returns whether a pack waits for its end; `condemned` ascends.
#[must_use]
pub fn is_condemned(condemned: &[CondemnedPack], pack: &PackHash) -> bool {
    condemned.binary_search_by_key(pack, |condemned| condemned.hash).is_ok()
}

/// What the next generation changes.
pub struct Change {
    /// The generation that it will be.
    pub generation: Generation,
    /// The HEAD that it follows; none for the first.
    pub previous: Option<(Generation, HeadHash)>,
    /// New packs in the order they were written.
    pub added: Vec<PackRef>,
    /// Packs that are gone.
    pub removed: Vec<PackHash>,
    /// All packs that wait for their end.
    pub condemned: Vec<CondemnedPack>,
    /// Recipes of added packs.
    pub recipes: Vec<RecipeRef>,
    /// Key lists by epoch.
    pub key_lists: Vec<KeyShards>,
    /// Carried files, ascending by kind and hash.
    pub files: Vec<FileRef>,
    /// It is to say everything itself.
    pub is_full: bool,
    /// Epoch and bytes of the sealed part.
    pub sealed: (Epoch, Vec<u8>),
}

/// Makes the manifest of the next generation: the changes alone, or all packs once the chain is long or its changes
/// outweigh half of a full one, or where that is asked for.
#[must_use]
pub fn next_manifest(current: Option<&PackSet>, change: Change) -> Manifest {
    let mut manifest = Manifest {
        clash_counter: 0,
        generation: change.generation,
        base: None,
        removed: change.removed,
        added: change.added,
        condemned: change.condemned,
        recipes: change.recipes,
        heads: change.previous.into_iter().collect(),
        key_lists: change.key_lists,
        sealed: change.sealed,
        files: change.files,
    };
    manifest.removed.sort_unstable();
    manifest.recipes.sort_unstable_by_key(|recipe| recipe.pack);
    // A commit may make a pack again that was dropped, since equal objects make equal packs.
    let added: HashSet<PackHash> = manifest.added.iter().map(|pack| pack.hash).collect();
    manifest.condemned.retain(|condemned| !added.contains(&condemned.hash));
    manifest.condemned.sort_unstable_by_key(|condemned| condemned.hash);
    let Some(current) = current else { return manifest };
    let depth = current.top.base.map_or(0, |base| base.depth) + 1;
    let chain_changes: u64 = current.chain.iter().take(depth as usize - 1).map(|(_, len)| len).sum();
    let changes = chain_changes + 48 * (manifest.added.len() + manifest.removed.len()) as u64;
    if !change.is_full && depth < MANIFEST_CHAIN_MAX && changes <= 4096 + 24 * current.packs.len() as u64 {
        manifest.base = Some(Base { depth, hash: current.chain[0].0, len_bytes: current.chain[0].1 });
        return manifest;
    }
    make_full(&mut manifest, current, change.is_full);
    manifest
}

/// Turns the changes to a state into all of the next one; where it is to lean on nothing older, recipes of packs that go are left
/// out.
fn make_full(manifest: &mut Manifest, current: &PackSet, leans_on_nothing: bool) {
    let is_removed = |pack: &PackHash| manifest.removed.binary_search(pack).is_ok();
    let mut all: Vec<_> = current.packs.iter().filter(|pack| !is_removed(&pack.hash)).copied().collect();
    let mut recipes: BTreeMap<PackHash, RecipeRef> = BTreeMap::new();
    let is_kept = |pack: &PackHash| match current.pack(pack) {
        Some(_) if !is_removed(pack) => true,
        _ => !leans_on_nothing && is_condemned(&manifest.condemned, pack),
    };
    recipes.extend(current.recipes.iter().filter(|old| is_kept(&old.pack)).map(|recipe| (recipe.pack, *recipe)));
    recipes.extend(manifest.recipes.iter().map(|recipe| (recipe.pack, *recipe)));
    all.append(&mut manifest.added);
    manifest.added = all;
    manifest.recipes = recipes.into_values().collect();
    manifest.removed.clear();
    let mut heads = current.heads.clone();
    heads.extend(manifest.heads.iter().copied());
    let surplus = heads.len().saturating_sub(HEADS_MAX / 4);
    manifest.heads = heads.into_iter().skip(surplus).collect();
}

#[cfg(test)]
mod tests;
