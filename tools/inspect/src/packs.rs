//! Packs: what stands where each should, and one pack down to the objects that still open.

use std::collections::HashSet;
use std::io;

use chunkstore::base::limits::PACK_MAX_BYTES;
use chunkstore::base::{PackHash, StorePath};
use chunkstore::disk::{Disk, DiskErrorKind, DiskFileKind};
use chunkstore::format::Class;
use chunkstore::format::manifest::PackRef;
use chunkstore::format::pack::{PACK_HEADER_BYTES, PackHeader};
use chunkstore::store::layout;
use chunkstore::store::pack::{PackState, hash_file, pack_state, read_exactly};

use crate::hunt::Hunt;
use crate::objects::{self, kind_name};
use crate::places::{self, Place};
use crate::sealed::Opened;
use crate::shown::{Screen, Shown};
use crate::view::View;
use crate::{ITEMS_MAX, why};

/// Shows every pack that the manifests name, then the files in `packs/` that none of them does.
///
/// # Errors
/// Those of the sink.
pub fn show_all(view: &View, screen: &mut Screen<'_>) -> io::Result<()> {
    for pack in &view.packs {
        screen.show(&listed(view, pack))?;
    }
    let known: HashSet<StorePath> = view.packs.iter().map(|pack| layout::pack(&pack.hash)).collect();
    let (files, problems) = standing(view);
    if !problems.is_empty() {
        screen.show(&Shown::new("file").with("file", "packs").but_all(problems))?;
    }
    for (path, len_bytes) in files.into_iter().filter(|(path, _)| !known.contains(path)).take(ITEMS_MAX) {
        let shown = Shown::new("file").with_text("file", &path).with("here_len_bytes", len_bytes);
        screen.show(&shown.with("listed", false))?;
    }
    Ok(())
}

/// Returns what is listed of a pack and what stands there.
fn listed(view: &View, pack: &PackRef) -> Shown {
    let shown = Shown::new("pack")
        .with_text("hash", pack.hash)
        .with_text("file", layout::pack(&pack.hash))
        .with("class", class_name(pack.class))
        .with("set_label", pack.set_label)
        .with("listed_len_bytes", pack.len_bytes);
    let (here_len_bytes, wrong) = here(view, pack);
    let shown = match here_len_bytes {
        Some(len_bytes) => shown.with("here_len_bytes", len_bytes),
        None => shown,
    };
    shown.but_all(wrong)
}

/// Returns how many bytes of a pack stand, if that can be told, and what is wrong with that. Reads nothing.
#[must_use]
pub fn here(view: &View, pack: &PackRef) -> (Option<u64>, Option<String>) {
    match pack_state(view.disk.as_ref(), pack) {
        Ok(PackState::FullLength) => (Some(pack.len_bytes), None),
        Ok(PackState::Missing) => (Some(0), Some("it is missing".to_owned())),
        Ok(PackState::Partial(here)) => {
            (Some(here), Some(format!("it is torn: {here} of {} bytes stand here", pack.len_bytes)))
        }
        Ok(PackState::Foreign) => (None, Some("what stands there is longer than the pack, or no file".to_owned())),
        Err(error) => (None, Some(why(error))),
    }
}

/// Returns the word for a class.
#[must_use]
pub fn class_name(class: Class) -> &'static str {
    match class {
        Class::Data => "data",
        Class::Meta => "meta",
    }
}

/// Returns the files in `packs/` with their lengths, and which directories do not read. One that is missing holds nothing.
#[must_use]
pub fn standing(view: &View) -> (Vec<(StorePath, u64)>, Vec<String>) {
    let mut files = Vec::new();
    let mut problems = Vec::new();
    for first_byte in 0..=255 {
        let dir = layout::pack_dir(first_byte);
        let listed = match view.disk.list(&dir) {
            Ok(listed) => listed,
            Err(error) if error.kind == DiskErrorKind::NotFound => continue,
            Err(error) => {
                problems.push(why(error));
                continue;
            }
        };
        let plain = listed.into_iter().filter(|(_, metadata)| metadata.kind == DiskFileKind::File);
        files.extend(
            plain.filter_map(|(name, metadata)| {
                Some((StorePath::new(&format!("{dir}/{name}")).ok()?, metadata.len_bytes))
            }),
        );
    }
    (files, problems)
}

/// Shows one pack by its hash or the beginning of it, or by its path; tells whether there is one.
///
/// # Errors
/// Those of the sink.
pub fn show_one(view: &View, wanted: &str, with_objects: bool, screen: &mut Screen<'_>) -> io::Result<bool> {
    let wanted = wanted.to_ascii_lowercase();
    let digits = wanted.trim_start_matches("packs/").replace(['/', '.'], "");
    let fits = |hash: &PackHash| hash.to_string().starts_with(&digits);
    let mut found = false;
    for pack in view.packs.iter().filter(|pack| fits(&pack.hash)) {
        found = true;
        show_file(view, pack, with_objects, screen)?;
    }
    if found {
        return Ok(true);
    }
    let in_name = |path: &StorePath| {
        path.as_str().to_ascii_lowercase().replace(['/', '.'], "").starts_with(&format!("packs{digits}"))
    };
    for (path, len_bytes) in standing(view).0.into_iter().filter(|(path, _)| in_name(path)) {
        found = true;
        let shown = Shown::new("file").with_text("file", &path).with("here_len_bytes", len_bytes).with("listed", false);
        let (shown, _) = with_header(view, &path, shown);
        screen.show(&shown)?;
    }
    Ok(found)
}

/// Reads the header of a pack.
///
/// # Errors
/// Why it does not read.
pub fn read_header(view: &View, path: &StorePath) -> Result<PackHeader, String> {
    let file = view.disk.open(path).map_err(why)?;
    let bytes = read_exactly(file.as_ref(), 0, PACK_HEADER_BYTES as u64, "its header");
    let bytes = bytes.map_err(|_| "it ends before its header does".to_owned())?;
    PackHeader::decode(&bytes, view.store).map_err(|error| format!("its header: {error}"))
}

/// Adds what a pack's header says.
fn with_header(view: &View, path: &StorePath, shown: Shown) -> (Shown, Option<PackHeader>) {
    let header = read_header(view, path);
    match header {
        Ok(header) => {
            let shown = shown
                .with("header_len_bytes", header.len_bytes)
                .with("header_class", class_name(header.class))
                .with("epoch", header.epoch.0)
                .with("clash_counter", header.clash_counter)
                .with("index_offset", header.index_offset())
                .with("index_len_bytes", header.index_len_bytes);
            (shown, Some(header))
        }
        Err(error) => (shown.but(error), None),
    }
}

fn show_file(view: &View, pack: &PackRef, with_objects: bool, screen: &mut Screen<'_>) -> io::Result<()> {
    let path = layout::pack(&pack.hash);
    let (mut shown, header) = with_header(view, &path, listed(view, pack));
    if header.is_some_and(|header| header.len_bytes != pack.len_bytes || header.class != pack.class) {
        shown = shown.but("its header says other than the manifest");
    }
    if pack_state(view.disk.as_ref(), pack).is_ok_and(|state| state == PackState::FullLength) {
        shown = match hash_of(view.disk.as_ref(), &path) {
            Ok(hash) if hash == pack.hash => shown.with("hash_holds", true),
            Ok(_) => shown.with("hash_holds", false).but("its bytes are not what its hash says"),
            Err(error) => shown.but(error),
        };
    }
    let Some(opened) = view.sealed.opened() else { return screen.show(&shown) };
    let (places, wrong) = places::of_pack(view, opened, pack);
    if let Some(wrong) = wrong {
        let else_known =
            if places.is_empty() { "; no merged index covers it, so its objects are not known" } else { "" };
        shown = shown.but(format!("its index does not open: {wrong}{else_known}"));
    }
    screen.show(&shown.with("objects", places.len()))?;
    if with_objects { show_objects(view, opened, &places, screen) } else { Ok(()) }
}

fn hash_of(disk: &dyn Disk, path: &StorePath) -> Result<PackHash, String> {
    let file = disk.open(path).map_err(why)?;
    let mut read = 0;
    let hash = hash_file(file.as_ref(), &mut |count| read += count).map_err(why)?;
    // A file that grows while it is read is no pack.
    if read <= PACK_MAX_BYTES { Ok(PackHash(hash)) } else { Err("it is longer than any pack".to_owned()) }
}

fn show_objects(view: &View, opened: &Opened, places: &[Place], screen: &mut Screen<'_>) -> io::Result<()> {
    let wanted: HashSet<_> = places.iter().map(|place| (place.entry.id, place.entry.dedup_generation)).collect();
    let (reader, _) = objects::reader(view, opened, &mut |_| {});
    let mut hunt = Hunt::new(&reader, wanted);
    opened.part.iter().for_each(|part| drop(hunt.all(part)));
    for place in places {
        screen.show(&objects::describe(view, opened, &hunt, place, Shown::new("object")).0)?;
    }
    let kinds = places.iter().map(|place| kind_name(place.entry.kind)).collect::<HashSet<_>>().len();
    screen.show(&Shown::new("in all").with("objects", places.len()).with("kinds", kinds))
}
