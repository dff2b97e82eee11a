//! Rights as `ls -l` shows them.

use super::rights;

#[test]
fn rights_are_shown_as_ls_does() {
    for (mode, text) in [
        (0o644, "rw-r--r--"),
        (0o755, "rwxr-xr-x"),
        (0o4755, "rwsr-xr-x"),
        (0o2644, "rw-r-Sr--"),
        (0o1777, "rwxrwxrwt"),
        (0, "---------"),
    ] {
        assert_eq!(rights(mode), text, "{mode:o}");
    }
}
