//! The program for the guest: a release build that needs no library.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{command, replace, tell};
use crate::error::{LabError, Result};

const MUSL: &str = "x86_64-unknown-linux-musl";
const GNU: &str = "x86_64-unknown-linux-gnu";

/// Builds the program and puts it where the kit has it.
///
/// # Errors
/// When it cannot be built for either C library.
pub fn build(target: &Path) -> Result<()> {
    let built = add_musl().and_then(|()| cargo_build(MUSL, None)).or_else(|error| {
        tell(&format!("MISSING: {error}; linking the program with glibc instead of musl"));
        cargo_build(GNU, Some("build.rustflags=[\"-C\", \"target-feature=+crt-static\"]"))
    })?;
    let bytes = std::fs::read(&built);
    let bytes = bytes.map_err(|error| LabError::because(format!("cannot read {}", built.display()), error))?;
    if replace(target, &bytes)? {
        tell(&format!("the program has {} bytes", bytes.len()));
    }
    Ok(())
}

fn add_musl() -> Result<()> {
    let installed = command(Command::new("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == MUSL) {
        return Ok(());
    }
    tell(&format!("adding the Rust target {MUSL}"));
    command(Command::new("rustup").args(["target", "add", MUSL])).map(drop)
}

fn cargo_build(target: &str, config: Option<&str>) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--package", "chunkstore", "--bin", "chunkstore", "--target", target]);
    // Flags for the host's build, as for coverage, do not fit a static program.
    build.args(["--message-format", "json-render-diagnostics"]);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"] {
        build.env_remove(variable);
    }
    // Cargo joins these flags to those of the repository's own configuration.
    if let Some(config) = config {
        build.args(["--config", config]);
    }
    let messages = command(&mut build)?;
    executable(&messages).ok_or_else(|| LabError::new("cargo built no executable"))
}

/// Finds the executable among cargo's messages, one JSON object a line.
fn executable(messages: &str) -> Option<PathBuf> {
    let parsed = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    parsed.filter_map(|message| message["executable"].as_str().map(PathBuf::from)).next_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_the_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\nnoise\n\
                        {\"reason\":\"compiler-artifact\",\"executable\":\"/t/release/chunkstore\"}\n\
                        {\"reason\":\"build-finished\",\"success\":true}\n";
        assert_eq!(executable(messages).unwrap(), Path::new("/t/release/chunkstore"));
        assert_eq!(executable("{}\n"), None);
    }
}
