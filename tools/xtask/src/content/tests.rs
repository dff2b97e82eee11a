//! The folders that are measured have the shape that they promise.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

use super::*;

#[test]
fn a_tree_has_its_files_and_most_of_them_in_few_directories() {
    let dir = tempfile::tempdir().unwrap();
    tree(&dir.path().join("one"), 3000, &mut Draw::new(1)).unwrap();
    let files = files_below(&dir.path().join("one")).unwrap();
    assert_eq!(files.len(), 3000);
    let mut sizes: BTreeMap<_, u64> = BTreeMap::new();
    files.iter().for_each(|file| *sizes.entry(file.parent().unwrap().to_owned()).or_default() += 1);
    let mut sizes: Vec<_> = sizes.into_values().collect();
    sizes.sort_unstable();
    let (few, half) = (sizes[sizes.len() / 2], sizes.iter().rev().take(sizes.len() / 10).sum::<u64>());
    assert!(few <= 4, "the middle directory holds {few}");
    assert!(half > 900, "a tenth of the directories holds {half}");
}

#[test]
fn a_tree_follows_from_its_seed() {
    let dir = tempfile::tempdir().unwrap();
    let made = |name: &str, seed| {
        let root = dir.path().join(name);
        tree(&root, 300, &mut Draw::new(seed)).unwrap();
        let files = files_below(&root).unwrap();
        let content = |file: &PathBuf| (file.strip_prefix(&root).unwrap().to_owned(), std::fs::read(file).unwrap());
        files.iter().map(content).collect::<BTreeMap<_, _>>()
    };
    let one = made("one", 5);
    assert_eq!(one, made("two", 5));
    assert_ne!(one, made("three", 6));
}

#[test]
fn a_sparse_file_takes_the_room_of_its_islands() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    sparse(&path, 4 << 30, &mut Draw::new(1)).unwrap();
    let metadata = path.metadata().unwrap();
    assert_eq!(metadata.len(), 4 << 30);
    assert!((1 << 20..64 << 20).contains(&(metadata.blocks() * 512)), "{} blocks", metadata.blocks());
}
