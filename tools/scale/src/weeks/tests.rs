//! The folder changes in part, and what is counted adds up.

use std::collections::BTreeMap;

use super::*;

fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = xtask::content::files_below(root).unwrap();
    files.into_iter().map(|file| (file.display().to_string(), std::fs::read(file).unwrap())).collect()
}

#[test]
fn a_week_changes_some_files_and_a_seed_says_which() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut archives = dirs.each_ref().map(|dir| Archive::new(dir.path(), 16 << 20, 3).unwrap());
    let before = contents(dirs[0].path());
    archives.iter_mut().for_each(|archive| archive.change().unwrap());
    let after = contents(dirs[0].path());
    let same = after.iter().filter(|(name, content)| before.get(*name) == Some(content)).count();
    assert!(same * 2 > after.len() && same < after.len() && after.len() == before.len(), "{same} of {}", after.len());
    assert!(contents(dirs[1].path()).into_values().eq(after.into_values()), "two folders of one seed differ");
}
