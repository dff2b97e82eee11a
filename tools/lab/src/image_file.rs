//! Images as files, for tools that know no other form: written, repaired by the system's own checker, read back.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::error::{LabError, Result};
use crate::image::Image;

const PIECE_BYTES: usize = 4096;

/// Writes the first bytes of an image as a sparse file.
///
/// # Errors
/// [`LabError`].
pub fn write_image(image: &Image, volume_bytes: u64, path: &Path) -> Result<()> {
    let write = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.set_len(volume_bytes)?;
        for (offset, page) in image.written().filter(|(offset, _)| *offset < volume_bytes) {
            if page.iter().any(|byte| *byte != 0) {
                let inside = usize::try_from(volume_bytes - offset).unwrap_or(usize::MAX).min(page.len());
                file.write_all_at(&page[..inside], offset)?;
            }
        }
        Ok(())
    };
    write().map_err(|error| LabError::because(format!("cannot write the image {}", path.display()), error))
}

/// Reads a file back into a copy of the image that it was written from.
///
/// # Errors
/// [`LabError`].
pub fn read_image(before: &Image, path: &Path) -> Result<Image> {
    let mut image = before.clone();
    let read = |image: &mut Image| -> io::Result<()> {
        let mut file = File::open(path)?;
        let (mut piece, mut old) = ([0; PIECE_BYTES], [0; PIECE_BYTES]);
        let mut offset = 0;
        while offset < image.len_bytes() {
            let count = fill(&mut file, &mut piece)?;
            image.read_at(offset, &mut old);
            if piece[..count] != old[..count] {
                image.write_at(offset, &piece[..count]);
            }
            if count < PIECE_BYTES {
                break;
            }
            offset += count as u64;
        }
        Ok(())
    };
    let failed = |error| LabError::because(format!("cannot read the image {}", path.display()), error);
    read(&mut image).map_err(failed)?;
    Ok(image)
}

fn fill(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The checker of a file system as a system runs it when a key is plugged in, without questions.
#[derive(Debug, Clone, Copy)]
pub struct Fsck {
    program: &'static str,
    option: &'static str,
    /// Highest exit code that says that the volume is right or was made right.
    right_max: i32,
}

impl Fsck {
    /// Returns the checker of a medium; nothing where there is none.
    #[must_use]
    pub fn of(medium: &str) -> Option<Self> {
        match medium.split('-').next() {
            Some("vfat") => Some(Self { program: "fsck.fat", option: "-a", right_max: 1 }),
            Some("exfat") => Some(Self { program: "fsck.exfat", option: "-y", right_max: 1 }),
            Some("ext4") => Some(Self { program: "e2fsck", option: "-p", right_max: 2 }),
            _ => None,
        }
    }

    /// Returns the program's name.
    #[must_use]
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// Returns whether the program is installed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        is_installed(self.program)
    }

    /// Repairs a copy of an image; `path` is a file that may be overwritten.
    ///
    /// # Errors
    /// [`LabError`] where the program does not start or says that something stayed wrong.
    pub fn repair(&self, image: &Image, volume_bytes: u64, path: &Path) -> Result<Arc<Image>> {
        write_image(image, volume_bytes, path)?;
        run(Command::new(self.program).arg(self.option).arg(path), self.right_max)?;
        Ok(Arc::new(read_image(image, path)?))
    }
}

/// Returns whether a program is found, without asking it for anything but its version.
#[must_use]
pub fn is_installed(program: &str) -> bool {
    let found =
        Command::new(program).arg("-V").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    !found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Runs a program to its end.
///
/// # Errors
/// [`LabError`] where it does not start or returns more than `right_max`, with what it said last.
pub fn run(command: &mut Command, right_max: i32) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| LabError::because(format!("cannot start {name}"), error))?;
    if output.status.code().is_some_and(|code| code <= right_max) {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().rev().take(3).collect();
    let said = lines.into_iter().rev().collect::<Vec<_>>().join(" / ");
    Err(LabError::new(format!("{name} fails ({}): {said}", output.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_comes_back_as_it_was_written_and_as_it_was_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let mut image = Image::new(100_000);
        image.write_at(5000, &[7; 20_000]);
        write_image(&image, 50_000, &path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 50_000);
        let mut bytes = vec![0; 100_000];
        read_image(&image, &path).unwrap().read_at(0, &mut bytes);
        assert!(bytes[5000..25_000].iter().all(|byte| *byte == 7) && bytes[25_000..].iter().all(|byte| *byte == 0));
        File::options().write(true).open(&path).unwrap().write_all_at(&[9; 10], 49_990).unwrap();
        read_image(&image, &path).unwrap().read_at(0, &mut bytes);
        assert_eq!((bytes[24_999], bytes[49_989], bytes[49_990], bytes[49_999], bytes[50_000]), (7, 0, 9, 9, 0));
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_words() {
        assert!(run(Command::new("sh").args(["-c", "exit 1"]), 1).is_ok());
        let error = run(Command::new("sh").args(["-c", "echo torn; exit 2"]), 1).unwrap_err().to_string();
        assert!(error.contains("torn"), "{error}");
        assert!(run(&mut Command::new("no-such-program-here"), 0).is_err() && !is_installed("no-such-program-here"));
    }
}
