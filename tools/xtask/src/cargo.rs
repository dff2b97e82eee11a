//! Cargo called from this tool as from a shell, so that either finds what the other built.

use std::path::Path;
use std::process::Command;

/// Variables that replace `build.rustflags` of `.cargo/config.toml` and so would drop its `--cfg` in silence.
const FLAG_VARIABLES: &[&str] = &["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_RUSTFLAGS"];
/// Beginnings of what cargo tells a program that it runs; some build scripts run again whenever these change.
const OWN_VARIABLES: &[&str] = &["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Returns a call of cargo in the repository.
pub fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    for (variable, _) in std::env::vars_os() {
        let name = variable.to_string_lossy();
        if FLAG_VARIABLES.contains(&name.as_ref()) || OWN_VARIABLES.iter().any(|begin| name.starts_with(begin)) {
            command.env_remove(&variable);
        }
    }
    command
}
