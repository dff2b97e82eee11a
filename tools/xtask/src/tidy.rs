//! Rules that neither the compiler nor clippy holds: floors, side doors, names, lengths, spec beside code, reasons for
//! dependencies and for `unsafe`.
//!
//! Each rule is a small module with its table on top, so changing a rule is changing data. Sources are parsed
//! with `syn`; what stands inside macro calls is read as tokens. Not seen: text in doc comments, `#[path]`
//! modules, functions made by macros, and a banned item reached through an alias made outside the crate.

use std::fmt;
use std::path::{Path, PathBuf};

mod doors;
pub mod files;
mod floors;
mod names;
mod shape;
mod source;
mod spec;
mod supply;
mod unsafety;

use source::Source;

/// Folders whose Rust sources are checked.
const SOURCE_ROOTS: &[&str] = &["src/", "tests/", "benches/", "tools/"];

/// One broken rule, shown as `path:line: what is wrong; what to do`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, relative to the repository.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub wrong: String,
    /// What to do.
    pub fix: String,
}

impl Finding {
    fn new(path: &str, line: usize, wrong: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, wrong: wrong.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.path, self.line, self.wrong, self.fix)
    }
}

/// Returns the repository that this tool belongs to.
#[must_use]
pub fn repository_root() -> PathBuf {
    // Asked at run time first: a checkout may have moved since the tool was built.
    let own = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    Path::new(&own).ancestors().nth(2).unwrap_or(Path::new(".")).to_owned()
}

/// Returns the commit that `CHUNKSTORE_BASE` names, if any.
#[must_use]
pub fn base_asked_for() -> Option<String> {
    std::env::var("CHUNKSTORE_BASE").ok().filter(|base| !base.is_empty())
}

/// Checks every rule in a repository and returns what is broken, sorted by file and line.
///
/// `base` is the commit that the format is compared with; without one it is looked for, and the comparison is
/// left out if there is none.
#[must_use]
pub fn check(root: &Path, base: Option<&str>) -> Vec<Finding> {
    let paths = files::list(root);
    let mut found = files::check_top_level(&paths);
    found.extend(files::check_machine_paths(root, &paths));
    let read = paths.iter().filter(|path| is_source(path)).map(|path| {
        let text = std::fs::read_to_string(root.join(path))
            .map_err(|error| Finding::new(path, 1, format!("cannot be read: {error}"), "make it a UTF-8 file"))?;
        Source::parse(path, text)
    });
    let mut sources = Vec::new();
    for result in read {
        match result {
            Ok(source) => sources.push(source),
            Err(finding) => found.push(finding),
        }
    }
    found.extend(check_sources(&mut sources));
    found.extend(spec::check(root, base));
    found.extend(supply::check(root));
    found.sort();
    found.dedup();
    found
}

/// Checks the rules that look at Rust sources alone.
fn check_sources(sources: &mut [Source]) -> Vec<Finding> {
    source::mark_test_modules(sources);
    let mut found = Vec::new();
    for source in &*sources {
        floors::check(source, &mut found);
        doors::check(source, &mut found);
        names::check(source, &mut found);
        shape::check(source, &mut found);
        unsafety::check(source, &mut found);
    }
    found
}

fn is_source(path: &str) -> bool {
    path.ends_with(".rs") && SOURCE_ROOTS.iter().any(|root| path.starts_with(root)) && !path.starts_with("tests/data/")
}

#[cfg(test)]
mod tests;
