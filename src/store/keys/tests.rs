//! What a key file may not become.

use super::*;
use crate::disk::SimDisk;
use crate::disk::sim::Profile;

#[test]
fn a_key_file_that_nobody_would_read_is_not_made() {
    let recipient = Identity::generate().recipient();
    let made = |len: usize| NewKeyFile::wrap(&recipient, KeyRole::Writer, &"x".repeat(len), KeyTag([1; 4]));
    let fits = KEY_FILE_MAX_BYTES as usize - 1024;
    assert!(u64::from(made(fits).unwrap().entry.len_bytes) <= KEY_FILE_MAX_BYTES);
    let refused = made(KEY_FILE_MAX_BYTES as usize).err();
    assert!(matches!(refused, Some(StoreError::TooMuch(_))), "{refused:?}");
}

#[test]
fn the_newest_epoch_here_is_that_of_a_folder_whatever_leads_to_it() {
    let disk = SimDisk::new(Profile::Fat32);
    assert_eq!(newest_key_dir(&disk).unwrap(), Epoch(0), "there is no folder at all");
    disk.create_dir(&layout::keys_dir()).unwrap();
    for epoch in [3, 7, 5] {
        disk.create_dir(&layout::key_dir(Epoch(epoch))).unwrap();
    }
    assert_eq!(newest_key_dir(&disk).unwrap(), Epoch(7));
    // Whoever takes nearly all numbers leaves none to nobody.
    for epoch in [u32::MAX, PASSED_EPOCH_MAX.0 + 1] {
        disk.create_dir(&layout::key_dir(Epoch(epoch))).unwrap();
    }
    assert_eq!(newest_key_dir(&disk).unwrap(), Epoch(7));
}
