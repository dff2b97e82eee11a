//! No change of the format without a change of `objects-format.md`.
//!
//! Compares with a commit in git. Comments and tests may change freely; code of the format that changes while
//! the bytes stay the same needs a line `Format unchanged: <reason>` in a commit message.

use std::path::Path;
use std::process::Command;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Finding;

const SPEC: &str = "objects-format.md";
/// Where code decides on bytes.
const FORMAT_CODE: &[&str] = &["src/format.rs", "src/format", "src/base/limits.rs"];
/// Stands before the written reason in a commit message.
const EXCUSE: &str = "Format unchanged: ";
/// What a branch may have left, tried in turn.
const UPSTREAMS: &[&str] = &["@{upstream}", "origin/HEAD", "origin/main"];

/// Compares with `base`, or where HEAD left its upstream; says nothing if there is no such commit.
pub fn check(root: &Path, base: Option<&str>) -> Vec<Finding> {
    let found_base = match base {
        Some(name) => match commit(root, name) {
            Some(commit) => commit,
            None => {
                let wrong = format!("the base commit `{name}` is unknown");
                return vec![Finding::new(SPEC, 1, wrong, "fetch it, or name another in CHUNKSTORE_BASE")];
            }
        },
        None => match UPSTREAMS.iter().find_map(|upstream| git(root, &["merge-base", "HEAD", upstream])) {
            Some(commit) => commit.trim().to_owned(),
            None => return Vec::new(),
        },
    };
    compare(root, &found_base)
}

fn commit(root: &Path, name: &str) -> Option<String> {
    let found = git(root, &["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{name}^{{commit}}")])?;
    Some(found.trim().to_owned())
}

fn compare(root: &Path, base: &str) -> Vec<Finding> {
    let changed = changed_since(root, base);
    let messages = git(root, &["log", "--format=%B", &format!("{base}..HEAD")]).unwrap_or_default();
    let excused = messages.lines().any(|line| line.strip_prefix(EXCUSE).is_some_and(|reason| !reason.is_empty()));
    if excused || changed.iter().any(|path| path == SPEC) {
        return Vec::new();
    }
    let other_code = |path: &&String| {
        let before = git(root, &["show", &format!("{base}:{path}")]).unwrap_or_default();
        let after = std::fs::read_to_string(root.join(path)).unwrap_or_default();
        is_format_code(path) && !same_code(&before, &after)
    };
    let fix = format!("change {SPEC} with it, or write `{EXCUSE}<reason>` in the commit message");
    let wrong = format!("the format's code changed and {SPEC} did not");
    changed.iter().filter(other_code).map(|path| Finding::new(path, 1, &wrong, &fix)).collect()
}

fn changed_since(root: &Path, base: &str) -> Vec<String> {
    let diff = git(root, &["diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", base]).unwrap_or_default();
    let new = git(root, &["ls-files", "-z", "--others", "--exclude-standard"]).unwrap_or_default();
    [diff, new].iter().flat_map(|names| names.split('\0')).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn is_format_code(path: &str) -> bool {
    let inside = |place: &&str| path == *place || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'));
    path.ends_with(".rs")
        && FORMAT_CODE.iter().any(inside)
        && !path.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// Returns whether two texts are the same code, comments, docs and layout aside.
fn same_code(before: &str, after: &str) -> bool {
    match (before.parse::<TokenStream>(), after.parse::<TokenStream>()) {
        (Ok(before), Ok(after)) => without_docs(before) == without_docs(after),
        _ => before == after,
    }
}

/// Shows the tokens without `#[doc ..]` and `#![doc ..]`, which is what doc comments are.
fn without_docs(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut shown = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let skipped = doc_len(&tokens[at..]);
        if skipped > 0 {
            at += skipped;
            continue;
        }
        match &tokens[at] {
            TokenTree::Group(group) => {
                shown.push(format!("{:?}", group.delimiter()));
                shown.extend(without_docs(group.stream()));
                shown.push("end".to_owned());
            }
            token => shown.push(token.to_string()),
        }
        at += 1;
    }
    shown
}

/// Returns how many tokens a doc attribute at the start takes; 0 if there is none.
fn doc_len(tokens: &[TokenTree]) -> usize {
    let is =
        |at: usize, wanted: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted);
    let body = if is(1, '!') { 2 } else { 1 };
    match tokens.get(body) {
        Some(TokenTree::Group(group)) if is(0, '#') && group.delimiter() == Delimiter::Bracket => {
            let first = group.stream().into_iter().next();
            if first.is_some_and(|token| token.to_string() == "doc") { body + 1 } else { 0 }
        }
        _ => 0,
    }
}

/// Runs git in the repository; returns its output, or none if it is missing or failed.
pub fn git(root: &Path, args: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(args);
    // A hook runs with these set, and they would point git elsewhere.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    let output = command.output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests;
