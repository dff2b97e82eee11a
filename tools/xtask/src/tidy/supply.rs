//! Where code of others comes from: every dependency of the program has a line that says why it is there, and everything in
//! the lock file comes from one registry. Licences need the crates themselves: `cargo xtask deny`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Finding;

const MANIFEST: &str = "Cargo.toml";
const LOCK: &str = "Cargo.lock";
/// Holds the table, under this heading.
const PAGE: &str = "src/ARCHITECTURE.md";
const HEADING: &str = "# Dependencies";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks the manifest of the program against the table, and the lock file.
pub fn check(root: &Path) -> Vec<Finding> {
    let read = |path: &str| std::fs::read_to_string(root.join(path)).ok();
    let mut found = Vec::new();
    if let Some(manifest) = read(MANIFEST) {
        check_table(&manifest, &read(PAGE).unwrap_or_default(), &mut found);
    }
    if let Some(lock) = read(LOCK) {
        check_lock(&lock, &mut found);
    }
    found
}

/// Returns the names of dependencies that the program is built with, and their lines.
fn dependencies(manifest: &str) -> BTreeMap<&str, usize> {
    let mut names = BTreeMap::new();
    let mut is_inside = false;
    for (at, line) in manifest.lines().enumerate() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            is_inside =
                section == "dependencies" || (section.starts_with("target.") && section.ends_with(".dependencies"));
        } else if let Some((name, _)) = line.split_once('=').filter(|_| is_inside && !line.starts_with([' ', '#'])) {
            names.insert(name.trim().trim_end_matches(".workspace"), at + 1);
        }
    }
    names
}

/// Returns the names in the first column of the table, their lines, and whether the second says anything.
fn reasons(page: &str) -> BTreeMap<&str, (usize, bool)> {
    let after = page.lines().enumerate().skip_while(|(_, line)| *line != HEADING).skip(1);
    let rows = after.take_while(|(_, line)| !line.starts_with("# ")).filter_map(|(at, line)| {
        let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
        let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
        Some((name, (at + 1, cells.next().is_some_and(|why| why.len() > 10))))
    });
    rows.collect()
}

fn check_table(manifest: &str, page: &str, found: &mut Vec<Finding>) {
    let (names, reasons) = (dependencies(manifest), reasons(page));
    for (name, line) in &names {
        if !reasons.get(name).is_some_and(|(_, has_reason)| *has_reason) {
            let fix = format!("say so in a row under `{HEADING}` of {PAGE}");
            found.push(Finding::new(MANIFEST, *line, format!("nothing says why `{name}` is needed"), fix));
        }
    }
    for (name, (line, _)) in reasons.iter().filter(|(name, _)| !names.contains_key(*name)) {
        found.push(Finding::new(PAGE, *line, format!("`{name}` is no dependency"), "take its row out"));
    }
}

fn check_lock(lock: &str, found: &mut Vec<Finding>) {
    for (at, line) in lock.lines().enumerate() {
        let source = line.strip_prefix("source = ").map(|source| source.trim_matches('"'));
        if let Some(source) = source.filter(|source| *source != REGISTRY) {
            let fix = "take a released version from crates.io";
            found.push(Finding::new(LOCK, at + 1, format!("a package comes from `{source}`"), fix));
        }
    }
}

#[cfg(test)]
mod tests;
