//! What each record names: packs, manifests and what lies beside them, key files; and which records pin it.
//!
//! Deletion spares what the last two valid records and `pending` name. Everything else that stands is an orphan, or belongs to a
//! record that is older, or not known because something on the way does not read; the three are told apart.
//!
//! Memory: about 200 bytes a pack, and one chain of manifests at a time.

use std::collections::{BTreeMap, HashMap, HashSet};

use chunkstore::base::{Generation, KeyListHash, ManifestHash, PackHash, StorePath, Timestamp};
use chunkstore::format::Class;
use chunkstore::format::manifest::{Manifest, RecipeRef};
use chunkstore::store::keys::read_key_list;
use chunkstore::store::layout;

use crate::manifests::{Link, packs_of, read_chain};
use crate::records::{RECORDS_MAX, Record};
use crate::report::Problems;
use crate::view::View;
use crate::why;

/// How many valid records deletion spares.
const SPARED: usize = 2;

/// The most files beside packs that are noted; what lies beyond is not known.
const FILES_MAX: usize = 1 << 20;

/// A set of records, by their place in [`States::all`].
pub type Records = u128;

const _: () = assert!(RECORDS_MAX + 3 <= Records::BITS as usize, "HEAD, HEAD.new and pending beside those of heads/");

/// What a record counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One of the last two that are valid, or another copy of one of them.
    State,
    /// What a sync works towards.
    Pending,
    /// Older than the last two, or not valid: what it names is no state.
    Other,
}

impl Role {
    /// Returns the word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Pending => "pending",
            Self::Other => "other",
        }
    }
}

/// A record and what it names, in numbers.
#[derive(Debug, Clone)]
pub struct State {
    /// The record.
    pub file: StorePath,
    /// Its generation.
    pub generation: Generation,
    /// What it counts for.
    pub role: Role,
    /// Manifests of its chain that read.
    pub manifests: usize,
    /// Packs that they list.
    pub packs: usize,
    /// The bytes of these.
    pub pack_bytes: u64,
    /// Packs that wait for their end.
    pub condemned: usize,
    /// Whether its whole chain reads, so that these are all.
    pub is_whole: bool,
}

/// What the records say of one pack.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Its length in bytes.
    pub len_bytes: u64,
    /// Its class, where a record lists it as part of a generation.
    pub class: Option<Class>,
    /// The records that list it.
    pub listed_by: Records,
    /// The records that list it as condemned.
    pub condemned_by: Records,
    /// Since when, as the first of those says.
    pub condemned_since: Option<Timestamp>,
}

/// What all records name.
#[derive(Default)]
pub struct States {
    /// The records that decode, in the order of the view's.
    pub all: Vec<State>,
    /// Every pack that any of them names.
    pub packs: BTreeMap<PackHash, Claim>,
    /// Every other file.
    pub files: HashMap<StorePath, Records>,
    /// Whether everything that the states name is known in `packs/` and `manifests/`.
    pub files_known: bool,
    /// Whether the key files that they name are all known.
    pub keys_known: bool,
}

/// Reads the chain of every record that decodes, in their order; one that says the same as the one before is read once.
pub fn for_each_chain<'v>(view: &'v View, take: &mut dyn FnMut(&'v Record, Generation, &[Link])) {
    let mut last: Option<(ManifestHash, Vec<Link>)> = None;
    for record in &view.records {
        let Some(head) = record.head.as_ref().map(|signed| &signed.head) else { continue };
        let known = last.take().filter(|(hash, _)| *hash == head.manifest);
        let (hash, chain) = known.unwrap_or_else(|| {
            (head.manifest, read_chain(view.disk.as_ref(), view.store, head.manifest, head.manifest_len_bytes))
        });
        take(record, head.generation, &chain);
        last = Some((hash, chain));
    }
}

/// Returns whether a chain reads down to a full manifest.
#[must_use]
pub fn is_whole(chain: &[Link]) -> bool {
    let ends = |link: &Link| link.manifest.as_ref().is_some_and(|manifest| manifest.base.is_none());
    chain.last().is_some_and(ends)
}

/// Returns the recipes of a chain, the newest first.
pub fn recipes(chain: &[Link]) -> impl Iterator<Item = &RecipeRef> {
    chain.iter().filter_map(|link| link.manifest.as_ref()).flat_map(|manifest| &manifest.recipes)
}

/// Returns the generations of the last two valid records; where none is valid, of the newest that decode.
fn spared(view: &View) -> Vec<Generation> {
    let of = |must_hold: bool| {
        let fit = view.records.iter().filter(|record| !record.is_draft && (!must_hold || record.wrong.is_empty()));
        let mut generations: Vec<_> = fit.filter_map(|record| Some(record.head.as_ref()?.head.generation)).collect();
        generations.sort_unstable_by(|a, b| b.cmp(a));
        generations.dedup();
        generations.truncate(SPARED);
        generations
    };
    let valid = of(true);
    if valid.is_empty() { of(false) } else { valid }
}

impl States {
    /// Reads what every record names; what does not read of the states goes to `problems`.
    #[must_use]
    pub fn read(view: &View, problems: &mut Problems) -> Self {
        let spared = spared(view);
        let any_valid = view.records.iter().any(|record| !record.is_draft && record.wrong.is_empty());
        let mut states = Self { files_known: !spared.is_empty(), keys_known: !spared.is_empty(), ..Self::default() };
        let mut read_lists = HashSet::new();
        for_each_chain(view, &mut |record, generation, chain| {
            let fits = record.wrong.is_empty() || !any_valid;
            let role = match record {
                record if record.path == layout::pending() && record.wrong.is_empty() => Role::Pending,
                record if !record.is_draft && fits && spared.contains(&generation) => Role::State,
                _ => Role::Other,
            };
            states.add(record.path.clone(), generation, role, chain);
            if role == Role::Other {
                return;
            }
            // What a sync that is under way has not fetched yet is no damage.
            let mut quiet = Problems::default();
            let problems = if role == Role::State { &mut *problems } else { &mut quiet };
            for link in chain {
                link.wrong.iter().for_each(|wrong| problems.add(format!("{}: {wrong}", layout::manifest(&link.hash))));
            }
            states.files_known &= is_whole(chain);
            if let Some(top) = chain.first().and_then(|link| link.manifest.as_ref()) {
                states.add_keys(view, top, &mut read_lists, problems);
            }
        });
        states
    }

    fn add(&mut self, file: StorePath, generation: Generation, role: Role, chain: &[Link]) {
        let own: Records = 1 << self.all.len();
        self.note(file.clone(), own);
        let packs = packs_of(chain);
        let bytes = packs.iter().map(|pack| pack.len_bytes).fold(0, u64::saturating_add);
        for pack in &packs {
            let claim = self.packs.entry(pack.hash).or_insert_with(|| Claim::of(pack.len_bytes));
            claim.class = Some(pack.class);
            claim.listed_by |= own;
        }
        chain.iter().for_each(|link| self.note(layout::manifest(&link.hash), own));
        recipes(chain).for_each(|recipe| self.note(layout::recipe(&recipe.recipe), own));
        let top = chain.first().and_then(|link| link.manifest.as_ref());
        if let Some(manifest) = top {
            manifest.files.iter().for_each(|file| self.note(layout::carried_file(&file.hash), own));
            let shards = manifest.key_lists.iter().flat_map(|lists| &lists.shards);
            shards.for_each(|(hash, _)| self.note(layout::key_list(hash), own));
            for pack in &manifest.condemned {
                let claim = self.packs.entry(pack.hash).or_insert_with(|| Claim::of(pack.len_bytes));
                claim.condemned_by |= own;
                claim.condemned_since = claim.condemned_since.or(Some(pack.since));
            }
        }
        let manifests = chain.iter().filter(|link| link.manifest.is_some()).count();
        let condemned = top.map_or(0, |manifest| manifest.condemned.len());
        let is_whole = is_whole(chain);
        let packs = packs.len();
        self.all.push(State { file, generation, role, manifests, packs, pack_bytes: bytes, condemned, is_whole });
    }

    /// Notes that a record names a file.
    fn note(&mut self, path: StorePath, own: Records) {
        if self.files.len() < FILES_MAX || self.files.contains_key(&path) {
            *self.files.entry(path).or_default() |= own;
        } else {
            (self.files_known, self.keys_known) = (false, false);
        }
    }

    fn add_keys(&mut self, view: &View, top: &Manifest, read: &mut HashSet<KeyListHash>, problems: &mut Problems) {
        let own: Records = 1 << (self.all.len() - 1);
        for lists in &top.key_lists {
            for (hash, len_bytes) in lists.shards.iter().filter(|(hash, _)| !read.contains(hash)).collect::<Vec<_>>() {
                match read_key_list(view.disk.as_ref(), view.store, hash, *len_bytes) {
                    Ok(list) => {
                        read.insert(*hash);
                        for entry in &list.entries {
                            self.note(layout::key_file(lists.epoch, entry.tag), own);
                        }
                    }
                    Err(error) => {
                        self.keys_known = false;
                        // A store with a reader of its own carries that reader's list alone.
                        if lists.shards.len() == 1 {
                            problems.add(format!("{}: {}", layout::key_list(hash), why(error)));
                        }
                    }
                }
            }
        }
    }

    /// Returns the paths of some records.
    #[must_use]
    pub fn names(&self, records: Records) -> Vec<String> {
        let named = self.all.iter().enumerate().filter(|(at, _)| records & (1 << at) != 0);
        named.map(|(_, state)| state.file.to_string()).collect()
    }

    /// Returns what some records count for, each role once.
    #[must_use]
    pub fn roles(&self, records: Records) -> Vec<&'static str> {
        let has = |role: Role| {
            let mut of = self.all.iter().enumerate();
            of.any(|(at, state)| records & (1 << at) != 0 && state.role == role)
        };
        [Role::State, Role::Pending, Role::Other].into_iter().filter(|role| has(*role)).map(Role::name).collect()
    }

    /// Returns the records among these that deletion goes by.
    #[must_use]
    pub fn pinning(&self, records: Records) -> Records {
        let pins = self.all.iter().enumerate().filter(|(_, state)| state.role != Role::Other);
        records & pins.fold(0, |all, (at, _)| all | (1 << at))
    }
}

impl Claim {
    fn of(len_bytes: u64) -> Self {
        Self { len_bytes, class: None, listed_by: 0, condemned_by: 0, condemned_since: None }
    }
}

impl States {
    /// Returns whether a file other than a pack is named by a state.
    #[must_use]
    pub fn file_claims(&self, path: &StorePath) -> Records {
        self.files.get(path).copied().unwrap_or(0)
    }
}
