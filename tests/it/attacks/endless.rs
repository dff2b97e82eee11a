//! Files that never end, and answers that never come.

use chunkstore::serve::{Answer, Fault};

use super::List::{Own, Tuf};
use super::Verb::Sync;
use super::stage::Scene;
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
];

#[test]
fn endless_and_slow() {
    super::play(ROWS);
}
