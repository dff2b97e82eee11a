//! Service refused, wholly or in part.

use chunkstore::serve::{Answer, Fault};

use super::List::{Tuf, Uptane};
use super::Verb::Sync;
use super::{After, Row, row};

pub const ROWS: &[Row] = &[
    row("deny", Uptane, "refuses every connection", (Sync, 14, "connect to ftp://", After::Unchanged), |scene| {
        scene.server.strike(Fault::RefuseConnection);
    }),
    row(
        "drop-request",
        Uptane,
        "hangs up whenever a file is asked for",
        (Sync, 14, "HEAD at ftp://", After::Unchanged),
        |scene| scene.server.strike(Fault::HangUp { verb: "RETR" }),
    ),
    row(
        "drop-request, trust",
        Uptane,
        "leaves out the trust file that the newest HEAD stands under",
        (Sync, 18, "it lacks the trust file 2", After::Unchanged),
        |scene| scene.server.answer("trust/2", Answer::Missing),
    ),
    row(
        "drop-request, manifest",
        Uptane,
        "leaves out a manifest",
        (Sync, 13, "the remote lacks manifest", After::Unchanged),
        |scene| scene.server.answer(&scene.newest().manifest(), Answer::Missing),
    ),
    row("drop-request, pack", Uptane, "leaves out a pack", (Sync, 13, "the remote lacks pack", After::Kept), |scene| {
        scene.server.answer(&scene.newest().pack(), Answer::Missing);
    }),
    row(
        "drop-request, recipe",
        Uptane,
        "leaves out a recipe: the pack is fetched as a whole",
        (Sync, 0, "-v: recipes of packs are of no use", After::Newest),
        |scene| scene.server.answer(&scene.newest().recipe(), Answer::Missing),
    ),
    row(
        "drop-request, a pack said to be unreadable",
        Uptane,
        "answers 451 to a pack, as a server with a bad sector does: the others come",
        (Sync, 14, "The disk failed", After::Kept),
        |scene| scene.server.answer(&scene.newest().pack(), Answer::Failing),
    ),
    row(
        "drop-request, every file but HEAD and trust said to be unreadable",
        Uptane,
        "answers 451 to whatever the newest state leads to",
        (Sync, 14, "The disk failed", After::Unchanged),
        |scene| {
            let next = scene.stage.next.keys().filter(|path| *path != "HEAD" && !path.starts_with("trust/"));
            next.for_each(|path| scene.server.answer(path, Answer::Failing));
        },
    ),
    row(
        "drop-request, a recipe said to be unreadable",
        Uptane,
        "answers 451 to a recipe: the pack is fetched as a whole",
        (Sync, 0, "-v: recipes of packs are of no use", After::Newest),
        |scene| scene.server.answer(&scene.newest().recipe(), Answer::Failing),
    ),
    row(
        "partial bundle installation",
        Uptane,
        "gives a part of each pack and breaks off, for ever",
        (Sync, 14, "packs/", After::Kept),
        |scene| {
            for path in super::stage::new_files(&scene.stage.next, &scene.stage.mine, "packs/") {
                let bytes = scene.stage.next[&path][..100].into();
                scene.server.answer(&path, Answer::Reset(bytes));
            }
        },
    ),
    row(
        "partial bundle installation, short files called whole",
        Uptane,
        "gives a part of each file and calls it all of it",
        (Sync, 13, "", After::Kept),
        |scene| {
            for path in super::stage::new_files(&scene.stage.next, &scene.stage.mine, "packs/") {
                let bytes = scene.stage.next[&path][..10_000].into();
                scene.server.answer(&path, Answer::Bytes(bytes));
            }
        },
    ),
    row(
        "mixed-bundles",
        Uptane,
        "takes a pack of the state that was there away while it gives the new ones",
        (Sync, 0, "", After::Newest),
        |scene| {
            // The key has that pack, so nobody asks for it.
            for path in super::stage::new_files(&scene.stage.mine, &scene.stage.old, "packs/") {
                scene.server.answer(&path, Answer::Missing);
            }
        },
    ),
    row(
        "a HEAD that is torn for a moment",
        Tuf,
        "shows half of HEAD, then none, then the whole: as a publisher's server may",
        (Sync, 0, "", After::Newest),
        |scene| {
            let half = scene.stage.next["HEAD"][..200].into();
            scene.server.faults.answer("/HEAD", &[Answer::Bytes(half), Answer::Missing, Answer::File]);
        },
    ),
];

#[test]
fn deny_drop_and_partial() {
    super::play(ROWS);
}
