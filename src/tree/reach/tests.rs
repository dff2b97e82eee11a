//! Each object is told once, and what is lost is told.

use super::*;
use crate::format::Kind;
use crate::tree::handmade::{Handmade, dir, file};

#[derive(Default)]
struct Told {
    kinds: Vec<Kind>,
    lost: usize,
}

impl Visitor for Told {
    fn object(&mut self, place: &Place) -> Result<(), StoreError> {
        self.kinds.push(place.entry.kind);
        Ok(())
    }

    fn lost(&mut self, _: &Pointer, error: StoreError) -> Result<(), StoreError> {
        assert!(matches!(error, StoreError::Corrupt { .. }));
        self.lost += 1;
        Ok(())
    }
}

#[test]
fn what_many_places_name_is_told_once_and_later_roots_tell_what_they_add() {
    let mut made = Handmade::new();
    let chunk = made.put(Kind::Chunk, b"content");
    let extent = |offset, len_bytes| Extent { chunk, offset, len_bytes };
    let content = Content::Inline(vec![extent(0, 3), extent(3, 4)]);
    let mut with_content = file("f", 1);
    with_content.node = Node::File { len_bytes: 7, content };
    let list = made.put(Kind::List, &ListNode::Leaf(vec![extent(0, 7)]).encode());
    let mut with_list = file("g", 2);
    with_list.node = Node::File { len_bytes: 7, content: Content::List(list) };
    // Each level names the one below twice; told once each, or this would not end.
    let leaf = made.dir(vec![with_content, with_list]);
    let root = (0..60).fold(leaf, |below, at| made.dir(vec![dir("a", 2 * at + 3, below), dir("b", 2 * at + 4, below)]));
    let lost = Pointer { id: crate::base::ObjectId([9; 32]), ..leaf };
    let later = made.dir(vec![dir("a", 1000, root), dir("b", 1001, lost)]);
    let reader = made.reader();
    let (mut met, mut told) = (Met::default(), Told::default());
    reach(&reader, &root, &mut met, &mut told).unwrap();
    let count = |told: &Told, kind| told.kinds.iter().filter(|&&each| each == kind).count();
    assert_eq!([Kind::Tree, Kind::List, Kind::Chunk].map(|kind| count(&told, kind)), [61, 1, 1]);
    assert_eq!(told.lost, 0);
    let mut told = Told::default();
    reach(&reader, &later, &mut met, &mut told).unwrap();
    assert_eq!((told.kinds, told.lost), (vec![Kind::Tree], 1));
}
