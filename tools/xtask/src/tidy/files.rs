//! The repository as files: what stands at the top, and that no text names a path of one machine.

use std::path::Path;

use super::{Finding, spec};

/// What may stand at the top beside dotfiles; a `*` at the end stands for any ending.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "src",
    "objects-format.md",
    "tests",
    "benches",
    "tools",
    "README.md",
    "LICENSE*",
    "rustfmt.toml",
    "clippy.toml",
    "deny.toml",
];

/// Beginnings of paths that exist on one machine only; a `*` stands for one name. Written in two halves, so
/// that this file passes.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/*/")];
/// Files that may hold such paths: beginnings of file paths.
const MACHINE_PATHS_ALLOWED: &[&str] = &["tests/data/", "Cargo.lock"];

/// Lists the files of the repository, relative and with `/`: what git tracks or would, else every file.
pub fn list(root: &Path) -> Vec<String> {
    let tracked = spec::git(root, &["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let mut paths: Vec<String> = match tracked {
        Some(names) if !names.is_empty() => {
            let names = names.split('\0').filter(|name| !name.is_empty());
            names.filter(|name| root.join(name).is_file()).map(str::to_owned).collect()
        }
        _ => {
            let mut paths = Vec::new();
            walk(root, "", &mut paths);
            paths
        }
    };
    paths.sort();
    paths.dedup();
    paths
}

fn walk(root: &Path, dir: &str, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(dir)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !matches!(name.as_str(), ".git" | "target") => walk(root, &path, paths),
            Ok(kind) if kind.is_file() => paths.push(path),
            _ => {}
        }
    }
}

/// Checks what stands at the top.
pub fn check_top_level(paths: &[String]) -> Vec<Finding> {
    let is_allowed = |top: &str| {
        let fits = |allowed: &&str| allowed.strip_suffix('*').map_or(*allowed == top, |begin| top.starts_with(begin));
        top.starts_with('.') || TOP_LEVEL.iter().any(fits)
    };
    let mut found: Vec<Finding> = Vec::new();
    for path in paths {
        let top = path.split('/').next().unwrap_or(path);
        if !is_allowed(top) && found.last().is_none_or(|last| last.path != top) {
            let fix = "move it into src, tests, benches or tools, or have git ignore it";
            found.push(Finding::new(top, 1, "does not belong at the top of the repository", fix));
        }
    }
    found
}

/// Checks that no text names a path of one machine. Files with a NUL are no text.
pub fn check_machine_paths(root: &Path, paths: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    for path in paths.iter().filter(|path| !MACHINE_PATHS_ALLOWED.iter().any(|begin| path.starts_with(begin))) {
        let bytes = std::fs::read(root.join(path)).unwrap_or_default();
        if bytes.contains(&0) {
            continue;
        }
        for (index, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            if let Some(begin) = MACHINE_PATHS.iter().find(|begin| names_path(line, begin)) {
                let wrong = format!("names a path of one machine (`{begin}`)");
                found.push(Finding::new(path, index + 1, wrong, "write a relative path, or a made-up one"));
            }
        }
    }
    found
}

/// Returns whether a line holds an absolute path that begins so; `a/b/c` in the middle of a longer path is none.
fn names_path(line: &str, begin: &str) -> bool {
    let (fixed, has_name) = begin.split_once('*').map_or((begin, false), |(fixed, _)| (fixed, true));
    let is_name = |byte: char| byte.is_ascii_alphanumeric() || "._-".contains(byte);
    line.match_indices(fixed).any(|(at, _)| {
        let goes_on = |before: char| is_name(before) || "~})]>*$".contains(before);
        let starts_here = !line[..at].chars().next_back().is_some_and(goes_on);
        let rest = &line[at + fixed.len()..];
        let name_len = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        starts_here && (!has_name || (name_len > 0 && rest[name_len..].starts_with('/')))
    })
}

#[cfg(test)]
mod tests;
