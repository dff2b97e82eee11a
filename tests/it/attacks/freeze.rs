//! Standing still, and clocks.

use super::List::{Own, Tuf};
use super::Verb::{Clone, Sync};
use super::{After, Row, row};

pub const ROWS: &[Row] = &[
    row("freeze", Tuf, "shows generation 3 for ever, 91 days long", (Sync, 19, "", After::Unchanged), |scene| {
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
        (Sync, 19, "", After::Newest),
        |scene| scene.wait_days(120),
    ),
    row(
        "freeze, of a new key",
        Tuf,
        "shows a machine that never saw the store a state that has expired",
        (Clone, 19, "", After::Older),
        |scene| {
            scene.server.show(&scene.stage.old);
            scene.key = crate::env::Key::empty(79);
            scene.wait_days(120);
        },
    ),
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
