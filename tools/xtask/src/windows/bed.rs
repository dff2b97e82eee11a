//! The test bed: compilers, and a wine prefix of its own below `target/windows`.
//!
//! A fresh Debian 12 needs nothing before it but rustup: packages are installed where this runs as root, else named. Nothing is
//! changed outside `target/windows` but by apt-get and rustup; `rm -r target/windows` undoes the rest.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::cargo;
use crate::toolchain::{add_target, done, find, install};

/// What Rust calls this Windows.
pub const TARGET: &str = "x86_64-pc-windows-gnu";
/// Debian's packages: compiler and linker (C parts of zstd, ring and blake3), and wine without a display.
const PACKAGES: &[&str] = &["gcc-mingw-w64-x86-64", "wine64"];
/// The C compiler that comes with them.
const COMPILER: &str = "x86_64-w64-mingw32-gcc";
/// Where Debian has wine, and what it is called elsewhere.
const WINES: &[&str] = &["/usr/lib/wine/wine64", "wine64", "wine"];

/// Where everything lies.
pub struct Bed {
    root: PathBuf,
    /// Cargo's folder for this target, with the wine prefix and the logs beside what is built.
    target_dir: PathBuf,
    prefix: &'static str,
}

impl Bed {
    /// The bed of this repository; nothing is made yet.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_owned(), target_dir: root.join("target/windows"), prefix: "wine" }
    }

    /// Returns the repository.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where logs of runs go.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.target_dir.join("logs")
    }

    /// Returns the folder that the prefix is in: what wine takes for a machine.
    #[must_use]
    pub fn prefix(&self) -> PathBuf {
        self.target_dir.join(self.prefix)
    }

    /// Returns a bed with a wine prefix of its own, which takes a minute the first time: another machine, which can be switched off while
    /// tests run in the first.
    ///
    /// # Errors
    /// As [`Bed::set_up`].
    pub fn apart(&self, prefix: &'static str) -> Result<Self, String> {
        let bed = Self { root: self.root.clone(), target_dir: self.target_dir.clone(), prefix };
        bed.make_prefix()?;
        Ok(bed)
    }

    /// Installs and makes what is missing; quick where nothing is.
    ///
    /// # Errors
    /// What is missing and could not be had.
    pub fn set_up(&self) -> Result<(), String> {
        add_target(&self.root, TARGET)?;
        if find(COMPILER).is_none() || wine().is_err() {
            install("windows", PACKAGES)?;
        }
        std::fs::create_dir_all(self.logs())
            .map_err(|error| format!("cannot create {}: {error}", self.logs().display()))?;
        self.make_prefix()
    }

    /// Makes the prefix, with the library that older wines lack and without a display; its last step leaves a mark.
    fn make_prefix(&self) -> Result<(), String> {
        let (prefix, mark) = (self.prefix(), self.prefix().join("made-by-xtask"));
        if mark.is_file() {
            return Ok(());
        }
        println!("windows: makes a wine prefix, which takes a minute");
        std::fs::create_dir_all(&prefix).map_err(|error| format!("cannot create {}: {error}", prefix.display()))?;
        // Its windows and browsers find no display, which it calls an error.
        let _ = self.wine()?.args(["wineboot", "--init"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
        self.settle()?;
        let library = prefix.join("drive_c/windows/system32/bcryptprimitives.dll");
        self.compile("bcryptprimitives.c", &library, &["-shared", "-ladvapi32"])?;
        let no_display = ["reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"];
        done(self.wine()?.args(no_display).stdout(Stdio::null()), "wine reg add")?;
        self.settle()?;
        std::fs::write(&mark, b"").map_err(|error| format!("cannot write {}: {error}", mark.display()))
    }

    /// Compiles a file of `tools/windows`.
    ///
    /// # Errors
    /// The compiler's words go to stderr.
    pub fn compile(&self, source: &str, to: &Path, flags: &[&str]) -> Result<(), String> {
        let mut compile = Command::new(COMPILER);
        compile.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"]).arg(to);
        // Libraries stand behind what needs them.
        compile.arg(self.root.join("tools/windows").join(source)).args(flags);
        done(&mut compile, &format!("compiling {source}"))
    }

    /// Makes an empty folder below the target's.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn scratch(&self, name: &str) -> Result<PathBuf, String> {
        let dir = self.target_dir.join(name);
        let failed = |error: std::io::Error| format!("cannot make {} anew: {error}", dir.display());
        match std::fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        std::fs::create_dir_all(&dir).map_err(failed)?;
        Ok(dir)
    }

    /// Returns a call of cargo with compiler, linker and runner for the target.
    ///
    /// # Errors
    /// No wine here.
    pub fn cargo(&self, verb: &str) -> Result<Command, String> {
        let mut command = cargo(&self.root);
        command.arg(verb).args(["--target", TARGET, "--target-dir"]).arg(&self.target_dir);
        let under = TARGET.replace('-', "_");
        command.env(format!("CC_{under}"), COMPILER).env(format!("AR_{under}"), "x86_64-w64-mingw32-ar");
        let variable = format!("CARGO_TARGET_{}_", under.to_uppercase());
        command.env(format!("{variable}LINKER"), COMPILER).env(format!("{variable}RUNNER"), wine()?);
        // What would be built again faster takes gigabytes.
        command.env("CARGO_INCREMENTAL", "0");
        self.with_prefix(&mut command);
        Ok(command)
    }

    /// Returns a call of wine.
    ///
    /// # Errors
    /// No wine here.
    pub fn wine(&self) -> Result<Command, String> {
        let mut command = Command::new(wine()?);
        self.with_prefix(&mut command);
        Ok(command)
    }

    fn with_prefix(&self, command: &mut Command) {
        command.env("WINEPREFIX", self.prefix()).env("WINEDEBUG", "-all");
    }

    /// Waits until everything that runs in the prefix has ended.
    fn settle(&self) -> Result<(), String> {
        done(self.server()?.arg("--wait"), "waiting for wine")
    }

    /// Has the prefix live on without any program that runs in it, until [`Bed::leave`].
    ///
    /// # Errors
    /// No wine here.
    pub fn stay(&self) -> Result<(), String> {
        let _ = self.server()?.arg("--kill").stderr(Stdio::null()).status();
        done(self.server()?.arg("--persistent"), "starting wine's server")?;
        // The first program starts those of the system, which would keep its pipes open as long as they live.
        let mut boot = self.wine()?;
        boot.arg("wineboot").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        done(&mut boot, "wineboot")
    }

    /// Ends everything that runs in the prefix.
    pub fn leave(&self) {
        // Where none runs there is nothing to end.
        let _ = self.server().and_then(|mut server| done(server.arg("--kill"), "ending wine"));
    }

    fn server(&self) -> Result<Command, String> {
        let wine = wine()?;
        let server = wine.parent().map(|dir| dir.join("wineserver")).filter(|server| server.is_file());
        let mut command = Command::new(server.unwrap_or_else(|| "wineserver".into()));
        self.with_prefix(&mut command);
        Ok(command)
    }

    /// Builds the release program and returns where it is.
    ///
    /// # Errors
    /// The build failed.
    pub fn build_release(&self) -> Result<PathBuf, String> {
        done(self.cargo("build")?.args(["--release", "--package", "chunkstore", "--bins"]), "the release build")?;
        Ok(self.target_dir.join(TARGET).join("release/chunkstore.exe"))
    }

    /// Builds and runs the release program.
    ///
    /// # Errors
    /// The build failed, or the program ended with another code than 0.
    pub fn run_release(&self, words: &[String]) -> Result<(), String> {
        let program = self.build_release()?;
        done(self.wine()?.arg(program).args(words), "chunkstore.exe")
    }
}

fn wine() -> Result<PathBuf, String> {
    WINES.iter().find_map(|name| find(name)).ok_or_else(|| "wine is missing: cargo xtask windows setup".to_owned())
}
