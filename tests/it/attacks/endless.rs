//! Files that never end, and answers that never come.

use chunkstore::base::{Epoch, Generation, KeyListHash, ManifestHash};
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::SignKey;
use chunkstore::format::head::Head;
use chunkstore::format::keylist::{KeyEntry, KeyList, KeyRole, KeyTag};
use chunkstore::format::manifest::{Base, KeyShards, Manifest};
use chunkstore::serve::{Answer, Fault};
use chunkstore::store::layout;

use super::List::{Own, Tuf};
use super::Verb::{Push, Sync};
use super::stage::{Scene, sign_head};
use super::{After, Row, row};

/// Has a file go on for ever after its own bytes.
fn endless(scene: &Scene, path: &str) {
    scene.server.answer(path, Answer::Endless(scene.stage.next[path].clone().into()));
}

/// Has a file consist of zeros without an end.
fn zeros(scene: &Scene, path: &str) {
    scene.server.answer(path, Answer::Endless([][..].into()));
}

fn crawl(scene: &mut Scene, path: &str, after_bytes: usize) {
    scene.server.answer(path, Answer::Crawl(scene.stage.next[path][..after_bytes].into()));
    scene.be_impatient();
}

fn made_up_history(scene: &mut Scene) {
    let purged = scene.purge_and_push();
    let (id, name) = (scene.stage.id(), |at: u32| *blake3::hash(&at.to_le_bytes()).as_bytes());
    let entries = (0..20_000_u32).map(|at| KeyEntry {
        tag: KeyTag(at.to_be_bytes()),
        role: KeyRole::Reader,
        len_bytes: 420,
        hash: [0; 32],
    });
    let list =
        KeyList { clash_counter: 0, epoch: Epoch(1), shard: 0, shards: 1, entries: entries.collect() }.encode(id);
    let list_hash = KeyListHash(name(u32::MAX));
    scene.server.put(layout::key_list(&list_hash).as_str(), &list);
    let top = scene.newest().store.packs().top.clone();
    for at in 0..300 {
        let base = Base { depth: 1, hash: ManifestHash(name(at + 1)), len_bytes: 4096 };
        let shards = vec![(list_hash, list.len() as u64)];
        let key_lists = vec![KeyShards { epoch: Epoch(1), shards }];
        let made_up = Manifest { base: Some(base), key_lists, ..top.clone() };
        scene.server.put(layout::manifest(&ManifestHash(name(at))).as_str(), &made_up.encode(id));
    }
    let key = SignKey::from_seed(&Secret::from_bytes([5; 32]));
    let head = Head { generation: Generation(2), manifest: ManifestHash(name(0)), ..purged.head };
    scene.server.put("heads/00000002", sign_head(&key, head).bytes());
}

pub const ROWS: &[Row] = &[
    row(
        "endless data, HEAD",
        Tuf,
        "sends a HEAD that never ends: 4 KiB of it are read",
        (Sync, 18, "its HEAD is no HEAD", After::Unchanged),
        |scene| endless(scene, "HEAD"),
    ),
    row(
        "endless data, trust file",
        Tuf,
        "sends a trust file that never ends",
        (Sync, 18, "trust", After::Unchanged),
        |scene| endless(scene, "trust/2"),
    ),
    row(
        "endless data, manifest",
        Tuf,
        "sends a manifest that never ends",
        (Sync, 13, "is damaged", After::Unchanged),
        |scene| endless(scene, &scene.newest().manifest()),
    ),
    row(
        "endless data, key list",
        Tuf,
        "sends a list of readers that never ends",
        (Sync, 13, "key list", After::Unchanged),
        |scene| endless(scene, &scene.newest().key_list()),
    ),
    row(
        "endless data, key file",
        Tuf,
        "sends a key file that never ends",
        (Sync, 13, "key file", After::Kept),
        |scene| endless(scene, &scene.newest().key_file()),
    ),
    row(
        "endless data, carried file",
        Tuf,
        "sends a carried file that never ends",
        (Sync, 13, "carried file", After::Kept),
        |scene| endless(scene, &scene.newest().carried_file()),
    ),
    row(
        "endless data, recipe",
        Tuf,
        "sends a recipe that never ends: the pack is fetched as a whole",
        (Sync, 0, "-v: recipes of packs are of no use", After::Newest),
        |scene| endless(scene, &scene.newest().recipe()),
    ),
    row(
        "endless data, after a right pack",
        Tuf,
        "sends a pack and never ends: the pack is what was asked for, and the rest is not read",
        (Sync, 0, "", After::Newest),
        |scene| endless(scene, &scene.newest().pack()),
    ),
    row(
        "endless data, in place of a pack",
        Tuf,
        "sends zeros without an end in place of a pack",
        (Sync, 13, "is not what its hash says", After::Kept),
        |scene| zeros(scene, &scene.newest().pack()),
    ),
    row(
        "endless data, a directory",
        Own,
        "lists directories without an end: nothing is ever listed on a server",
        (Sync, 0, "", After::Newest),
        |scene| ["LIST", "NLST", "MLSD"].into_iter().for_each(|verb| scene.server.strike(Fault::Flood { verb })),
    ),
    row(
        "endless data, an answer",
        Own,
        "answers a command with a line that never ends",
        (Sync, 14, "", After::Unchanged),
        |scene| scene.server.strike(Fault::Flood { verb: "RETR" }),
    ),
    row(
        "slow retrieval, HEAD",
        Tuf,
        "sends a byte of HEAD now and then: given up after --timeout",
        (Sync, 14, "HEAD at ftp://", After::Unchanged),
        |scene| crawl(scene, "HEAD", 10),
    ),
    row(
        "slow retrieval, manifest",
        Tuf,
        "sends a byte of a manifest now and then",
        (Sync, 14, "manifests/", After::Unchanged),
        |scene| {
            let path = scene.newest().manifest();
            crawl(scene, &path, 10);
        },
    ),
    row(
        "slow retrieval, pack",
        Tuf,
        "sends a byte of a pack now and then",
        (Sync, 14, "packs/", After::Kept),
        |scene| {
            let path = scene.newest().pack();
            crawl(scene, &path, 100_000);
        },
    ),
    row(
        "slow retrieval, silence",
        Tuf,
        "takes connections and never says a word",
        (Sync, 14, "connect to", After::Unchanged),
        |scene| {
            scene.server.strike(Fault::Silence { verb: "" });
            scene.be_impatient();
        },
    ),
    row(
        "slow retrieval, an answer",
        Own,
        "answers a command with a byte now and then",
        (Sync, 14, "", After::Unchanged),
        |scene| {
            scene.server.strike(Fault::Drip { verb: "RETR" });
            scene.be_impatient();
        },
    ),
    row(
        "endless data, records of before a purge",
        Own,
        "gives a push after a purge a record of its own, which leads to manifests without an end and to key files by the \
         thousand: what the store's history does not lead to is not followed",
        (Push, 0, "", After::Unchanged),
        made_up_history,
    )
    .for_good(),
];

#[test]
fn endless_and_slow() {
    super::play(ROWS);
}
