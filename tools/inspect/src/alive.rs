//! `why`: what keeps a pack, from the records that list it down to the paths that reach what lies in it.

use std::collections::{BTreeMap, HashSet};

use chunkstore::base::limits::RECIPE_MAX_BYTES;
use chunkstore::base::{Epoch, Generation, PackHash, StorePath};
use chunkstore::disk::read_all;
use chunkstore::error::{Error, ErrorKind, Result};
use chunkstore::format::manifest::{PackRef, RecipeRef};
use chunkstore::format::pack::PackEntry;
use chunkstore::format::recipe::{Recipe, RecipeStep};
use chunkstore::store::layout;
use chunkstore::store::pack::read_index;

use crate::history::{History, PATH_COLUMNS, SNAPSHOT_COLUMNS, history};
use crate::hunt::Hunt;
use crate::manifests::Link;
use crate::objects;
use crate::packs::{class_name, here, read_header, standing};
use crate::places;
use crate::report::{Problems, Report};
use crate::sealed::Opened;
use crate::shown::Shown;
use crate::states::{States, for_each_chain, is_whole, recipes};
use crate::view::View;
use crate::why;

const RECORD_COLUMNS: &[&str] = &["file", "generation", "says", "by_generation", "since"];
const SOURCE_COLUMNS: &[&str] = &["file", "copied_bytes", "listed"];
const INDEX_COLUMNS: &[&str] = &["id", "offset", "sealed_len_bytes"];
/// Digits of the hash in the path of a pack.
const NAME_DIGITS: usize = 13;
/// The most names that an error lists.
const CANDIDATES_MAX: usize = 8;

/// A pack that somebody names, or a file that stands like one.
struct Subject {
    path: StorePath,
    /// What a manifest says of it; of a condemned pack the class is not known.
    listed: Option<PackRef>,
    hash: Option<PackHash>,
    len_bytes: u64,
}

/// Reports on the pack whose hash or path begins with `wanted`.
///
/// # Errors
/// [`ErrorKind::Other`] when none does in a store without damage, or more than one.
pub fn report(view: &View, wanted: &str) -> Result<Report> {
    let mut problems = view.findings();
    let Some(subject) = find(view, wanted, &mut problems)? else {
        let verdict = "no pack begins so, as far as the store reads";
        return Ok(Report::new(view.asked("why", wanted).with("verdict", verdict), problems));
    };
    let path = &subject.path;
    let mut head = view.asked("why", path.as_str()).with("hash", subject.hash.map(|hash| hash.to_string()));
    if let Some(pack) = &subject.listed {
        head = head.with("class", class_name(pack.class)).with("set_label", pack.set_label);
    }
    let on_disk = view.disk.metadata(path).ok().flatten().map_or(0, |metadata| metadata.len_bytes);
    head = head.with("len_bytes", subject.len_bytes).with("here_len_bytes", on_disk);
    let states = States::read(view, &mut problems);
    let said = subject.hash.map(|hash| said_of(view, &hash)).unwrap_or_default();
    let in_state = subject.listed.filter(|listed| view.packs.iter().any(|pack| pack.hash == listed.hash));
    if let Some(pack) = &in_state {
        let wrong = here(view, pack).1.or_else(|| read_header(view, path).err());
        wrong.into_iter().for_each(|wrong| problems.add(format!("{path}: {wrong}")));
    }
    head = head.with("verdict", verdict(&states, subject.hash.as_ref()));
    if let Some((generation, is_full)) = said.added {
        let says = if is_full { "by a manifest that lists all packs: then or before" } else { "by this generation" };
        head = head.with("added_by_generation", generation.0).with("added", says);
    }
    let recipe = said.recipe.as_ref().and_then(|recipe| read_recipe(view, recipe, &mut problems));
    if let Some(reference) = &said.recipe {
        head = head.with_text("recipe", layout::recipe(&reference.recipe));
    }
    if let Some(recipe) = &recipe {
        let fetched = recipe.steps.iter().map(|step| match step {
            RecipeStep::Fetch { len_bytes } => *len_bytes,
            RecipeStep::Copy { .. } => 0,
        });
        head = head.with("not_in_sources_bytes", fetched.fold(0, u64::saturating_add));
    }
    let inner = view.sealed.opened().map(|opened| inner(view, opened, &subject, &mut problems));
    let records = said.records;
    let sources = recipe.map_or_else(Vec::new, |recipe| source_rows(view, &recipe));
    let Some(inner) = inner else {
        let report = Report::new(head, problems).with_list("records", RECORD_COLUMNS, records);
        return Ok(report.with_list("made_from", SOURCE_COLUMNS, sources));
    };
    Ok(Report::new(inner.add_to(head), problems)
        .with_list("records", RECORD_COLUMNS, records)
        .with_list("made_from", SOURCE_COLUMNS, sources)
        .with_list("merged_indexes", INDEX_COLUMNS, inner.indexes)
        .with_list("snapshots", SNAPSHOT_COLUMNS, inner.history.snapshots)
        .with_list("paths", PATH_COLUMNS, inner.history.paths))
}

/// Finds the one pack that is meant: among those that records name, and else among the files. `None` where a part of the store
/// that may name it does not read.
fn find(view: &View, wanted: &str, problems: &mut Problems) -> Result<Option<Subject>> {
    let digits = wanted.to_ascii_lowercase().trim_start_matches("packs/").replace(['/', '.'], "");
    let mut subjects = named(view, &digits);
    if subjects.is_empty() {
        let (files, wrong) = standing(view);
        wrong.into_iter().for_each(|wrong| problems.add(wrong));
        // A name has 13 digits of the hash.
        let digits_of =
            |path: &StorePath| path.as_str().to_ascii_lowercase().trim_start_matches("packs").replace(['/', '.'], "");
        let fits = |path: &StorePath| {
            let own = digits_of(path);
            own.starts_with(&digits) || (own.len() == NAME_DIGITS && digits.starts_with(&own))
        };
        let hash = digits.parse().ok();
        let fitting = files.into_iter().filter(|(path, _)| fits(path));
        subjects.extend(fitting.map(|(path, len_bytes)| Subject { path, listed: None, hash, len_bytes }));
    }
    let names: Vec<String> = subjects.iter().take(CANDIDATES_MAX).map(|subject| subject.path.to_string()).collect();
    match subjects.len() {
        1 => Ok(subjects.pop()),
        0 if problems.count() > 0 => Ok(None),
        0 => Err(Error::new(ErrorKind::Other, "no pack here begins so, named or standing")),
        count => {
            let more = if count > CANDIDATES_MAX { " and more" } else { "" };
            Err(Error::new(ErrorKind::Other, format!("several packs begin so: {}{more}", names.join(", "))))
        }
    }
}

/// Returns the packs whose hash begins so, of all that manifests name. What a manifest says whose own bytes are wrong counts
/// only where no other one knows such a pack.
fn named(view: &View, digits: &str) -> Vec<Subject> {
    let mut found: BTreeMap<PackHash, (u64, Option<PackRef>, bool)> = BTreeMap::new();
    let fits = |hash: &PackHash| hash.to_string().starts_with(digits);
    for_each_chain(view, &mut |_, _, chain| {
        for link in chain {
            let (holds, manifests) = (link.wrong.is_empty(), link.manifest.as_ref());
            for pack in manifests.iter().flat_map(|manifest| &manifest.added).filter(|pack| fits(&pack.hash)) {
                let known = found.entry(pack.hash).or_insert((pack.len_bytes, None, holds));
                *known = (pack.len_bytes, Some(*pack), known.2 || holds);
            }
            for pack in manifests.iter().flat_map(|manifest| &manifest.condemned).filter(|pack| fits(&pack.hash)) {
                found.entry(pack.hash).or_insert((pack.len_bytes, None, holds)).2 |= holds;
            }
        }
    });
    let any_holds = found.values().any(|(_, _, holds)| *holds);
    let sure = found.into_iter().filter(|(_, (_, _, holds))| *holds || !any_holds);
    sure.map(|(hash, (len_bytes, listed, _))| {
        let path = layout::pack(&hash);
        Subject { path, listed, hash: Some(hash), len_bytes }
    })
    .collect()
}

/// What the records say of a pack.
#[derive(Default)]
struct Said {
    records: Vec<Shown>,
    /// The lowest generation whose manifest adds it, and whether that manifest lists all packs.
    added: Option<(Generation, bool)>,
    recipe: Option<RecipeRef>,
}

fn said_of(view: &View, hash: &PackHash) -> Said {
    let mut said = Said::default();
    for_each_chain(view, &mut |record, generation, chain| {
        said.recipe = said.recipe.or_else(|| recipes(chain).find(|recipe| recipe.pack == *hash).copied());
        // Anyone may have made up a draft that is not signed.
        let mut unsure = None;
        let added = if record.is_draft && !record.wrong.is_empty() { &mut unsure } else { &mut said.added };
        let (says, by, since) = said_by_chain(chain, hash, added);
        let row = Shown::row().with_text("file", &record.path).with("generation", generation.0).with("says", says);
        said.records.push(row.with("by_generation", by.map(|by| by.0)).with("since", since));
    });
    said
}

/// Returns what one chain says of a pack, the generation that says so, and since when the pack is condemned.
fn said_by_chain(
    chain: &[Link],
    hash: &PackHash,
    added: &mut Option<(Generation, bool)>,
) -> (&'static str, Option<Generation>, Option<String>) {
    let manifests = || chain.iter().filter_map(|link| link.manifest.as_ref());
    let condemned = manifests().next().and_then(|top| top.condemned.iter().find(|pack| pack.hash == *hash));
    let since = condemned.map(|condemned| condemned.since.to_string());
    let mut says = if is_whole(chain) { ("not named", None) } else { ("not known below the gap", None) };
    for manifest in manifests() {
        if manifest.added.iter().any(|pack| pack.hash == *hash) {
            let this = (manifest.generation, manifest.base.is_none());
            *added = Some(added.map_or(this, |known| known.min(this)));
            says = ("listed", Some(manifest.generation));
            break;
        }
        if manifest.removed.contains(hash) {
            says = ("removed", Some(manifest.generation));
            break;
        }
    }
    if since.is_some() && says.0 != "listed" {
        says.0 = "condemned";
    }
    (says.0, says.1, since)
}

/// Says in words whether deletion spares a pack, and for whose sake.
fn verdict(states: &States, hash: Option<&PackHash>) -> String {
    let claim = hash.and_then(|hash| states.packs.get(hash));
    let (listed, condemned) = claim.map_or((0, 0), |claim| (claim.listed_by, claim.condemned_by));
    let names = |records| states.names(records).join(" ");
    let (by_state, condemned_by_state) = (states.pinning(listed), states.pinning(condemned));
    let mut text = match (by_state, condemned_by_state) {
        (0, 0) if listed | condemned != 0 => format!("only {} names it: deletion takes it", names(listed | condemned)),
        (0, 0) => "no record names it: deletion takes it".to_owned(),
        (0, condemned) => format!("condemned by {}: deletion takes it after the grace", names(condemned)),
        (listed, 0) => format!("alive: listed by {}", names(listed)),
        (listed, condemned) => {
            format!("alive as long as it is listed by {}; condemned by {}", names(listed), names(condemned))
        }
    };
    if !states.files_known {
        text.push_str("; not all that the states name is known, since a manifest does not read");
    }
    text
}

fn read_recipe(view: &View, reference: &RecipeRef, problems: &mut Problems) -> Option<Recipe> {
    let path = layout::recipe(&reference.recipe);
    let read = match read_all(view.disk.as_ref(), &path, RECIPE_MAX_BYTES) {
        Ok(Some(bytes)) if *blake3::hash(&bytes).as_bytes() != reference.recipe.0 => {
            Err("its bytes are not what its hash says".to_owned())
        }
        Ok(Some(bytes)) => Recipe::decode(&bytes, view.store).map_err(|error| error.to_string()),
        Ok(None) => Err("the recipe is missing".to_owned()),
        Err(error) => Err(why(error)),
    };
    read.map_err(|wrong| problems.add(format!("{path}: {wrong}"))).ok()
}

fn source_rows(view: &View, recipe: &Recipe) -> Vec<Shown> {
    let mut copied: Vec<u64> = vec![0; recipe.sources.len()];
    for step in &recipe.steps {
        if let RecipeStep::Copy { source, len_bytes, .. } = step {
            let sum = &mut copied[*source as usize];
            *sum = sum.saturating_add(*len_bytes);
        }
    }
    let listed: HashSet<PackHash> = view.packs.iter().map(|pack| pack.hash).collect();
    let row = |(source, copied): (&PackHash, u64)| {
        let shown = Shown::row().with_text("file", layout::pack(source)).with_text("hash", source);
        shown.with("copied_bytes", copied).with("listed", listed.contains(source))
    };
    recipe.sources.iter().zip(copied).map(row).collect()
}

/// What an identity tells of a pack.
struct Inner {
    objects: usize,
    copies_elsewhere: usize,
    live_objects: usize,
    is_all: bool,
    indexes: Vec<Shown>,
    history: History,
}

impl Inner {
    fn add_to(&self, head: Shown) -> Shown {
        head.with("objects", self.objects)
            .with("copies_elsewhere", self.copies_elsewhere)
            .with("live_objects", self.live_objects)
            .with("all_reached", self.is_all)
    }
}

fn inner(view: &View, opened: &Opened, subject: &Subject, problems: &mut Problems) -> Inner {
    let (reader, _) = objects::reader(view, opened, &mut |problem| problems.add(problem));
    let entries = entries_of(view, opened, subject, problems);
    let is_own = |entry: &&PackEntry| {
        let place = reader.index().find(&entry.id, entry.dedup_generation);
        place.is_some_and(|place| Some(place.pack) == subject.hash)
    };
    let own: HashSet<_> = entries.iter().filter(is_own).map(|entry| (entry.id, entry.dedup_generation)).collect();
    let copies_elsewhere = entries.iter().filter(|entry| {
        !own.contains(&(entry.id, entry.dedup_generation))
            && reader.index().find(&entry.id, entry.dedup_generation).is_some()
    });
    let copies_elsewhere = copies_elsewhere.count();
    let mut hunt = Hunt::new(&reader, own.clone());
    let history =
        opened.part.as_ref().map_or_else(History::default, |part| history(part, &reader, &mut hunt, problems));
    let in_pack = opened.part.iter().flat_map(|part| &part.indexes).filter(|part| Some(part.pack) == subject.hash);
    let indexes = in_pack.map(|part| {
        let shown = Shown::row().with_text("id", part.pointer.id).with("offset", part.offset);
        shown.with("sealed_len_bytes", part.sealed_len_bytes)
    });
    Inner {
        objects: entries.len(),
        copies_elsewhere,
        live_objects: own.iter().filter(|name| hunt.pointer(name).is_some()).count(),
        is_all: !hunt.is_partial() && opened.part.is_some(),
        indexes: indexes.collect(),
        history,
    }
}

/// Returns what lies in the pack, from its own index, or where the state lists it from merged ones.
fn entries_of(view: &View, opened: &Opened, subject: &Subject, problems: &mut Problems) -> Vec<PackEntry> {
    if let Some(pack) = view.packs.iter().find(|pack| Some(pack.hash) == subject.hash) {
        // What is wrong with its index was said when the table was made.
        return places::of_pack(view, opened, pack).0.into_iter().map(|place| place.entry).collect();
    }
    let stands = view.disk.metadata(&subject.path).is_ok_and(|metadata| metadata.is_some());
    let header = if stands { read_header(view, &subject.path).ok() } else { None };
    let Some((hash, header)) = subject.hash.zip(header) else { return Vec::new() };
    let pack = PackRef { hash, len_bytes: subject.len_bytes, class: header.class, set_label: 0 };
    let index_key = |epoch: Epoch| opened.keys.index_key(epoch);
    match read_index(view.disk.as_ref(), view.store, &pack, &index_key) {
        Ok(entries) => entries.into_iter().map(|(_, entry)| entry).collect(),
        Err(error) => {
            problems.add(format!("{}: its index does not read: {}", subject.path, why(error)));
            Vec::new()
        }
    }
}
