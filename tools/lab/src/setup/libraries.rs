//! The libraries that a program of the host needs to run in the guest.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::command;
use crate::error::{LabError, Result};

/// Returns a program with its libraries and its loader; nothing where the program is not installed.
///
/// # Errors
/// When it is not linked with libraries, or one of them is missing.
pub fn with_program(program: &Path) -> Result<Vec<PathBuf>> {
    if !program.is_file() {
        return Ok(Vec::new());
    }
    let mut files = vec![program.to_owned()];
    files.extend(listed(&command(Command::new("ldd").arg(program))?)?);
    Ok(files)
}

/// Reads what `ldd` prints: lines of `name => path (address)`, or `path (address)` for the loader. What is without a
/// path is part of the kernel.
fn listed(text: &str) -> Result<Vec<PathBuf>> {
    if let Some(line) = text.lines().find(|line| line.contains("=> not found")) {
        return Err(LabError::new(format!("a library is missing: {}", line.trim())));
    }
    let paths = text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    Ok(paths.map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_loader_are_listed_and_a_missing_one_is_named() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x00007f02)\n\
                    \t/lib64/ld-linux.so.2 (0x00007f03)\n";
        assert_eq!(listed(text).unwrap(), ["/lib/x/libc.so.6", "/lib64/ld-linux.so.2"].map(PathBuf::from));
        let error = listed("\tliba.so.1 => not found\n").unwrap_err().to_string();
        assert!(error.contains("liba.so.1"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_installed_has_no_libraries() {
        assert_eq!(with_program(Path::new("/no/such/program")).unwrap(), Vec::<PathBuf>::new());
    }
}
