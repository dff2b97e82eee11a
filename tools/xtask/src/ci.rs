//! Every check that a change must pass, in one order, each timed.
//!
//! All steps run even after one failed, so that one run tells everything. Needs only cargo with its
//! `rustfmt` and `clippy` components; starts no services.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cargo::cargo;
use crate::{deny, tidy};

/// One step: a cargo call, or a chore of this tool when there are no arguments.
struct Step {
    name: &'static str,
    args: &'static [&'static str],
    env: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step { name: "fmt", args: &["fmt", "--all", "--check"], env: &[] },
    Step { name: "clippy", args: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], env: &[] },
    Step { name: "test", args: &["test"], env: &[] },
    Step { name: "tidy", args: &[], env: &[] },
    Step { name: "deny", args: &[], env: &[] },
    Step { name: "doc", args: &["doc", "--no-deps", "--workspace"], env: &[("RUSTDOCFLAGS", "-D warnings")] },
];

/// Runs all steps in the repository and returns whether every one passed.
///
/// Each step's output goes straight through; a table of times closes the run.
#[must_use]
pub fn run(root: &Path) -> bool {
    let results: Vec<(&Step, bool, Duration)> = STEPS.iter().map(|step| timed(root, step)).collect();
    println!("ci: summary");
    for (step, passed, took) in &results {
        println!("{}", line(step.name, *passed, *took));
    }
    results.iter().all(|(_, passed, _)| *passed)
}

fn timed<'a>(root: &Path, step: &'a Step) -> (&'a Step, bool, Duration) {
    println!("ci: {}: starts: {}", step.name, shown(step));
    let start = Instant::now();
    let passed = match (step.name, step.args) {
        ("deny", []) => deny::run(root),
        (_, []) => run_tidy(root),
        _ => run_cargo(root, step),
    };
    let took = start.elapsed();
    println!("{}\n", line(step.name, passed, took));
    (step, passed, took)
}

fn line(name: &str, passed: bool, took: Duration) -> String {
    format!("ci: {name}: {} in {:.1} s", if passed { "ok" } else { "FAILED" }, took.as_secs_f64())
}

fn shown(step: &Step) -> String {
    let env = step.env.iter().map(|(key, value)| format!("{key}={value:?} "));
    match step.args {
        [] => format!("cargo xtask {}", step.name),
        args => format!("{}cargo {}", env.collect::<String>(), args.join(" ")),
    }
}

fn run_tidy(root: &Path) -> bool {
    let findings = tidy::check(root, tidy::base_asked_for().as_deref());
    for finding in &findings {
        println!("{finding}");
    }
    findings.is_empty()
}

fn run_cargo(root: &Path, step: &Step) -> bool {
    match cargo(root).args(step.args).envs(step.env.iter().copied()).status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("ci: cannot start cargo: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests;
