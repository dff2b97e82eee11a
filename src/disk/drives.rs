//! [`Drives`]: the drive letters of Windows that stand for what people plug in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::windows::calls;
use super::windows::volume::Volume;

mod bell;

pub use bell::Bell;

/// A drive letter with a volume that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drive {
    /// `A` to `Z`.
    pub letter: char,
    /// Its root, as `E:\`.
    pub root: PathBuf,
    /// The number that was drawn when the volume was formatted.
    pub serial: u32,
}

/// Looks at the drives; remembers which of them nobody plugs in, so that it asks the others alone.
#[derive(Debug, Default)]
pub struct Drives {
    letters: u32,
    /// Letters that came since the drives were first looked at, or stood then, with whether people plug them in.
    pluggable: BTreeMap<char, bool>,
}

impl Drives {
    /// Returns the drives of a kind that people plug in which hold a volume now; opens no file of theirs.
    ///
    /// Costs one call where nothing is plugged in, and one more for each drive of that kind.
    pub fn plugged(&mut self) -> Vec<Drive> {
        let letters = calls::drive_letters();
        let gone = self.letters & !letters;
        self.pluggable.retain(|letter, _| gone & bit(*letter) == 0);
        self.letters = letters;
        let standing = ('A'..='Z').filter(|letter| letters & bit(*letter) != 0);
        standing.filter_map(|letter| self.drive(letter)).collect()
    }

    /// Returns whether a drive of that kind had a letter at the last look, with or without a volume in it.
    #[must_use]
    pub fn has_letters(&self) -> bool {
        self.pluggable.values().any(|is_pluggable| *is_pluggable)
    }

    fn drive(&mut self, letter: char) -> Option<Drive> {
        let root = format!(r"{letter}:\");
        let is_pluggable = *self.pluggable.entry(letter).or_insert_with(|| Volume::is_pluggable_at(&root));
        if !is_pluggable {
            return None;
        }
        // A reader without a card has a letter all the same.
        let volume = Volume::at(&root).ok()?;
        Some(Drive { letter, root: PathBuf::from(root), serial: volume.serial() })
    }
}

/// Returns a letter's place in the system's number.
fn bit(letter: char) -> u32 {
    1 << (u32::from(letter) - u32::from('A'))
}

/// Has the system answer an empty drive with an error instead of a dialog, in this process.
pub fn show_no_dialogs() {
    calls::show_no_dialogs();
}

#[cfg(test)]
mod tests;
