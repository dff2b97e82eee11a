//! What comes out is what a commit of the same entries would make, and what does not change is not made again.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::base::EntryName;
use crate::format::Kind;
use crate::tree::build::build_content;
use crate::tree::handmade::{Handmade, dir, file, files, name};

/// A directory of the model: files by their slices of numbered chunks, and directories.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    files: BTreeMap<String, Vec<(u8, u64, u64)>>,
    dirs: BTreeMap<String, Model>,
}

const CHUNK_BYTES: u64 = 64;
const CHUNKS: u8 = 12;

fn chunk(made: &mut Handmade, number: u8) -> Pointer {
    made.put(Kind::Chunk, &[number; CHUNK_BYTES as usize])
}

/// What a chunk of the model becomes: what is left of it, in a chunk of its own.
fn recut(made: &mut Handmade, number: u8) -> Pointer {
    made.put(Kind::Chunk, &[number; CHUNK_BYTES as usize - 4])
}

/// A file id that goes with the name, so that it stays when others go.
fn number_of(text: &str) -> u64 {
    5000 + u64::from(text.as_bytes()[0])
}

fn filler(depth: usize) -> Vec<Entry> {
    files(if depth == 0 { 900 } else { 3 })
}

/// Makes a model's tree from the bottom, in which the chunks of `cut` are replaced.
fn build(made: &mut Handmade, model: &Model, cut: &BTreeSet<u8>, depth: usize) -> Pointer {
    let mut entries = filler(depth);
    for (text, slices) in &model.files {
        let mut extents: Vec<Extent> = Vec::new();
        for &(number, offset, len_bytes) in slices {
            let is_cut = cut.contains(&number);
            let chunk = if is_cut { recut(made, number) } else { chunk(made, number) };
            let extent = Extent { chunk, offset: if is_cut { offset - 4 } else { offset }, len_bytes };
            match extents.last_mut() {
                Some(last) if is_cut && touch(last, &extent) => last.len_bytes += len_bytes,
                _ => extents.push(extent),
            }
        }
        let boundary = boundary();
        let content = build_content(extents, &boundary, &mut |kind, plain| Ok(made.put(kind, plain))).unwrap();
        let len_bytes = slices.iter().map(|slice| slice.2).sum();
        entries.push(Entry { node: Node::File { len_bytes, content }, ..file(text, number_of(text)) });
    }
    for (text, below) in &model.dirs {
        let tree = build(made, below, cut, depth + 1);
        entries.push(dir(text, number_of(text), tree));
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    made.dir(entries)
}

fn boundary() -> Secret {
    Handmade::new().reader().keys().boundary_key()
}

fn without(model: &Model, path: &RelPath, dropped: &BTreeSet<RelPath>) -> Model {
    let stays = |text: &String| !dropped.contains(&path.join(&name(text)).unwrap());
    let below = |text: &String| path.join(&name(text)).unwrap();
    Model {
        files: model.files.iter().filter(|(text, _)| stays(text)).map(|(a, b)| (a.clone(), b.clone())).collect(),
        dirs: model
            .dirs
            .iter()
            .filter(|(text, _)| stays(text))
            .map(|(text, model)| (text.clone(), without(model, &below(text), dropped)))
            .collect(),
    }
}

struct Asked {
    dropped: BTreeSet<RelPath>,
    replaced: HashMap<ObjectId, Pointer>,
}

impl Change for Asked {
    fn drops(&self, path: &RelPath) -> bool {
        self.dropped.contains(path)
    }

    fn drops_below(&self, dir: &RelPath) -> bool {
        self.dropped.iter().any(|path| {
            let above: Vec<EntryName> = path.names().collect();
            let own: Vec<EntryName> = dir.names().collect();
            above.len() > own.len() && above.starts_with(&own)
        })
    }

    fn touches(&self, _: &Pointer) -> bool {
        !self.replaced.is_empty()
    }

    fn replace(&self, extent: &Extent) -> Result<Option<Extent>, StoreError> {
        let chunk = self.replaced.get(&extent.chunk.id);
        Ok(chunk.map(|chunk| Extent { chunk: *chunk, offset: extent.offset - 4, ..*extent }))
    }
}

/// Rewrites, and returns the root and the nodes that were made for it.
fn rewrite(made: &mut Handmade, root: &Pointer, asked: &Asked) -> (Pointer, Vec<ObjectId>) {
    let reader = made.reader();
    let mut put = Vec::new();
    let rewritten = Rewriter::new(&reader, asked).rewrite(root, &mut |kind, plain| {
        let pointer = made.put(kind, plain);
        put.push(pointer.id);
        Ok(pointer)
    });
    (rewritten.unwrap(), put)
}

fn model() -> impl Strategy<Value = Model> {
    // Slices begin after the first bytes of a chunk, which are what goes; few chunks, so that slices touch once they moved.
    let slice = (0..CHUNKS, 4..40u64, 1..20u64);
    let slices = prop_oneof![prop::collection::vec(slice.clone(), 0..6), prop::collection::vec(slice, 30..400)];
    let names = "[a-e]";
    let leaf = prop::collection::btree_map(names, slices.clone(), 0..4)
        .prop_map(|files| Model { files, dirs: BTreeMap::new() });
    leaf.prop_recursive(3, 12, 3, move |below| {
        let dirs = prop::collection::btree_map("[p-s]", below, 0..3);
        (prop::collection::btree_map(names, slices.clone(), 0..4), dirs).prop_map(|(files, dirs)| Model { files, dirs })
    })
}

fn paths(model: &Model, path: &RelPath, all: &mut Vec<RelPath>) {
    for text in model.files.keys().chain(model.dirs.keys()) {
        all.push(path.join(&name(text)).unwrap());
    }
    for (text, below) in &model.dirs {
        paths(below, &path.join(&name(text)).unwrap(), all);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_comes_out_is_what_a_commit_would_make(
        model in model(),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        cut in prop::collection::btree_set(0..CHUNKS, 0..3),
    ) {
        let mut made = Handmade::new();
        let root = build(&mut made, &model, &BTreeSet::new(), 0);
        let mut all = Vec::new();
        paths(&model, &RelPath::root(), &mut all);
        let dropped: BTreeSet<RelPath> =
            if all.is_empty() { BTreeSet::new() } else { picks.iter().map(|pick| pick.get(&all).clone()).collect() };
        let replaced = cut.iter().map(|&number| (chunk(&mut made, number).id, recut(&mut made, number))).collect();
        let (rewritten, _) = rewrite(&mut made, &root, &Asked { dropped: dropped.clone(), replaced });
        let expected = build(&mut made, &without(&model, &RelPath::root(), &dropped), &cut, 0);
        prop_assert_eq!(rewritten, expected);
    }
}

#[test]
fn one_path_of_a_hundred_thousand_makes_the_nodes_around_it_anew() {
    let mut made = Handmade::new();
    let wide = made.dir(files(100_000));
    let beside = made.dir(files(400));
    let root = made.dir(vec![dir("beside", 1, beside), dir("wide", 2, wide)]);
    let path = RelPath::new(b"wide/file-00050000").unwrap();
    let asked = Asked { dropped: BTreeSet::from([path]), replaced: HashMap::new() };
    let (rewritten, put) = rewrite(&mut made, &root, &asked);
    assert!((2..=7).contains(&put.len()), "{} nodes were made", put.len());
    let mut left = files(100_000);
    left.remove(50_000);
    let wide = made.dir(left);
    assert_eq!(rewritten, made.dir(vec![dir("beside", 1, beside), dir("wide", 2, wide)]));
}

#[test]
fn what_does_not_change_is_neither_made_nor_read() {
    let mut made = Handmade::new();
    let below = made.dir(files(100_000));
    let root = made.dir(vec![dir("below", 1, below), file("other", 2)]);
    let absent = RelPath::new(b"elsewhere/at/all").unwrap();
    let asked = Asked { dropped: BTreeSet::from([absent]), replaced: HashMap::new() };
    let (rewritten, put) = rewrite(&mut made, &root, &asked);
    assert_eq!((rewritten, put), (root, vec![]));
    assert_eq!(made.disk.counts().reads, 1, "more than the root was read");
}

#[test]
fn a_directory_of_many_places_is_made_anew_once_and_one_that_loses_its_last_entry_stays() {
    let mut made = Handmade::new();
    let chunk = chunk(&mut made, 1);
    let content = Content::Inline(vec![Extent { chunk, offset: 10, len_bytes: 5 }]);
    let with = |number| Entry { node: Node::File { len_bytes: 5, content: content.clone() }, ..file("f", number) };
    let leaf = made.dir(vec![with(1)]);
    // Each level names the one below twice, so a walk by path would not end.
    let twice = |made: &mut Handmade, leaf| {
        (0..60).fold(leaf, |below, at| made.dir(vec![dir("a", 2 * at + 3, below), dir("b", 2 * at + 4, below)]))
    };
    let top = twice(&mut made, leaf);
    let only = made.dir(vec![file("last", 1)]);
    let root = made.dir(vec![dir("only", 1, only), dir("top", 2, top)]);
    let new = recut(&mut made, 1);
    let dropped = BTreeSet::from([RelPath::new(b"only/last").unwrap()]);
    let (rewritten, put) = rewrite(&mut made, &root, &Asked { dropped, replaced: HashMap::from([(chunk.id, new)]) });
    assert_eq!(put.len(), 63);
    let content = Content::Inline(vec![Extent { chunk: new, offset: 6, len_bytes: 5 }]);
    let leaf = made.dir(vec![Entry { node: Node::File { len_bytes: 5, content }, ..file("f", 1) }]);
    let (top, only) = (twice(&mut made, leaf), made.dir(vec![]));
    assert_eq!(rewritten, made.dir(vec![dir("only", 1, only), dir("top", 2, top)]));
}
