//! What a writer who keeps no rules may do to the order of a purge.

use chunkstore::base::{Generation, PackHash};
use chunkstore::ops::local_keys::KeyDir;
use chunkstore::ops::purge::status::status;
use chunkstore::ops::verify::{ProblemKind, VerifyRequest, verify};
use chunkstore::store::order::Order;

use super::stage::forge;
use crate::env::Publisher;

/// A state whose manifest lists some of the parts of an order.
fn ordered(parts: std::ops::Range<usize>) -> Publisher {
    let publisher = Publisher::new(1);
    publisher.commit(&[1000]);
    let store = publisher.open();
    let writer = KeyDir::new(&publisher.keys(), publisher.id).load_writer(&|_| unreachable!()).unwrap().unwrap();
    let (keys, _) = store.unlock_writer(&writer.identities()).unwrap();
    let packs = (0..9000_u32).map(|at| PackHash(*blake3::hash(&at.to_le_bytes()).as_bytes())).collect();
    let generation = Generation(store.head().head.generation.0 + 1);
    let order = Order { generation, packs, ..Order::default() };
    let files = order.write(publisher.disk.as_ref(), publisher.id, &keys, &writer.signer()).unwrap();
    assert_eq!(files.len(), 3);
    forge(&publisher, |manifest, _| {
        manifest.files.extend(&files[parts]);
        manifest.files.sort_unstable_by_key(|file| (file.kind, file.hash));
    });
    publisher
}

// S17: what the missing part orders is known to nobody, so nobody may say that all of it is gone.
#[test]
fn an_order_without_all_of_its_parts_is_named() {
    for (parts, is_whole) in [(0..3, true), (0..2, false), (2..3, false)] {
        let publisher = ordered(parts.clone());
        let told = status(&publisher.disk, &[], publisher.world.run()).unwrap();
        assert_eq!(told.lacks.is_none(), is_whole, "{parts:?}: {:?}", told.lacks);
        let report = verify(publisher.disk.clone(), &VerifyRequest::default(), publisher.world.run()).unwrap();
        let found = report.findings.iter().find(|found| found.kind == ProblemKind::CarriedFile);
        assert_eq!(found.is_none(), is_whole, "{parts:?}: {:?}", report.findings);
        if !is_whole {
            assert_eq!(told.is_clear(), Some(false));
            assert!(told.lacks.unwrap().contains("of its 3 parts"));
        }
    }
}
