//! Several remotes, of which some are hostile, and one that says now this and now that.

use chunkstore::serve::Answer;

use super::List::{Own, Tuf};
use super::Verb::Sync;
use super::stage::Image;
use super::{After, Row, row};

pub const ROWS: &[Row] = &[
    row(
        "two remotes, of which one lags",
        Own,
        "one has generation 3, one the newest: no attack",
        (Sync, 0, "it only has generation 3 so far", After::Newest),
        |scene| {
            let mine = scene.stage.mine.clone();
            scene.add(&mine);
        },
    ),
    row(
        "two remotes, of which one is far behind",
        Own,
        "one has generation 2, from before the key was made, one the newest: no attack",
        (Sync, 0, "it only has generation 2 so far", After::Newest),
        |scene| {
            let old = scene.stage.old.clone();
            scene.add(&old);
        },
    ),
    row(
        "malicious mirror, wrong packs",
        Tuf,
        "one of two mirrors gives wrong bytes for every pack: the other's are taken",
        (Sync, 0, "taken from ftp://", After::Newest),
        |scene| {
            let next = scene.stage.next.clone();
            scene.add(&next);
            for path in super::stage::new_files(&next, &scene.stage.mine, "packs/") {
                let wrong: Vec<u8> = next[&path].iter().map(|byte| byte ^ 1).collect();
                scene.server.answer(&path, Answer::Bytes(wrong.into()));
            }
        },
    ),
    row(
        "malicious mirror, wrong small files",
        Tuf,
        "one of two mirrors gives a wrong carried file and a wrong key file",
        (Sync, 0, "", After::Newest),
        |scene| {
            let next = scene.stage.next.clone();
            scene.add(&next);
            for path in [scene.newest().carried_file(), scene.newest().key_file()] {
                scene.server.answer(&path, Answer::Bytes([7; 500][..].into()));
            }
        },
    ),
    row(
        "malicious mirror, packs said to be unreadable",
        Tuf,
        "one of two mirrors answers 451 to every pack: the other's are taken",
        (Sync, 0, "-v: taken from ftp://", After::Newest),
        |scene| {
            let next = scene.stage.next.clone();
            scene.add(&next);
            for path in super::stage::new_files(&next, &scene.stage.mine, "packs/") {
                scene.server.answer(&path, Answer::Failing);
            }
        },
    ),
    row(
        "malicious mirror, forged HEAD",
        Tuf,
        "one of two mirrors shows a HEAD whose signature does not hold: it is named and left aside",
        (Sync, 0, "left aside ftp://", After::Newest),
        |scene| {
            let next = scene.stage.next.clone();
            scene.add(&next);
            let text = String::from_utf8(next["HEAD"].clone()).unwrap();
            scene.server.put("HEAD", text.replace("\ntarget all\n", "\ntarget some\n").as_bytes());
        },
    ),
    row(
        "malicious mirror, gone back",
        Tuf,
        "one of two mirrors went back below what it showed: it is named and left aside",
        (Sync, 0, "went back to generation 2", After::Newest),
        |scene| {
            let next = scene.stage.next.clone();
            scene.add(&next);
            scene.server.show(&scene.stage.old);
        },
    ),
    row(
        "malicious mirror, another history",
        Tuf,
        "one of two mirrors shows another generation 3: it is named and left aside",
        (Sync, 0, "shows another history at generation 3", After::Newest),
        |scene| {
            let fork = scene.stage.fork.clone();
            scene.add(&fork);
        },
    ),
    row(
        "malicious mirror, foreign store and silence",
        Tuf,
        "of three mirrors one shows another store and one an empty directory",
        (Sync, 0, "it holds another store", After::Newest),
        |scene| {
            let stranger = scene.stage.stranger.clone();
            scene.add(&stranger);
            scene.add(&Image::new());
        },
    ),
    row(
        "equivocation by two remotes",
        Own,
        "two remotes show two histories of one generation, both rightly signed: neither is taken",
        (Sync, 18, "show two histories of one generation", After::Unchanged),
        |scene| {
            let other = scene.stage.publisher_at(&scene.stage.mine);
            other.rotate_trust();
            (0..3).for_each(|_| drop(other.commit(&[10_000])));
            let other = super::stage::image(&other.disk);
            scene.add(&other);
        },
    ),
    row(
        "equivocation by one remote",
        Own,
        "shows one generation 6, lacks a pack of it, and shows another generation 6 to whoever asks again",
        (Sync, 18, "shows another history at generation 6", After::Kept),
        |scene| {
            let other = scene.stage.publisher_at(&scene.stage.mine);
            other.rotate_trust();
            (0..3).for_each(|_| drop(other.commit(&[10_000])));
            let other = super::stage::image(&other.disk);
            scene.server.answer(&scene.newest().pack(), Answer::Missing);
            for (path, bytes) in other.iter().filter(|(path, _)| *path != "HEAD") {
                scene.server.put(path, bytes);
            }
            let head = other["HEAD"].as_slice().into();
            scene.server.faults.answer("/HEAD", &[Answer::File, Answer::Bytes(head)]);
        },
    ),
    row(
        "equivocation, less to whoever asks again",
        Own,
        "shows the newest generation, lacks a pack of it, and shows 3 to whoever asks again",
        (Sync, 18, "went back to generation 3", After::Kept),
        |scene| {
            scene.server.answer(&scene.newest().pack(), Answer::Missing);
            let head = scene.stage.mine["HEAD"].as_slice().into();
            scene.server.faults.answer("/HEAD", &[Answer::File, Answer::Bytes(head)]);
        },
    ),
];

#[test]
fn several_remotes() {
    super::play(ROWS);
}
