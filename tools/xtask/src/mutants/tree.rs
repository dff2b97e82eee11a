//! A copy of the repository in which the crate's root has only some of its modules.

use std::io;
use std::path::Path;

use crate::tidy::files;

/// The root of the crate, which is cut.
const CRATE_ROOT: &str = "src/lib.rs";

/// Makes `to` a copy of what git would commit of `root`, with no modules but `modules` in the crate's root. Files that are as they
/// should be keep their times, so that nothing is built twice; a change that an earlier run left behind goes.
///
/// # Errors
/// Those of the file system.
pub fn copy(root: &Path, to: &Path, modules: &[&str]) -> io::Result<()> {
    for name in files::list(root) {
        let mut content = std::fs::read(root.join(&name))?;
        if name == CRATE_ROOT {
            content = cut(&String::from_utf8_lossy(&content), modules).into_bytes();
        }
        let path = to.join(&name);
        if std::fs::read(&path).is_ok_and(|there| there == content) {
            continue;
        }
        path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
        std::fs::write(path, content)?;
    }
    Ok(())
}

/// Returns the text of a crate's root without its public modules beside `modules`.
fn cut(root: &str, modules: &[&str]) -> String {
    let declared = |line: &str| line.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned);
    let mut kept: Vec<&str> = Vec::new();
    for line in root.lines() {
        if declared(line).is_none_or(|module| modules.contains(&module.as_str())) {
            kept.push(line);
        } else {
            // What was said of a module goes with it.
            kept.truncate(kept.iter().rposition(|line| !line.starts_with("#[")).map_or(0, |last| last + 1));
        }
    }
    kept.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
