//! What a key file may not become.

use super::*;

#[test]
fn a_key_file_that_nobody_would_read_is_not_made() {
    let recipient = Identity::generate().recipient();
    let made = |len: usize| NewKeyFile::wrap(&recipient, KeyRole::Writer, &"x".repeat(len), KeyTag([1; 4]));
    let fits = KEY_FILE_MAX_BYTES as usize - 1024;
    assert!(u64::from(made(fits).unwrap().entry.len_bytes) <= KEY_FILE_MAX_BYTES);
    let refused = made(KEY_FILE_MAX_BYTES as usize).err();
    assert!(matches!(refused, Some(StoreError::TooMuch(_))), "{refused:?}");
}
