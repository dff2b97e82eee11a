//! What comes of a file of this host that two runs changed at a time: each began with the same one, learned something of its own, and
//! saves.
//!
//! A part that one run left as it was stays what the other made of it, also where that was to forget it.

use std::collections::BTreeMap;

/// Returns what comes of one part: what this run made of `was`, unless it did nothing, or another run did something that `prevails`.
#[must_use]
pub fn settled<T: PartialEq>(was: &T, mine: T, theirs: T, prevails: impl FnOnce(&T, &T) -> bool) -> T {
    let is_theirs = mine == *was || (theirs != *was && prevails(&theirs, &mine));
    if is_theirs { theirs } else { mine }
}

/// Does the same for each thing of a map; `both` settles what both sides have, and what one of them forgot stays where the other
/// changed it.
pub fn settled_each<T: Clone + Default + PartialEq>(
    was: &BTreeMap<String, T>,
    mine: BTreeMap<String, T>,
    mut theirs: BTreeMap<String, T>,
    both: impl Fn(&T, T, T) -> T,
) -> BTreeMap<String, T> {
    let mut merged = BTreeMap::new();
    for key in was.keys().filter(|key| !mine.contains_key(*key)) {
        // Forgotten here, unless another run changed it meanwhile.
        if theirs.get(key) == was.get(key) {
            theirs.remove(key);
        }
    }
    for (key, own) in mine {
        let before = was.get(&key).cloned().unwrap_or_default();
        match theirs.remove(&key) {
            Some(other) => {
                merged.insert(key, both(&before, own, other));
            }
            None if was.contains_key(&key) && own == before => {}
            None => {
                merged.insert(key, own);
            }
        }
    }
    merged.append(&mut theirs);
    merged
}
