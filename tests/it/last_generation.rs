//! A writer that signs the last generation that there can be: every verb says so, and none counts past it.

use chunkstore::base::Generation;
use chunkstore::crypto::sign::Purpose;
use chunkstore::error::ErrorKind;
use chunkstore::format::head::{Head, SignedHead};
use chunkstore::ops::host_state::HostState;
use chunkstore::ops::push::{PushRequest, push};
use chunkstore::remote::mem::MemRemote;
use chunkstore::store::{Store, head, layout};

use super::env::arc;
use super::scene::Scene;

/// Makes the newest state one of the last generation.
fn at_the_end() -> Scene {
    let scene = Scene::new();
    scene.write("a", b"one");
    scene.commit("one").unwrap();
    let store = Store::open(scene.shared_disk()).unwrap();
    let last = Head { generation: Generation(u64::MAX), ..store.head().head.clone() };
    let signature = scene.writer().signer().sign(Purpose::Head, &last.encode_body());
    head::swing(&scene.disk, &SignedHead::new(last, signature)).unwrap();
    scene
}

#[test]
fn a_commit_on_the_last_generation_is_refused() {
    let scene = at_the_end();
    scene.write("b", b"two");
    let error = scene.commit("two").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotTrusted, "{error}");
    assert!(error.in_full().contains("last generation"), "{}", error.in_full());
    assert_eq!(Store::open(scene.shared_disk()).unwrap().head().head.generation, Generation(u64::MAX));
    assert_eq!(scene.restore("/", "out").unwrap().damaged, 0, "what is there can still be read");
}

#[test]
fn a_push_of_the_last_generation_onto_a_torn_head_is_refused() {
    let scene = at_the_end();
    let remote = MemRemote::new();
    remote.plant(&layout::head(), b"torn");
    let pushed =
        push(&scene.shared_disk(), &arc(&remote), &PushRequest::default(), &mut HostState::default(), scene.run());
    assert_eq!(pushed.unwrap_err().kind(), ErrorKind::NotTrusted);
}
