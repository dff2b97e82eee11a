//! What can be said of a key's folder without building for an hour.

use super::{NOTE, SCRIPTS, needs_a_loader, note_of};
use crate::tidy::repository_root;

#[test]
fn a_note_names_whom_to_turn_to_and_ends_its_lines_for_every_viewer() {
    let note = std::fs::read_to_string(repository_root().join("tools/dist").join(NOTE)).unwrap();
    let note = note_of(&note, "call 12345", "9.9.9");
    assert!(note.contains("give it back: call 12345\r\n") && note.contains("Version 9.9.9.\r\n"), "{note}");
    assert!(!note.contains('{') && note.matches('\n').count() == note.matches("\r\n").count());
    for script in SCRIPTS {
        assert!(note.contains(script), "{script}");
    }
}

#[test]
fn a_program_that_names_a_loader_is_told_from_one_that_does_not() {
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(needs_a_loader(&own), "a test is linked at run time");
    let header = |kinds: &[u32]| {
        let mut elf = vec![0; 64];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[32..40].copy_from_slice(&64u64.to_le_bytes());
        elf[54..56].copy_from_slice(&56u16.to_le_bytes());
        elf[56..58].copy_from_slice(&(kinds.len() as u16).to_le_bytes());
        for kind in kinds {
            elf.extend_from_slice(&kind.to_le_bytes());
            elf.extend_from_slice(&[0; 52]);
        }
        elf
    };
    assert!(!needs_a_loader(&header(&[1, 2, 6])));
    assert!(needs_a_loader(&header(&[1, 3])));
    let mut torn = header(&[1, 2]);
    torn.truncate(70);
    assert!(needs_a_loader(&torn) && needs_a_loader(&[]) && needs_a_loader(&header(&[])));
}
