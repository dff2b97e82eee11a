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

#[test]
fn a_bell_is_hung_and_taken_down_and_where_there_is_none_looks_have_to_do() {
    let (sender, heard) = std::sync::mpsc::channel::<()>();
    let bell = Bell::hang(move || {
        let _ = sender.send(());
    });
    println!("the system tells of volumes: {}", bell.is_some());
    drop(bell);
    assert!(heard.try_iter().count() < 100);
    assert_eq!(heard.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected), "nothing can ring any more");
}
