//! The test suite under wine: every binary built, run, counted.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bed::Bed;
use super::exceptions::{EXCEPTIONS, Exception};

/// Longest run of one binary; whatever takes longer hangs.
const TIME_LIMIT: Duration = Duration::from_secs(3 * 3600);
/// Most failed tests of a binary that are run once more.
const ALONE_MAX: usize = 5;
/// How often a run is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A built test binary.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    name: String,
    program: PathBuf,
}

/// What came of one binary.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    passed: u64,
    ignored: u64,
    failed: Vec<String>,
    /// Failed beside others and passed alone.
    passed_alone: Vec<String>,
    /// The run ended before the runner said how it went.
    broke_off: bool,
}

/// Builds the tests and runs them; prints a table.
///
/// # Errors
/// A test failed that is no exception, an exception passed, or something could not be built or started.
pub fn run(bed: &Bed, only: Option<&str>, filter: Option<&str>) -> Result<(), String> {
    let mut binaries = build(bed)?;
    binaries.retain(|binary| only.is_none_or(|only| only == binary.name));
    if binaries.is_empty() {
        return Err(format!("no test binary is called {}", only.unwrap_or_default()));
    }
    let mut all_well = true;
    let mut table =
        format!("{:12} {:>7} {:>7} {:>7} {:>9} {:>7}\n", "", "passed", "failed", "ignored", "excepted", "s");
    let mut sums = [0; 4];
    for binary in &binaries {
        println!("windows: {} runs", binary.name);
        let started = Instant::now();
        let excepted: Vec<&Exception> = EXCEPTIONS.iter().filter(|except| except.binary == binary.name).collect();
        let outcome = run_one(bed, binary, filter, &excepted)?;
        all_well &= outcome.failed.is_empty() && !outcome.broke_off;
        for name in &outcome.failed {
            println!("windows: {}: FAILED {name}", binary.name);
        }
        for name in &outcome.passed_alone {
            println!("windows: {}: failed beside others and passed alone: {name}", binary.name);
        }
        if outcome.broke_off {
            println!("windows: {}: BROKE OFF, see {}", binary.name, bed.logs().join(&binary.name).display());
        }
        let counts = [outcome.passed, outcome.failed.len() as u64, outcome.ignored, excepted.len() as u64];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        table += &row(&binary.name, counts, started.elapsed());
    }
    println!("\n{table}{}", row("together", sums, Duration::ZERO));
    if filter.is_none() {
        for except in EXCEPTIONS.iter().filter(|except| binaries.iter().any(|binary| binary.name == except.binary)) {
            println!("excepted: {} {}: {}", except.binary, except.test, except.reason);
        }
    }
    if all_well { Ok(()) } else { Err("tests failed".to_owned()) }
}

fn row(name: &str, [passed, failed, ignored, excepted]: [u64; 4], took: Duration) -> String {
    format!("{name:12} {passed:>7} {failed:>7} {ignored:>7} {excepted:>9} {:>7}\n", took.as_secs())
}

/// Builds all test binaries of the program's package.
fn build(bed: &Bed) -> Result<Vec<Binary>, String> {
    let mut command = bed.cargo("test")?;
    command.args(["--package", "chunkstore", "--lib", "--bins", "--tests", "--no-run", "--message-format"]);
    command.arg("json-render-diagnostics").stdout(Stdio::piped());
    let output = command.spawn().and_then(std::process::Child::wait_with_output);
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err("the tests cannot be built".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(binary_in).collect())
}

/// Returns the test binary that a message of cargo's tells of.
fn binary_in(message: &str) -> Option<Binary> {
    let message: Value = serde_json::from_str(message).ok()?;
    let program = message["executable"].as_str()?;
    let is_test = message["profile"]["test"].as_bool()?;
    let target = &message["target"];
    let name = match target["kind"][0].as_str()? {
        "lib" => "lib",
        "bin" => "bin",
        _ => target["name"].as_str()?,
    };
    is_test.then(|| Binary { name: name.to_owned(), program: PathBuf::from(program) })
}

fn run_one(bed: &Bed, binary: &Binary, filter: Option<&str>, excepted: &[&Exception]) -> Result<Outcome, String> {
    let log = bed.logs().join(&binary.name);
    let mut command = bed.wine()?;
    command.arg(&binary.program).args(filter).current_dir(bed.root());
    for except in excepted {
        command.args(["--skip", except.test]);
    }
    let ended = run_to(&log, &mut command)?;
    let text = std::fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let mut outcome = read(&text);
    outcome.broke_off |= !ended;
    if outcome.failed.len() <= ALONE_MAX {
        for name in std::mem::take(&mut outcome.failed) {
            match passes_alone(bed, binary, &name)? {
                true => outcome.passed_alone.push(name),
                false => outcome.failed.push(name),
            }
        }
        outcome.passed += outcome.passed_alone.len() as u64;
    }
    Ok(outcome)
}

/// Runs a test that failed once more, with none beside it: on a machine that is busy wine is late, and now and then ends a data connection
/// of loopback without its bytes.
fn passes_alone(bed: &Bed, binary: &Binary, name: &str) -> Result<bool, String> {
    let log = bed.logs().join(format!("{}-alone", binary.name));
    let mut command = bed.wine()?;
    command.arg(&binary.program).args(["--exact", name]).current_dir(bed.root());
    let ended = run_to(&log, &mut command)?;
    let text = std::fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let outcome = read(&text);
    Ok(ended && !outcome.broke_off && outcome.failed.is_empty() && outcome.passed == 1)
}

/// Runs a command with all that it prints going to a file; false where it took too long.
fn run_to(log: &Path, command: &mut Command) -> Result<bool, String> {
    let file = std::fs::File::create(log).map_err(|error| format!("cannot create {}: {error}", log.display()))?;
    let other = file.try_clone().map_err(|error| error.to_string())?;
    let mut child =
        command.stdin(Stdio::null()).stdout(file).stderr(other).spawn().map_err(|error| error.to_string())?;
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => return Ok(true),
            Ok(None) if started.elapsed() < TIME_LIMIT => std::thread::sleep(LOOK_EVERY),
            _ => {
                // It may have ended by itself meanwhile.
                let _ = child.kill();
                let _ = child.wait();
                return Ok(false);
            }
        }
    }
}

/// Reads what the test runner printed.
fn read(log: &[u8]) -> Outcome {
    let mut outcome = Outcome { broke_off: true, ..Outcome::default() };
    for line in log.lines().map_while(Result::ok) {
        let line = line.trim_end_matches('\r');
        if let Some(result) = line.strip_prefix("test result: ") {
            outcome.broke_off = false;
            let words: Vec<&str> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
            let count =
                |what: &str| words.windows(2).find(|pair| pair[1] == what).and_then(|pair| pair[0].parse().ok());
            outcome.passed += count("passed").unwrap_or(0);
            outcome.ignored += count("ignored").unwrap_or(0);
        } else if let Some(name) = line.strip_prefix("test ").and_then(|test| test.strip_suffix(" ... FAILED")) {
            outcome.failed.push(name.to_owned());
        }
    }
    outcome
}

#[cfg(test)]
mod tests;
