//! Going back, and other histories.

use super::List::{Own, Tuf};
use super::Verb::{Clone, Sync};
use super::stage::Scene;
use super::{After, Row, row};

pub const ROWS: &[Row] = &[
    row(
        "rollback",
        Tuf,
        "shows generation 2 after 3",
        (Sync, 18, "went back to generation 2", After::Unchanged),
        |scene| scene.server.show(&scene.stage.old),
    ),
    row(
        "rollback, to a host that never saw the key",
        Tuf,
        "the same; the key itself tells what it has from there",
        (Sync, 18, "went back to generation 2", After::Unchanged),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.key.on_a_fresh_host();
        },
    ),
    row(
        "rollback, of a server that this host saw further",
        Tuf,
        "shows the key what the key has, after it showed this host more",
        (Sync, 18, "went back to generation 3", After::Unchanged),
        |scene| {
            let shown = super::head_of(&scene.stage.next);
            let address = scene.remotes[0].address();
            scene.key.state.saw(&address, &shown);
            scene.server.show(&scene.stage.mine);
        },
    ),
    row(
        "rollback, long after the old state expired",
        Tuf,
        "shows generation 2, whose HEAD has expired: that counts like any other",
        (Sync, 18, "went back to generation 2", After::Unchanged),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.wait_days(200);
        },
    ),
    row(
        "rollback, with --accept-older",
        Own,
        "shows generation 2, and a person says that this is meant",
        (Sync, 0, "went back from generation 3 to 2", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.accept_older = true;
        },
    ),
    row(
        "rollback, to a new key",
        Tuf,
        "shows a machine that never saw the store generation 2: nothing tells until that expires",
        (Clone, 0, "", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.key = crate::env::Key::empty(79);
        },
    ),
    row(
        "rollback, to a new key of a host that saw more",
        Tuf,
        "shows generation 2 to a machine that it showed generation 3 before",
        (Clone, 18, "went back to generation 2", After::None),
        |scene| {
            scene.server.show(&scene.stage.old);
            let shown = super::head_of(&scene.stage.mine);
            let address = scene.remotes[0].address();
            scene.new_key_where_was_seen(&address, &shown);
        },
    ),
    row(
        "rollback, to a new key, with --accept-older",
        Own,
        "the same, and a person says that this is meant",
        (Clone, 0, "went back from generation 3 to 2", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            let shown = super::head_of(&scene.stage.mine);
            let address = scene.remotes[0].address();
            scene.new_key_where_was_seen(&address, &shown);
            scene.accept_older = true;
        },
    ),
    row(
        "a lagging mirror, to a new key of a host that saw more",
        Own,
        "shows generation 2, and another server showed this machine generation 3: that is told of, and no attack",
        (Clone, 0, "-v: only has generation 2 so far, and this host saw 3", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            let shown = super::head_of(&scene.stage.mine);
            scene.new_key_where_was_seen("ftp://elsewhere/", &shown);
        },
    ),
    row(
        "fork, to a new key of a host that saw more",
        Tuf,
        "shows another generation 3 to a machine that saw one",
        (Clone, 18, "shows another history at generation 3", After::None),
        |scene| {
            let other = super::stage::sign_head(&scene.stage.stolen().writer, {
                let mut head = super::head_of(&scene.stage.mine).head;
                head.time = chunkstore::base::Timestamp(head.time.0 + 1);
                head
            });
            let shown = super::head_of(&scene.stage.mine);
            let address = scene.remotes[0].address();
            scene.server.show(&scene.stage.mine);
            scene.server.put("HEAD", other.bytes());
            scene.new_key_where_was_seen(&address, &shown);
        },
    ),
    row(
        "fork, the same generation",
        Tuf,
        "shows another generation 3, rightly signed",
        (Sync, 18, "shows another history at generation 3", After::Unchanged),
        |scene| scene.server.show(&scene.stage.fork),
    ),
    row(
        "fork, a newer generation",
        Tuf,
        "shows a generation 4, rightly signed, that does not follow from the key's 3",
        (Sync, 18, "shows a history that does not come from generation 3", After::Unchanged),
        |scene| scene.server.show(&scene.stage.fork_next),
    ),
    row(
        "fork, an older generation",
        Tuf,
        "shows the other generation 3 to a key that has moved on",
        (Sync, 18, "shows another history at generation 3", After::Newest),
        |scene| {
            let run = super::run_sync(scene);
            assert_eq!(run.code, 0, "{}", run.said);
            scene.key.on_a_fresh_host();
            let fork = scene.stage.fork.clone();
            scene.remotes.clear();
            scene.add(&fork);
        },
    ),
    row(
        "fork, with --accept-older",
        Own,
        "shows the other generation 3, and a person says that older is meant",
        (Sync, 18, "shows another history at generation 3", After::Unchanged),
        |scene| {
            scene.server.show(&scene.stage.fork);
            scene.accept_older = true;
        },
    ),
    row(
        "fork, a newer generation, with --accept-older",
        Own,
        "shows the other generation 4, and a person says that older is meant",
        (Sync, 18, "shows a history that does not come from generation 3", After::Unchanged),
        |scene| {
            scene.server.show(&scene.stage.fork_next);
            scene.accept_older = true;
        },
    ),
    row("foreign store", Own, "shows another store", (Sync, 18, "it holds another store", After::Unchanged), |scene| {
        scene.server.show(&scene.stage.stranger);
    }),
    row(
        "foreign store, to a new key",
        Own,
        "shows another store than the one whose fingerprint was given",
        (Clone, 18, "is not the one that was expected", After::None),
        |scene| {
            scene.server.show(&scene.stage.stranger);
            scene.key = crate::env::Key::empty(79);
        },
    ),
    row(
        "foreign trust under a right fingerprint",
        Own,
        "shows the right first trust file and the HEAD of another store",
        (Clone, 18, "it holds another store", After::None),
        |scene| {
            scene.server.show(&scene.stage.stranger);
            scene.server.put("trust/1", &scene.stage.next["trust/1"]);
            scene.key = crate::env::Key::empty(79);
        },
    ),
    row(
        "wrong path, a page of a web server",
        Own,
        "answers every name with a page that says 404",
        (Sync, 18, "its HEAD is no HEAD", After::Unchanged),
        |scene| scene.server.put("HEAD", b"<html><body>404 not found</body></html>"),
    ),
    row(
        "wrong path, nothing",
        Own,
        "shows an empty directory",
        (Sync, 10, "there is no store at", After::Unchanged),
        |scene| scene.server.show(&super::stage::Image::new()),
    ),
];

#[test]
fn rollback_and_fork() {
    super::play(ROWS);
}

#[test]
fn a_scene_that_nobody_attacks_ends_well() {
    let mut scene = Scene::new();
    let ended = super::run_sync(&mut scene);
    assert_eq!(ended.code, 0, "{}", ended.said);
    scene.key.assert_holds(&super::head_of(&scene.stage.next));
}
