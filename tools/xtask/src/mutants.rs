//! Mutants of the modules on which the promises of the threat model rest: each small change of their code must fail one of the
//! module's own unit tests, or stand in the list of those that may live, with the reason.
//!
//! Needs `cargo install cargo-mutants --locked`. A run goes on where the last one ended: mutants that were caught are not tried
//! again until `--again` asks for it. cargo-mutants changes a copy of the tree that ends at the module's floor, so that a mutant is
//! built in seconds, into `target/mutants/build`.

use std::path::Path;

use clap::Parser;

use crate::cargo::cargo;

/// Each survivor that is known: `` - `mutant` -- why it may live ``, below a heading for each module.
const SURVIVORS: &str = "tools/mutants/survivors.md";
const OUTPUT: &str = "target/mutants";

/// A module, its sources, the unit tests that hold it, and what of the crate's root they need.
struct Module {
    name: &'static str,
    files: &'static [&'static str],
    tests: &'static str,
    needs: &'static [&'static str],
}

const STORE_NEEDS: &[&str] = &["base", "crypto", "disk", "format", "remote", "store"];
const MODULES: &[Module] = &[
    Module {
        name: "crypto",
        files: &["src/crypto.rs", "src/crypto/*.rs"],
        tests: "crypto::",
        needs: &["base", "crypto"],
    },
    Module {
        name: "format",
        files: &["src/format.rs", "src/format/*.rs"],
        tests: "format::",
        needs: &["base", "format"],
    },
    Module { name: "head", files: &["src/store/head.rs"], tests: "store::head::", needs: STORE_NEEDS },
    Module {
        name: "trust",
        files: &["src/store/trust.rs", "src/store/trust/*.rs"],
        tests: "store::trust::",
        needs: STORE_NEEDS,
    },
];

/// Tries mutants of crypto, format, store::head and store::trust with the unit tests of the module alone.
#[derive(Parser)]
#[command(name = "cargo xtask mutants")]
pub struct MutantsArgs {
    /// Tries all of them again
    #[arg(long)]
    again: bool,
    /// Sources instead of all those of the modules, such as `src/format/pack.rs`
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<String>,
    /// Which modules: crypto, format, head, trust; all of them unless named
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
}

/// Runs the mutants, and returns whether each survivor is explained.
#[must_use]
pub fn run(root: &Path, args: &MutantsArgs) -> bool {
    if let Some(unknown) = args.modules.iter().find(|name| !MODULES.iter().any(|module| module.name == **name)) {
        eprintln!("mutants: there is no module `{unknown}`");
        return false;
    }
    let installed = cargo(root).args(["mutants", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed {
        eprintln!("mutants: cargo-mutants is not installed: cargo install cargo-mutants --locked");
        return false;
    }
    let explained = explained(&std::fs::read_to_string(root.join(SURVIVORS)).unwrap_or_default());
    let wanted =
        MODULES.iter().filter(|module| args.modules.is_empty() || args.modules.iter().any(|name| name == module.name));
    let mut all_held = true;
    for module in wanted {
        all_held &= run_module(root, module, args, &explained);
    }
    all_held
}

fn run_module(root: &Path, module: &Module, args: &MutantsArgs, explained: &[String]) -> bool {
    let output = root.join(OUTPUT).join(module.name);
    if args.again {
        // What is not there needs no removing.
        let _ = std::fs::remove_dir_all(&output);
    }
    if let Err(error) = std::fs::create_dir_all(&output) {
        eprintln!("mutants: cannot make {}: {error}", output.display());
        return false;
    }
    let copy = root.join(OUTPUT).join("tree");
    if let Err(error) = tree::copy(root, &copy, module.needs) {
        eprintln!("mutants: cannot copy the tree: {error}");
        return false;
    }
    let mut command = cargo(&copy);
    command.args([
        "mutants",
        "--in-place",
        "--package",
        "chunkstore",
        "--cargo-arg=--lib",
        "--iterate",
        "--no-shuffle",
    ]);
    command.args(["--timeout", "60", "--build-timeout", "900", "--colors", "never"]);
    // One target folder for all runs: what others wrote is built once.
    command.args(["--profile", "mutants"]).env("CARGO_TARGET_DIR", root.join(OUTPUT).join("build"));
    // A mutant that so many cases do not catch is seldom caught by more.
    command.arg("--output").arg(&output).env("PROPTEST_CASES", "48");
    let is_within = |file: &&String| module.files.iter().any(|glob| covers(glob, file));
    let chosen: Vec<&String> = args.files.iter().filter(is_within).collect();
    if args.files.is_empty() {
        command.args(module.files.iter().flat_map(|file| ["--file", file]));
    } else if chosen.is_empty() {
        return true;
    } else {
        command.args(chosen.iter().flat_map(|file| ["--file", file.as_str()]));
    }
    command.args(["--", module.tests]);
    // Exit codes 2 and 3 tell of survivors and timeouts, which the lists tell as well.
    match command.status() {
        Ok(status) if matches!(status.code(), Some(0 | 2 | 3)) => {}
        Ok(status) => {
            eprintln!("mutants: {}: cargo-mutants ended with {status}", module.name);
            return false;
        }
        Err(error) => {
            eprintln!("mutants: cannot start cargo: {error}");
            return false;
        }
    }
    let list = |name: &str| {
        let text = std::fs::read_to_string(output.join("mutants.out").join(name)).unwrap_or_default();
        text.lines().map(without_place).collect::<Vec<String>>()
    };
    let (missed, caught) = (list("missed.txt"), list("caught.txt").len() + list("previously_caught.txt").len());
    let unexplained: Vec<&String> = missed.iter().filter(|mutant| !explained.contains(mutant)).collect();
    println!(
        "mutants: {}: {caught} caught, {} live, {} of them unexplained",
        module.name,
        missed.len(),
        unexplained.len()
    );
    unexplained.iter().for_each(|mutant| println!("mutants: lives: {mutant}"));
    unexplained.is_empty()
}

/// Returns whether a pattern, a path or `dir/*.rs`, covers a file.
fn covers(glob: &str, file: &str) -> bool {
    match glob.split_once('*') {
        Some((before, after)) => {
            file.strip_prefix(before).is_some_and(|rest| rest.ends_with(after) && !rest.contains('/'))
        }
        None => glob == file,
    }
}

/// Takes line and column out of a mutant's name, `src/a.rs:3:5: replace ..`, since they move with every change above them.
fn without_place(mutant: &str) -> String {
    let mut parts = mutant.splitn(4, ':');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(file), Some(line), Some(column), Some(rest))
            if [line, column].iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            format!("{file}:{rest}")
        }
        _ => mutant.to_owned(),
    }
}

/// Returns the mutants that the list explains.
fn explained(text: &str) -> Vec<String> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("- `")?.split_once("` -- "));
    rows.filter(|(_, why)| why.trim().len() > 10).map(|(mutant, _)| mutant.to_owned()).collect()
}

mod tree;

#[cfg(test)]
mod tests;
