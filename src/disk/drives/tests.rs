//! What stands is found, and what nobody plugs in is left out.

use super::*;

#[test]
fn the_systems_disk_is_not_plugged_in() {
    show_no_dialogs();
    let mut drives = Drives::default();
    let found = drives.plugged();
    assert!(found.iter().all(|drive| drive.letter != 'C'), "{found:?}");
    assert_eq!(drives.plugged(), found, "a second look finds the same");
    assert!(calls::drive_letters() & bit('C') != 0);
    assert!(Volume::at(r"C:\").is_ok());
}
