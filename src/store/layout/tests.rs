//! Names are 8.3-safe and tell what they name.

use super::*;

fn is_short(path: &StorePath) -> bool {
    let (stem, ending) = path.file_name().split_once('.').unwrap_or((path.file_name(), ""));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase());
    stem.len() <= 8 && ending.len() <= 3 && plain(stem) && plain(ending)
}

#[test]
fn files_that_come_and_go_have_short_upper_case_names() {
    let mut hash = [0xab; 32];
    hash[0] = 0x0c;
    for path in [
        pack(&PackHash(hash)),
        manifest(&ManifestHash(hash)),
        key_list(&KeyListHash(hash)),
        recipe(&RecipeHash(hash)),
        carried_file(&FileHash(hash)),
        head_record(Generation(99_999_999)),
        trust(1),
    ] {
        assert!(is_short(&path), "{path}");
    }
    assert_eq!(pack(&PackHash(hash)).as_str(), "packs/0C/ABABABAB.ABA");
    assert_eq!(key_file(Epoch(1), KeyTag([0xde, 0xad, 0xbe, 0xef])).as_str(), "keys/00000001/DEADBEEF.age");
}

#[test]
fn a_record_tells_its_generation() {
    let generation = Generation(123_456_789);
    assert_eq!(head_record_generation(head_record(generation).file_name()), Some(generation));
    assert_eq!(head_record_generation("00000007"), Some(Generation(7)));
    for foreign in ["7", "0000000x", "._000007", "99999999999999999999999"] {
        assert_eq!(head_record_generation(foreign), None, "{foreign}");
    }
}
