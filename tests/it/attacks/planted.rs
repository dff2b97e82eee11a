//! What the finder of a key may have put on it before it came back.

use chunkstore::base::StoreId;
use chunkstore::crypto::Secret;
use chunkstore::crypto::sign::SignKey;
use chunkstore::format::marker::Marker;
use chunkstore::format::trust::{SignedTrust, Trust, Writer};
use chunkstore::ops::status::status;

use super::List::Own;
use super::Verb::Sync;
use super::stage::{head_of, sign_head, sign_trust};
use super::{After, Row, row};

pub const ROWS: &[Row] = &[
    row(
        "planted on the key: an old HEAD",
        Own,
        "puts HEAD of generation 2 in place of the key's: its record says better",
        (Sync, 0, "", After::Newest),
        |scene| scene.plant("HEAD", &scene.stage.old["HEAD"]),
    ),
    row(
        "planted on the key: an old record under a new name",
        Own,
        "puts the record of generation 2 under the name of generation 9",
        (Sync, 0, "", After::Newest),
        |scene| scene.plant("heads/00000009", &scene.stage.old["HEAD"]),
    ),
    row(
        "planted on the key: a forged record",
        Own,
        "puts a record of generation 9 there that a key of its own signed",
        (Sync, 0, "", After::Newest),
        |scene| {
            let mut head = head_of(&scene.stage.mine).head;
            head.generation.0 = 9;
            scene.plant("heads/00000009", sign_head(&own(), head).bytes());
        },
    ),
    row(
        "planted on the key: the key went back as a whole",
        Own,
        "puts the key back to generation 2: the server has the newest, and this host remembers 3",
        (Sync, 0, "", After::Newest),
        |scene| {
            scene.uproot("heads/00000003");
            scene.plant("HEAD", &scene.stage.old["HEAD"]);
        },
    ),
    row(
        "planted on the key: `pending` of a key of its own",
        Own,
        "puts a `pending` there that a key of its own signed",
        (Sync, 0, "", After::Newest),
        |scene| {
            let mut head = head_of(&scene.stage.mine).head;
            head.generation.0 = 9;
            scene.plant("pending", sign_head(&own(), head).bytes());
        },
    ),
    row(
        "planted on the key: `pending` of another history",
        Own,
        "puts the other generation 4 there as `pending`, rightly signed",
        (Sync, 0, "", After::Newest),
        |scene| scene.plant("pending", &scene.stage.fork_next["HEAD"]),
    ),
    row(
        "planted on the key: a trust file of its own",
        Own,
        "adds a second trust file that its own root signed, and a newer record under it",
        (Sync, 0, "a newer record stands in heads/", After::Degraded),
        |scene| {
            let own = own();
            let first = SignedTrust::decode(&scene.stage.mine["trust/1"]).unwrap();
            let writers = vec![Writer { key: own.public(), ..first.trust.writers[0].clone() }];
            let (previous, roots) = (Some(first.hash()), vec![own.public()]);
            let trust = sign_trust(&[&own], Trust { version: 2, previous, roots, writers, ..first.trust });
            let mut head = head_of(&scene.stage.mine).head;
            (head.trust_version, head.trust, head.generation.0) = (2, trust.hash(), 9);
            scene.plant("trust/2", trust.bytes());
            scene.plant("heads/00000009", sign_head(&own, head).bytes());
        },
    ),
    row(
        "planted on the key: a whole store of its own",
        Own,
        "replaces the first trust file, HEAD and records by ones that its own root and writer signed, under the same store id",
        (Sync, 18, "its trust was replaced", After::Unchanged),
        |scene| {
            let own = own();
            let first = SignedTrust::decode(&scene.stage.mine["trust/1"]).unwrap();
            let writers = vec![Writer { key: own.public(), ..first.trust.writers[0].clone() }];
            let trust = sign_trust(&[&own], Trust { roots: vec![own.public()], writers, ..first.trust });
            let mut head = head_of(&scene.stage.mine).head;
            head.trust = trust.hash();
            let head = sign_head(&own, head);
            scene.plant("trust/1", trust.bytes());
            ["HEAD", "heads/00000003"].into_iter().for_each(|path| scene.plant(path, head.bytes()));
        },
    )
    .for_good(),
    row(
        "planted on the key: STORE of another store",
        Own,
        "puts another store's marker there",
        (Sync, 18, "the trust file is of another store", After::Unchanged),
        |scene| scene.plant("STORE", &Marker { store: StoreId([9; 16]) }.encode()),
    )
    .for_good(),
];

fn own() -> SignKey {
    SignKey::from_seed(&Secret::from_bytes([5; 32]))
}

#[test]
fn planted_on_the_key() {
    super::play(ROWS);
}

#[test]
fn what_nobody_signed_is_no_update_that_continues() {
    for (name, is_right) in [("a writer", true), ("nobody", false)] {
        let scene = super::stage::Scene::new();
        let mut head = head_of(&scene.stage.mine).head;
        head.generation.0 = 9;
        let key = if is_right { scene.stage.stolen().writer } else { own() };
        scene.plant("pending", sign_head(&key, head).bytes());
        let told = status(scene.key.disk.clone(), &[], &scene.key.state, scene.key.world.run()).unwrap();
        assert_eq!(told.unfinished.is_some(), is_right, "signed by {name}");
    }
}

#[test]
fn a_planted_record_is_never_what_opens() {
    let scene = super::stage::Scene::new();
    let mut head = head_of(&scene.stage.mine).head;
    head.generation.0 = 9;
    let forged = sign_head(&own(), head);
    ["heads/00000009", "HEAD", "HEAD.new", "pending"].into_iter().for_each(|path| scene.plant(path, forged.bytes()));
    let store = chunkstore::store::Store::open(scene.key.disk.clone()).unwrap();
    assert_eq!(store.head().bytes(), scene.stage.mine["HEAD"]);
}
