//! Standing still, and clocks.

use chunkstore::base::{Generation, Timestamp};
use chunkstore::format::trust::{SignedTrust, Trust};
use chunkstore::store::pack::create_immutable;
use chunkstore::store::{Store, layout};

use super::List::{Own, Tuf};
use super::Verb::{Clone, Sync};
use super::stage::{Image, Scene, forge, image, sign_head, sign_trust};
use super::{After, Row, row};

/// The newest state, held to a group that the key is not in.
fn staged(scene: &Scene, floor: u64) -> Image {
    let publisher = scene.stage.publisher_at(&scene.stage.next);
    forge(&publisher, |_, head| (head.group, head.floor) = ("early".parse().unwrap(), Generation(floor)));
    image(&publisher.disk)
}

pub const ROWS: &[Row] = &[
    row("freeze", Tuf, "shows generation 3 for ever, 91 days long", (Sync, 19, "stale: the publisher no longer vouches", After::Unchanged), |scene| {
        scene.server.show(&scene.stage.mine);
        scene.wait_days(91);
    }),
    row(
        "freeze, not yet expired",
        Tuf,
        "shows generation 3 for ever: for 90 days nothing tells that from a publisher who has nothing new",
        (Sync, 0, "", After::Unchanged),
        |scene| {
            scene.server.show(&scene.stage.mine);
            scene.wait_days(89);
        },
    ),
    row(
        "freeze, at a state that is new and expired",
        Tuf,
        "shows a newer generation that it held back until it expired: it is taken, and called stale",
        (Sync, 19, "stale: the publisher no longer vouches", After::Newest),
        |scene| scene.wait_days(120),
    ),
    row(
        "freeze, behind a release for others",
        Own,
        "shows a release that is held to a group of keys for ever: others stay where they are, and know it when that has expired",
        (Sync, 19, "stale: the publisher no longer vouches", After::Unchanged),
        |scene| {
            let image = staged(scene, 3);
            scene.server.show(&image);
            scene.wait_days(91);
        },
    )
    .for_good(),
    row(
        "mix-and-match, the floor of a held release",
        Own,
        "shows a release that is held to a group of keys, and as the state for all others one of another history, rightly signed",
        (Sync, 18, "another generation 4 than the one that its HEAD comes from", After::Unchanged),
        |scene| {
            let (mut image, path) = (staged(scene, 4), layout::head_record(Generation(4)).to_string());
            image.insert(path.clone(), scene.stage.fork_next[&path].clone());
            scene.server.show(&image);
        },
    )
    .for_good(),
    row(
        "denial, the floor of a held release",
        Own,
        "shows a release that is held to a group of keys, and nothing for all others",
        (Sync, 13, "the remote lacks heads/", After::Unchanged),
        |scene| {
            let mut image = staged(scene, 4);
            image.remove(layout::head_record(Generation(4)).as_str()).unwrap();
            scene.server.show(&image);
        },
    )
    .for_good(),
    row(
        "freeze, of a new key",
        Tuf,
        "shows a machine that never saw the store a state that has expired",
        (Clone, 19, "stale: the publisher no longer vouches", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.key = crate::env::Key::empty(79);
            scene.wait_days(120);
        },
    ),
    row(
        "freeze, of a machine whose clock stands in 1970",
        Own,
        "has a stolen key sign a HEAD that had expired when the trust file it stands under was made: that tells the time",
        (Sync, 19, "stale: the publisher no longer vouches", After::Forged),
        |scene| {
            let publisher = scene.stage.publisher_at(&scene.stage.next);
            let last = SignedTrust::decode(&scene.stage.next["trust/2"]).unwrap();
            let (previous, time) = (Some(last.hash()), last.trust.time.plus_secs(100 * 24 * 3600));
            let trust = sign_trust(&[&scene.stage.stolen().root], Trust { version: 3, previous, time, ..last.trust });
            create_immutable(publisher.disk.as_ref(), &layout::trust(3), trust.bytes()).unwrap();
            forge(&publisher, |_, head| (head.trust_version, head.trust) = (3, trust.hash()));
            scene.server.show(&image(&publisher.disk));
            scene.set_clock(Timestamp(0));
        },
    )
    .for_good(),
    row(
        "freeze, after the clock was set back",
        Own,
        "shows generation 3 to a key that lost its newest state, on a host that saw a newer one signed after 3 had expired",
        (Sync, 19, "stale: the publisher no longer vouches", After::Unchanged),
        |scene| {
            let store = Store::open(scene.key.disk.clone()).unwrap();
            let mut head = store.head().head.clone();
            (head.generation.0, head.time) = (4, head.expires.plus_secs(1));
            let newer = sign_head(&scene.stage.stolen().writer, head);
            scene.key.state.met(&store, &newer);
            scene.server.show(&scene.stage.mine);
            scene.set_clock(Timestamp(0));
        },
    ),
    row(
        "a HEAD that is signed in 2200",
        Own,
        "has a stolen key sign a HEAD far in the future: taken and told, and no bound for what comes after it",
        (Sync, 0, "the state was signed", After::Forged),
        |scene| {
            let publisher = scene.stage.publisher_at(&scene.stage.next);
            forge(&publisher, |_, head| {
                head.time = "2200-01-01T00:00:00Z".parse().unwrap();
                head.expires = "2200-04-01T00:00:00Z".parse().unwrap();
            });
            scene.server.show(&image(&publisher.disk));
        },
    )
    .for_good(),
    row(
        "after a HEAD that was signed in 2200",
        Own,
        "shows the right next generation: its time counts, and it is not stale",
        (Sync, 0, "", After::Recovered),
        |scene| {
            let publisher = scene.stage.publisher_at(&scene.stage.next);
            let ours = forge(&publisher, |_, _| ());
            let publisher = scene.stage.publisher_at(&scene.stage.next);
            forge(&publisher, |_, head| {
                head.time = "2200-01-01T00:00:00Z".parse().unwrap();
                head.expires = head.time;
            });
            scene.server.show(&image(&publisher.disk));
            assert_eq!(super::run_sync(scene).code, 0);
            forge(&publisher, |_, head| (head.time, head.expires) = (ours.head.time, ours.head.expires));
            scene.server.show(&image(&publisher.disk));
        },
    )
    .for_good(),
    row(
        "freeze, by one of two remotes",
        Own,
        "shows generation 3 while another remote has the newest",
        (Sync, 0, "it only has generation 3 so far", After::Newest),
        |scene| {
            scene.server.show(&scene.stage.mine);
            let next = scene.stage.next.clone();
            scene.add(&next);
        },
    ),
];

#[test]
fn freeze() {
    super::play(ROWS);
}
