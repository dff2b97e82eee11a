//! Licences, sources, bans and advisories of everything that the program is built with.
//!
//! `cargo deny` checks what `deny.toml` says, where it is installed (`cargo install cargo-deny --locked`, some minutes). Without
//! it licences and sources are checked here, from what cargo knows of the crates of this system; bans and duplicate versions are
//! then left to who has it, and advisories to who reaches their database. What was not checked is said, and is no failure.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::cargo::cargo;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Checks all that can be checked here, and returns whether nothing was found.
#[must_use]
pub fn run(root: &Path) -> bool {
    let is_installed = output(cargo(root).args(["deny", "--version"])).is_ok_and(|output| output.status.success());
    if !is_installed {
        println!("deny: cargo-deny is not installed, so bans, duplicate versions and advisories are not checked");
        return own_check(root);
    }
    let fixed = ["deny", "--locked", "check", "--hide-inclusion-graph", "licenses", "bans", "sources"];
    let passed = cargo(root).args(fixed).status().is_ok_and(|status| status.success());
    advisories(root) && passed
}

fn output(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| error.to_string())
}

/// Checks advisories; a database that cannot be reached is said and lets the check pass.
fn advisories(root: &Path) -> bool {
    let checked = match output(cargo(root).args(["deny", "--locked", "check", "--hide-inclusion-graph", "advisories"]))
    {
        Ok(checked) => checked,
        Err(error) => {
            println!("deny: cannot start cargo: {error}");
            return false;
        }
    };
    let text = String::from_utf8_lossy(&checked.stderr);
    if !checked.status.success() && text.contains("failed to fetch advisory database") {
        println!("deny: the database of advisories cannot be reached, so they are not checked");
        return true;
    }
    print!("{text}");
    checked.status.success()
}

/// Checks licences and sources without cargo-deny.
fn own_check(root: &Path) -> bool {
    let (allowed, packages) = match allowed_licences(root).and_then(|allowed| Ok((allowed, packages(root)?))) {
        Ok(read) => read,
        Err(error) => {
            println!("deny: {error}");
            return false;
        }
    };
    let wrong: Vec<String> = packages.iter().filter_map(|package| judge(package, &allowed)).collect();
    wrong.iter().for_each(|line| println!("deny: {line}"));
    println!(
        "deny: licences and sources of {} packages: {}",
        packages.len(),
        if wrong.is_empty() { "ok" } else { "FAILED" }
    );
    wrong.is_empty()
}

/// Reads the list of licences, one a line, of `deny.toml`.
fn allowed_licences(root: &Path) -> Result<Vec<String>, String> {
    let text =
        std::fs::read_to_string(root.join("deny.toml")).map_err(|error| format!("cannot read deny.toml: {error}"))?;
    let section = text.split_once("[licenses]").map_or("", |(_, rest)| rest);
    let list = section.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).map_or("", |(list, _)| list);
    let licences: Vec<String> = list.split(',').map(|item| item.trim().trim_matches('"').to_owned()).collect();
    let licences: Vec<String> = licences.into_iter().filter(|licence| !licence.is_empty()).collect();
    if licences.is_empty() { Err("deny.toml allows no licence".to_owned()) } else { Ok(licences) }
}

/// Returns what cargo knows of every package that is built on this system.
fn packages(root: &Path) -> Result<Vec<Value>, String> {
    let about = output(Command::new("rustc").arg("-vV"))?;
    let about = String::from_utf8_lossy(&about.stdout).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let fixed = ["metadata", "--format-version", "1", "--locked", "--filter-platform", host];
    let known = output(cargo(root).args(fixed))?;
    if !known.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&known.stderr)));
    }
    let known: Value = serde_json::from_slice(&known.stdout).map_err(|error| format!("cargo metadata: {error}"))?;
    let all = known["packages"].as_array().cloned().unwrap_or_default();
    let nodes = known["resolve"]["nodes"].as_array().cloned().unwrap_or_default();
    Ok(all.into_iter().filter(|package| nodes.iter().any(|node| node["id"] == package["id"])).collect())
}

/// Returns what is wrong with a package.
fn judge(package: &Value, allowed: &[String]) -> Option<String> {
    let name = format!("{} {}", package["name"].as_str().unwrap_or("?"), package["version"].as_str().unwrap_or("?"));
    if let Some(source) = package["source"].as_str().filter(|source| *source != REGISTRY) {
        return Some(format!("{name} comes from {source}"));
    }
    let Some(licence) = package["license"].as_str() else { return Some(format!("{name} names no licence")) };
    let is_allowed = |licence: &str| allowed.iter().any(|allowed| allowed == licence);
    (!satisfied(licence, &is_allowed)).then(|| format!("{name} is under {licence}, which deny.toml does not allow"))
}

/// Returns whether an SPDX expression is satisfied by allowed licences alone; `/` is an old spelling of `OR`.
fn satisfied(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    any_of(&mut rest, is_allowed).is_some_and(|is_satisfied| is_satisfied && rest.is_empty())
}

/// Reads `A OR B ..`; nothing where it is no expression.
fn any_of(rest: &mut &[&str], is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut any = all_of(rest, is_allowed)?;
    while let Some((&"OR", after)) = rest.split_first() {
        *rest = after;
        any |= all_of(rest, is_allowed)?;
    }
    Some(any)
}

fn all_of(rest: &mut &[&str], is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut all = one(rest, is_allowed)?;
    while let Some((&"AND", after)) = rest.split_first() {
        *rest = after;
        all &= one(rest, is_allowed)?;
    }
    Some(all)
}

fn one(rest: &mut &[&str], is_allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let (&first, after) = rest.split_first()?;
    *rest = after;
    match first {
        "(" => {
            let inner = any_of(rest, is_allowed)?;
            let (&close, after) = rest.split_first()?;
            *rest = after;
            (close == ")").then_some(inner)
        }
        ")" | "OR" | "AND" | "WITH" => None,
        licence => match **rest {
            ["WITH", exception, ..] => {
                *rest = &rest[2..];
                Some(is_allowed(&format!("{licence} WITH {exception}")))
            }
            _ => Some(is_allowed(licence)),
        },
    }
}

#[cfg(test)]
mod tests;
