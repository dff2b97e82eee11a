//! Manifests: the chain of the shown state, one file in full, and what else lies beside them.

use std::collections::HashMap;
use std::io;

use chunkstore::base::limits::{MANIFEST_CHAIN_MAX, MANIFEST_MAX_BYTES};
use chunkstore::base::{ManifestHash, PackHash, StoreId, StorePath};
use chunkstore::disk::{Disk, read_all};
use chunkstore::format::keylist::{KeyList, KeyRole};
use chunkstore::format::manifest::{Manifest, PackRef};
use chunkstore::format::outer::FileMagic;
use chunkstore::format::recipe::Recipe;
use chunkstore::store::layout;

use crate::packs::class_name;
use crate::shown::{Screen, Shown};
use crate::view::View;
use crate::{ITEMS_MAX, why};

/// One manifest of a chain.
pub struct Link {
    /// Its hash, as whatever names it has it.
    pub hash: ManifestHash,
    /// Its length in bytes, likewise.
    pub listed_len_bytes: u64,
    /// What it says, if it decodes.
    pub manifest: Option<Manifest>,
    /// What is wrong with it.
    pub wrong: Vec<String>,
}

/// Reads a chain as far down as it goes, past files that are not what their hash says.
#[must_use]
pub fn read_chain(disk: &dyn Disk, store: StoreId, hash: ManifestHash, len_bytes: u64) -> Vec<Link> {
    let mut chain = Vec::new();
    let mut next = Some((hash, len_bytes));
    while let Some((hash, len_bytes)) = next.filter(|_| chain.len() < MANIFEST_CHAIN_MAX as usize) {
        let link = read_link(disk, store, hash, len_bytes);
        next = link.manifest.as_ref().and_then(|manifest| manifest.base).map(|base| (base.hash, base.len_bytes));
        chain.push(link);
    }
    chain
}

fn read_link(disk: &dyn Disk, store: StoreId, hash: ManifestHash, listed_len_bytes: u64) -> Link {
    let mut link = Link { hash, listed_len_bytes, manifest: None, wrong: Vec::new() };
    let gap = "; what lies below it in the chain is not known";
    let bytes = match read_all(disk, &layout::manifest(&hash), MANIFEST_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            link.wrong.push(format!("it is missing{gap}"));
            return link;
        }
        Err(error) => {
            link.wrong.push(format!("{}{gap}", why(error)));
            return link;
        }
    };
    if bytes.len() as u64 != listed_len_bytes {
        link.wrong.push(format!("{} bytes stand here, {listed_len_bytes} are listed", bytes.len()));
    }
    if *blake3::hash(&bytes).as_bytes() != hash.0 {
        link.wrong.push("its bytes are not what its hash says".to_owned());
    }
    match Manifest::decode(&bytes, store) {
        Ok(manifest) => link.manifest = Some(manifest),
        Err(error) => link.wrong.push(format!("{error}{gap}")),
    }
    link
}

/// Returns the packs that a chain names, as far as it reads, in the order they were written.
#[must_use]
pub fn packs_of(chain: &[Link]) -> Vec<PackRef> {
    let mut places: HashMap<PackHash, usize> = HashMap::new();
    let mut packs: Vec<Option<PackRef>> = Vec::new();
    for manifest in chain.iter().rev().filter_map(|link| link.manifest.as_ref()) {
        for hash in &manifest.removed {
            if let Some(place) = places.remove(hash) {
                packs[place] = None;
            }
        }
        for pack in &manifest.added {
            places.entry(pack.hash).or_insert_with(|| {
                packs.push(Some(*pack));
                packs.len() - 1
            });
        }
    }
    packs.into_iter().flatten().collect()
}

/// Shows the chain of the shown state, then the files beside it.
///
/// # Errors
/// Those of the sink.
pub fn show_chain(view: &View, screen: &mut Screen<'_>) -> io::Result<()> {
    for link in &view.chain {
        let shown = Shown::new("manifest")
            .with_text("hash", link.hash)
            .with_text("file", layout::manifest(&link.hash))
            .with("len_bytes", link.listed_len_bytes);
        let shown = match &link.manifest {
            Some(manifest) => describe(manifest, shown),
            None => shown,
        };
        screen.show(&shown.but_all(link.wrong.iter().cloned()))?;
    }
    show_beside(view, screen)
}

fn describe(manifest: &Manifest, shown: Shown) -> Shown {
    let lists: Vec<String> = manifest
        .key_lists
        .iter()
        .flat_map(|lists| lists.shards.iter().map(|(hash, _)| format!("{}:{hash}", lists.epoch)))
        .collect();
    shown
        .with("generation", manifest.generation.0)
        .with("depth", manifest.base.map_or(0, |base| base.depth))
        .with("base", manifest.base.map(|base| base.hash.to_string()))
        .with("removed", manifest.removed.len())
        .with("added", manifest.added.len())
        .with("condemned", manifest.condemned.len())
        .with("recipes", manifest.recipes.len())
        .with("heads", manifest.heads.len())
        .with("key_lists", lists)
        .with("sealed_epoch", manifest.sealed.0.0)
        .with("sealed_len_bytes", manifest.sealed.1.len())
        .with("files", manifest.files.len())
}

/// Shows the files of `manifests/` that are no part of the chain: key lists, recipes, older manifests, foreign ones.
fn show_beside(view: &View, screen: &mut Screen<'_>) -> io::Result<()> {
    let listed = match view.disk.list(&layout::manifests()) {
        Ok(listed) => listed,
        Err(error) => return screen.show(&Shown::new("file").with("file", "manifests").but(why(error))),
    };
    let chain: Vec<StorePath> = view.chain.iter().map(|link| layout::manifest(&link.hash)).collect();
    let beside = listed.iter().filter_map(|(name, _)| StorePath::new(&format!("manifests/{name}")).ok());
    for path in beside.filter(|path| !chain.contains(path)).take(ITEMS_MAX) {
        screen.show(&read_file(view, &path).0)?;
    }
    Ok(())
}

/// What a file of `manifests/` is.
enum Content {
    Manifest(Box<Manifest>),
    KeyList(KeyList),
    Recipe(Recipe),
    Unknown,
}

/// Reads a file of `manifests/`, whatever it is.
fn read_file(view: &View, path: &StorePath) -> (Shown, Content) {
    let shown = Shown::new("file").with_text("file", path);
    let bytes = match read_all(view.disk.as_ref(), path, MANIFEST_MAX_BYTES) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return (shown.but("it is missing"), Content::Unknown),
        Err(error) => return (shown.but(why(error)), Content::Unknown),
    };
    let hash = ManifestHash(*blake3::hash(&bytes).as_bytes());
    let mut shown = shown.with("len_bytes", bytes.len()).with_text("hash", hash);
    if layout::manifest(&hash) != *path {
        shown = shown.but("its bytes are not what its name says");
    }
    let magic = bytes.get(..8).unwrap_or_default();
    let is = |kind: FileMagic| magic == kind.bytes();
    let decoded = if is(FileMagic::Manifest) {
        shown = shown.with("kind", "manifest");
        Manifest::decode(&bytes, view.store).map(|manifest| Content::Manifest(Box::new(manifest)))
    } else if is(FileMagic::KeyList) {
        shown = shown.with("kind", "key-list");
        KeyList::decode(&bytes, view.store).map(Content::KeyList)
    } else if is(FileMagic::Recipe) {
        shown = shown.with("kind", "recipe");
        Recipe::decode(&bytes, view.store).map(Content::Recipe)
    } else {
        shown = shown.with("kind", "carried");
        Ok(Content::Unknown)
    };
    match decoded {
        Ok(content @ Content::Manifest(_)) => {
            let Content::Manifest(manifest) = &content else { return (shown, content) };
            (describe(manifest, shown), content)
        }
        Ok(content) => (shown, content),
        Err(error) => (shown.but(error.to_string()), Content::Unknown),
    }
}

/// Shows the file of a hash (or of the beginning of one) with everything that it lists; tells whether there is one.
///
/// # Errors
/// Those of the sink.
pub fn show_one(view: &View, wanted: &str, screen: &mut Screen<'_>) -> io::Result<bool> {
    let digits: String = wanted.to_ascii_uppercase().chars().filter(|c| *c != '.').take(11).collect();
    let listed = view.disk.list(&layout::manifests()).unwrap_or_default();
    let fits = |name: &str| name.replace('.', "").starts_with(&digits);
    let mut found = false;
    for (name, _) in listed.iter().filter(|(name, _)| fits(name)) {
        let Ok(path) = StorePath::new(&format!("manifests/{name}")) else { continue };
        let (shown, content) = read_file(view, &path);
        screen.show(&shown)?;
        show_content(&content, screen)?;
        found = true;
    }
    Ok(found)
}

fn show_content(content: &Content, screen: &mut Screen<'_>) -> io::Result<()> {
    match content {
        Content::Manifest(manifest) => show_sections(manifest, screen),
        Content::KeyList(list) => list.entries.iter().try_for_each(|entry| {
            let role = if entry.role == KeyRole::Reader { "reader" } else { "writer" };
            let shown = Shown::new("key").with_text("tag", entry.tag).with("epoch", list.epoch.0).with("role", role);
            screen.show(&shown.with("len_bytes", entry.len_bytes).with("hash", hex::encode(entry.hash)))
        }),
        Content::Recipe(recipe) => screen.show(
            &Shown::new("recipe")
                .with_text("pack", recipe.pack)
                .with("len_bytes", recipe.pack_len_bytes)
                .with("sources", recipe.sources.len())
                .with("steps", recipe.steps.len()),
        ),
        Content::Unknown => Ok(()),
    }
}

fn show_sections(manifest: &Manifest, screen: &mut Screen<'_>) -> io::Result<()> {
    for hash in &manifest.removed {
        screen.show(&Shown::new("removed").with_text("pack", hash))?;
    }
    for pack in &manifest.added {
        let class = class_name(pack.class);
        screen.show(
            &Shown::new("added").with_text("pack", pack.hash).with("len_bytes", pack.len_bytes).with("class", class),
        )?;
    }
    for pack in &manifest.condemned {
        screen.show(&Shown::new("condemned").with_text("pack", pack.hash).with_text("since", pack.since))?;
    }
    for recipe in &manifest.recipes {
        screen.show(&Shown::new("recipe").with_text("pack", recipe.pack).with_text("recipe", recipe.recipe))?;
    }
    for (generation, hash) in &manifest.heads {
        screen.show(&Shown::new("earlier head").with("generation", generation.0).with_text("hash", hash))?;
    }
    for file in &manifest.files {
        screen.show(
            &Shown::new("carried")
                .with_text("hash", file.hash)
                .with("kind", file.kind.0)
                .with("len_bytes", file.len_bytes),
        )?;
    }
    Ok(())
}
