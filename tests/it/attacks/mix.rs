//! Files of one state beside those of another, and wrong bytes under right names.

use chunkstore::serve::Answer;

use super::List::{Own, Tuf};
use super::Verb::Sync;
use super::stage::{Scene, head_of};
use super::{After, Row, row};

/// Answers one file of the newest state with other bytes.
fn swap(scene: &Scene, path: &str, bytes: &[u8]) {
    scene.server.answer(path, Answer::Bytes(bytes.into()));
}

/// The first file of the key's state below a directory.
fn of_mine(scene: &Scene, prefix: &str) -> Vec<u8> {
    let found = scene.stage.mine.iter().find(|(path, _)| path.starts_with(prefix));
    found.unwrap_or_else(|| panic!("nothing below {prefix}")).1.clone()
}

pub const ROWS: &[Row] = &[
    row(
        "mix-and-match, manifest",
        Tuf,
        "shows the newest HEAD with the manifest of generation 3",
        (Sync, 13, "is damaged", After::Unchanged),
        |scene| {
            let mine = of_mine(scene, "manifests/");
            swap(scene, &scene.newest().manifest(), &mine);
        },
    ),
    row(
        "mix-and-match, an earlier manifest of the chain",
        Tuf,
        "shows the newest HEAD and manifest on top of another one than they were made on",
        (Sync, 13, "is damaged", After::Unchanged),
        |scene| {
            let mine = of_mine(scene, "manifests/");
            swap(scene, &scene.newest().base_manifest(), &mine);
        },
    ),
    row(
        "mix-and-match, HEAD",
        Tuf,
        "shows what the newest HEAD says under the signature of generation 3",
        (Sync, 18, "the signature of its HEAD does not hold", After::Unchanged),
        |scene| {
            let (next, mine) = (head_of(&scene.stage.next), head_of(&scene.stage.mine));
            let mixed = chunkstore::format::head::SignedHead::new(next.head, mine.signature);
            scene.server.put("HEAD", mixed.bytes());
        },
    ),
    row(
        "mix-and-match, trust",
        Tuf,
        "shows the first trust file in place of the second",
        (Sync, 18, "does not follow from the one before it", After::Unchanged),
        |scene| swap(scene, "trust/2", &scene.stage.next["trust/1"]),
    ),
    row(
        "mix-and-match, trust of another store",
        Tuf,
        "shows a second trust file that another store's root signed",
        (Sync, 18, "trust file", After::Unchanged),
        |scene| swap(scene, "trust/2", &scene.stage.stranger["trust/1"]),
    ),
    row(
        "mix-and-match, key list",
        Tuf,
        "shows the list of readers of generation 3",
        (Sync, 13, "key list", After::Unchanged),
        |scene| {
            let mine = of_mine(scene, "manifests/");
            swap(scene, &scene.newest().key_list(), &mine);
        },
    ),
    row(
        "mix-and-match, key file",
        Tuf,
        "shows another reader's key file",
        (Sync, 13, "key file", After::Kept),
        |scene| {
            let mine = of_mine(scene, "keys/");
            swap(scene, &scene.newest().key_file(), &mine);
        },
    ),
    row(
        "mix-and-match, carried file",
        Tuf,
        "shows another file in place of one that every replica carries",
        (Sync, 13, "carried file", After::Kept),
        |scene| {
            let mine = of_mine(scene, "manifests/");
            swap(scene, &scene.newest().carried_file(), &mine);
        },
    ),
    row(
        "mix-and-match, recipe",
        Tuf,
        "shows another file in place of a recipe: the pack is fetched as a whole",
        (Sync, 0, "-v: recipes of packs are of no use", After::Newest),
        |scene| {
            let mine = of_mine(scene, "manifests/");
            swap(scene, &scene.newest().recipe(), &mine);
        },
    ),
    row(
        "wrong file under a right name",
        Tuf,
        "shows a pack of generation 3, whole and right, under the name of another one",
        (Sync, 13, "is not what its hash says", After::Kept),
        |scene| {
            let mine = of_mine(scene, "packs/");
            swap(scene, &scene.newest().pack(), &mine);
        },
    ),
    row(
        "arbitrary software, one bit of a pack",
        Tuf,
        "changes one bit in the middle of a pack",
        (Sync, 13, "is not what its hash says", After::Kept),
        |scene| {
            let path = scene.newest().pack();
            let mut bytes = scene.stage.next[&path].clone();
            bytes[150_000] ^= 1;
            swap(scene, &path, &bytes);
        },
    ),
    row(
        "wrong bytes in what a recipe has fetched",
        Own,
        "changes the ranges that a repacked pack lacks",
        (Sync, 13, "is not what its hash says", After::Kept),
        |scene| {
            let newest = scene.newest();
            let pack = newest.store.packs().recipes[0].pack;
            let path = chunkstore::store::layout::pack(&pack).to_string();
            let bytes: Vec<u8> = scene.stage.next[&path].iter().map(|byte| byte ^ 1).collect();
            swap(scene, &path, &bytes);
        },
    ),
];

#[test]
fn mix_and_match() {
    super::play(ROWS);
}
