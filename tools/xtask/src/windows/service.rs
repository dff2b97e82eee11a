//! The agent as a Windows service under wine, from its installation to its end: a key arrives as a drive and is synced from a real
//! FTP server, is pulled in the middle, comes back, and goes on.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::bed::Bed;
use crate::content::{Draw, noise};
use crate::syncratio::vsftpd::Vsftpd;
use crate::toolchain::done;

/// The service's name, which the program gives it.
const NAME: &str = "chunkstore-agent";
/// The letter that the key gets.
const LETTER: &str = "K";
/// What a week brings.
const WEEK_BYTES: u64 = 24 << 20;
/// How fast the key takes it, so that there is a middle to be pulled in.
const RATE: &str = "3M";
/// What has to be on the key before it is pulled.
const PULLED_AFTER_BYTES: u64 = 6 << 20;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the whole story.
///
/// # Errors
/// The step that did not come to what it should, and why.
pub fn run(bed: &Bed) -> Result<(), String> {
    let bed = &bed.apart("wine-service")?;
    let stage = Stage::new(bed)?;
    let told = |step: &str| println!("windows: service: {step}");
    let server = Vsftpd::start(bed.root(), &stage.path("ftp")).map_err(|error| error.to_string())?;
    let remote = server.url("store");
    let store = stage.publish_and_clone(&remote)?;
    let installed = Installed::new(&stage, &store)?;
    told("installed, started, running");
    require(stage.service_state()? == "RUNNING", "the service manager says that it runs")?;
    let status = stage.status()?;
    require(status["running"] == true, &format!("the agent's status says so: {status}"))?;
    stage.plug()?;
    told("a drive arrives");
    stage.wait("the sync reaches its middle", || Ok(stage.key_bytes()? >= PULLED_AFTER_BYTES))?;
    require(stage.generation()? == 2, "the key still holds the old state")?;
    stage.pull()?;
    told("the drive is pulled in the middle");
    stage.wait("the agent forgets the drive", || Ok(stage.volumes()?.is_empty()))?;
    require(stage.service_state()? == "RUNNING", "the service goes on without the drive")?;
    stage.verify("the key opens as the old state")?;
    require(stage.generation()? == 2, "a key that was pulled holds the old state")?;
    let held = stage.key_bytes()?;
    require(held < WEEK_BYTES, "not everything was there yet")?;
    stage.plug()?;
    told("the drive comes back");
    stage.wait("the key is up to date", || Ok(stage.generation()? == 3))?;
    stage.wait("the agent says so", || {
        Ok(stage.volumes()?.first().is_some_and(|volume| volume["notice"] == "updated"))
    })?;
    stage.verify("the key opens as the new state")?;
    told(&format!("up to date; {held} bytes were there before"));
    stage.pull()?;
    stage.wait("the agent forgets the drive", || Ok(stage.volumes()?.is_empty()))?;
    stage.wine(&["net", "stop", NAME])?;
    stage.wait("the service ends", || Ok(stage.service_state()? == "STOPPED"))?;
    require(stage.status()?["running"] == false, "the agent's status says that it ended")?;
    told("stopped");
    drop(installed);
    stage.wait("the service is taken away", || Ok(stage.service_state()?.is_empty()))?;
    told("deleted");
    Ok(())
}

/// A folder for the story, and the program.
struct Stage<'a> {
    bed: &'a Bed,
    dir: PathBuf,
    program: PathBuf,
}

impl<'a> Stage<'a> {
    fn new(bed: &'a Bed) -> Result<Self, String> {
        let program = bed.build_release()?;
        let dir = bed.scratch("service")?;
        let stage = Self { bed, dir, program };
        bed.compile("drive.c", &stage.path("drive.exe"), &[])?;
        // Services end with the last program that a person started, unless the server is told to stay.
        bed.stay()?;
        Ok(stage)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Where the service keeps what is its own.
    fn machine_folder(&self) -> PathBuf {
        self.bed.prefix().join("drive_c/ProgramData/chunkstore")
    }

    /// Makes a store of one week, a key of it, and publishes another week; returns the store's id.
    fn publish_and_clone(&self, remote: &str) -> Result<String, String> {
        let made = self.json(&["init", "pub", "--keys", "keys", "--no-passphrase"])?;
        let text = |name: &str| made[name].as_str().map(str::to_owned).ok_or_else(|| format!("init said no {name}"));
        let (fingerprint, store) = (text("fingerprint")?, text("store_id")?);
        let publish = |week: u64| {
            let file = self.path(&format!("files/week-{week}"));
            std::fs::create_dir_all(self.path("files")).map_err(|error| error.to_string())?;
            noise(&file, if week == 1 { 1 << 20 } else { WEEK_BYTES }, &mut Draw::new(week))
                .map_err(|error| error.to_string())?;
            self.json(&["commit", "files", "--store", "pub", "--keys", "keys", "-m", "weekly"])?;
            self.json(&["push", remote, "--store", "pub", "--keys", "keys"])
        };
        publish(1)?;
        self.json(&["clone", remote, "key", "--trust", &fingerprint])?;
        publish(2)?;
        std::fs::write(self.path("key/.windows-serial"), b"1a2b3c4d\n").map_err(|error| error.to_string())?;
        Ok(store)
    }

    /// Runs the program and returns its last document.
    fn json(&self, words: &[&str]) -> Result<Value, String> {
        let mut command = self.bed.wine()?;
        command.arg(&self.program).args(words).args(["--json", "--cache", "cache"]).current_dir(&self.dir);
        let output = command.stdin(Stdio::null()).output().map_err(|error| format!("cannot start wine: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!(
                "{}: {}: {said}{}",
                words.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        let last = said.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{}: {error}: {said}", words.join(" ")))
    }

    fn wine(&self, words: &[&str]) -> Result<(), String> {
        done(self.bed.wine()?.args(words).stdin(Stdio::null()).stdout(Stdio::null()), &words.join(" "))
    }

    fn plug(&self) -> Result<(), String> {
        let key = self.path("key");
        done(self.bed.wine()?.arg(self.path("drive.exe")).arg(LETTER).arg(key), "drive.exe")
    }

    fn pull(&self) -> Result<(), String> {
        done(self.bed.wine()?.arg(self.path("drive.exe")).arg(LETTER), "drive.exe")
    }

    /// Returns the state that the service manager tells, or nothing where there is no such service.
    fn service_state(&self) -> Result<String, String> {
        let output = self.bed.wine()?.args(["sc", "query", NAME]).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start sc: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let state = text.lines().find_map(|line| line.trim().strip_prefix("STATE"));
        Ok(state.and_then(|state| state.split_whitespace().last()).unwrap_or_default().to_owned())
    }

    /// Returns what the program tells of the agent.
    fn status(&self) -> Result<Value, String> {
        self.json(&["agent", "status", "--system"])
    }

    /// Reads what stands in the agent's status file; it may be replaced at this moment.
    fn volumes(&self) -> Result<Vec<Value>, String> {
        let file = self.machine_folder().join("agent/status.json");
        let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap_or_default()).unwrap_or_default();
        Ok(document["volumes"].as_array().cloned().unwrap_or_default())
    }

    /// Returns how many bytes of packs the key holds.
    fn key_bytes(&self) -> Result<u64, String> {
        let files = crate::content::files_below(&self.path("key/packs")).map_err(|error| error.to_string())?;
        Ok(files.iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum())
    }

    /// Returns the generation of the key's HEAD; 0 while it is being replaced.
    fn generation(&self) -> Result<u64, String> {
        let text = std::fs::read_to_string(self.path("key/HEAD")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("generation "));
        Ok(line.and_then(|number| number.trim().parse().ok()).unwrap_or(0))
    }

    fn verify(&self, what: &str) -> Result<(), String> {
        self.json(&["verify", "--store", "key"]).map(drop).map_err(|error| format!("{what}: {error}"))
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
        let started = Instant::now();
        while !is_so()? {
            if started.elapsed() > PATIENCE {
                return Err(format!("waited for {PATIENCE:?}: {what}; status: {:?}", self.volumes()));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.bed.leave();
    }
}

/// The service while it is installed; taken away when dropped, whatever happened.
struct Installed<'a> {
    stage: &'a Stage<'a>,
}

impl<'a> Installed<'a> {
    fn new(stage: &'a Stage<'a>, store: &str) -> Result<Self, String> {
        let folder = stage.machine_folder();
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let config = format!("[agent]\nsettle = \"1ms\"\nlimit-rate = \"{RATE}\"\nconnections = 1\nnotify = false\n");
        std::fs::write(folder.join("config.toml"), config).map_err(|error| error.to_string())?;
        let installed = Self { stage };
        stage.json(&["agent", "install", "--system", store])?;
        stage.wait("the agent is ready", || Ok(stage.service_state()? == "RUNNING"))?;
        Ok(installed)
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.stage.json(&["agent", "uninstall", "--system"]) {
            eprintln!("windows: service: {error}");
        }
        let _ = std::fs::remove_dir_all(self.stage.machine_folder());
    }
}

fn require(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("it should be so: {what}")) }
}
