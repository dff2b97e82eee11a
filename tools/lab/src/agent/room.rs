//! [`Room`]: a guest with an agent, a key, and a volume that is none.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::office::Office;
use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::{Job, Key, Machine, quote};
use crate::media::Medium;

/// Longest wait for anything.
const AT_MOST: Duration = Duration::from_secs(180);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Where the key is mounted, and its store lies.
const KEY: &str = "/mnt/key";
/// Where the other volume is mounted.
const STRANGER: &str = "/mnt/photos";
/// The home of whoever runs the agent, and where its configuration lies.
const HOME: &str = "/tmp/home";
const CONFIG_DIR: &str = "/tmp/home/.config/chunkstore";
/// Gives a sync a middle.
const CONFIG: &str = "[agent]\nstores = \"any\"\nsettle = \"200ms\"\nlimit-rate = \"3M\"\nconnections = 1\n";

/// A guest.
pub struct Room {
    machine: Machine,
    medium: &'static Medium,
    key: Key,
    stranger: Key,
    dir: TempDir,
}

impl Room {
    /// Starts a machine with both volumes, formatted and not plugged in.
    ///
    /// # Errors
    /// The machine does not start, or a volume cannot be made.
    pub fn open(kit: &Kit, medium: &'static Medium) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a directory", error))?;
        let images = ["key", "photos"].map(|name| dir.path().join(name));
        images.iter().try_for_each(|image| medium.format(image))?;
        let [key, stranger] = [Key::new("key", &images[0]), Key::new("photos", &images[1])];
        let mut machine = Machine::restore(kit)?;
        machine.attach(&key)?;
        machine.attach(&stranger)?;
        Ok(Self { machine, medium, key, stranger, dir })
    }

    /// Makes the first volume a key.
    ///
    /// # Errors
    /// The clone fails.
    pub fn make_key(&mut self, office: &Office) -> Result<()> {
        self.plug_key()?;
        let clone = format!("chunkstore clone {} {KEY} --trust {}", office.url(), office.fingerprint());
        self.machine.run(&clone, AT_MOST)?;
        self.take_key()
    }

    /// Puts photos on the other volume, and a file that is named like a store's marker; returns what its image hashes to.
    ///
    /// # Errors
    /// The volume does not mount.
    pub fn make_stranger(&mut self) -> Result<String> {
        self.plug_stranger()?;
        let fill = format!("head -c 300000 /dev/urandom >{STRANGER}/a.jpg && echo notes >{STRANGER}/STORE");
        self.machine.run(&fill, AT_MOST)?;
        self.take_stranger()?;
        self.stranger_sum()
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// It does not say that it is ready.
    pub fn start_agent(&mut self) -> Result<Job> {
        let config = format!("mkdir -p {CONFIG_DIR} && printf %s {} >{CONFIG_DIR}/config.toml", quote(CONFIG));
        self.machine.run(&config, AT_MOST)?;
        let run = format!("echo $$ >/tmp/agent.pid; HOME={HOME} exec chunkstore agent run --json");
        let job = self.machine.spawn(&format!("sh -c {} >/tmp/agent.out 2>/tmp/agent.err", quote(&run)))?;
        self.wait("the agent is ready", |room| room.has_event("\"event\":\"ready\""))?;
        Ok(job)
    }

    /// Ends the agent as a service manager does; returns its exit code.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop_agent(&mut self, job: Job) -> Result<i32> {
        self.machine.run("kill -TERM $(cat /tmp/agent.pid)", AT_MOST)?;
        Ok(self.machine.finish(job, AT_MOST)?.0)
    }

    /// Plugs the key in and mounts it.
    ///
    /// # Errors
    /// It does not mount.
    pub fn plug_key(&mut self) -> Result<()> {
        // What an earlier run of the agent said of it is no answer.
        self.machine.run(": >/tmp/agent.out", AT_MOST)?;
        let key = self.key.clone();
        self.plug(&key, KEY)
    }

    /// Unmounts the key and takes it out.
    ///
    /// # Errors
    /// The guest cannot.
    pub fn take_key(&mut self) -> Result<()> {
        self.machine.run(&format!("umount {KEY}"), AT_MOST)?;
        self.pull_key()
    }

    /// Pulls the key as it is.
    ///
    /// # Errors
    /// It is not plugged in.
    pub fn pull_key(&mut self) -> Result<()> {
        self.machine.pull(&self.key)
    }

    /// Unmounts what is left of a key that was pulled.
    ///
    /// # Errors
    /// Something still holds it.
    pub fn clear_away(&mut self) -> Result<()> {
        self.machine.run(&format!("umount {KEY}"), AT_MOST).map(drop)
    }

    /// Plugs the other volume in and mounts it.
    ///
    /// # Errors
    /// It does not mount.
    pub fn plug_stranger(&mut self) -> Result<()> {
        let stranger = self.stranger.clone();
        self.plug(&stranger, STRANGER)
    }

    /// Unmounts the other volume and takes it out.
    ///
    /// # Errors
    /// The guest cannot.
    pub fn take_stranger(&mut self) -> Result<()> {
        self.machine.run(&format!("umount {STRANGER}"), AT_MOST)?;
        self.machine.pull(&self.stranger)
    }

    fn plug(&mut self, key: &Key, at: &str) -> Result<()> {
        let device = self.machine.plug(key)?;
        self.machine.run(&self.medium.mount_command(&device, at), AT_MOST).map(drop)
    }

    /// Returns what the key's image hashes to, on the host.
    ///
    /// # Errors
    /// It does not read.
    pub fn key_sum(&self) -> Result<String> {
        sum(&self.image("key"))
    }

    /// Returns what the other volume's image hashes to.
    ///
    /// # Errors
    /// It does not read.
    pub fn stranger_sum(&self) -> Result<String> {
        sum(&self.image("photos"))
    }

    fn image(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits until the status shows a notice of some volume; returns its message.
    ///
    /// # Errors
    /// It does not come.
    pub fn wait_for_notice(&mut self, notice: &str) -> Result<String> {
        let mut message = String::new();
        self.wait(&format!("the notice {notice}"), |room| {
            let volumes = room.volumes()?;
            let found = volumes.iter().find(|volume| volume["notice"] == notice);
            message = found.and_then(|volume| volume["message"].as_str()).unwrap_or_default().to_owned();
            Ok(found.is_some())
        })?;
        Ok(message)
    }

    /// Waits until a run on the key ends so, since it was plugged in.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_for_end(&mut self, result: &str) -> Result<()> {
        self.wait(&format!("a run that ends as {result}"), |room| room.has_event(&format!("\"result\":\"{result}\"")))
    }

    /// Waits until the key holds so many bytes of packs.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_for_packs(&mut self, len_bytes: u64) -> Result<()> {
        self.wait("the middle of a sync", |room| {
            let text = room.machine.run(&format!("du -sk {KEY}/packs"), AT_MOST)?;
            let kib: Option<u64> = text.split_whitespace().next().and_then(|number| number.parse().ok());
            Ok(kib.is_some_and(|kib| kib * 1024 >= len_bytes))
        })
    }

    /// Waits until the agent knows nothing of the key any more and its run has ended.
    ///
    /// # Errors
    /// It does not.
    pub fn wait_until_forgotten(&mut self) -> Result<()> {
        self.wait("the agent lets go", |room| {
            let is_there = room.volumes()?.iter().any(|volume| volume["path"] == KEY);
            Ok(!is_there && room.has_event("\"event\":\"ended\"")?)
        })
    }

    /// Demands that the key holds a generation.
    ///
    /// # Errors
    /// It holds another one.
    pub fn must_hold(&mut self, generation: u64) -> Result<()> {
        let status = self.machine.run(&format!("chunkstore status --store {KEY} --json"), AT_MOST)?;
        let held = last_document(&status)["generation"].as_u64();
        match held == Some(generation) {
            true => Ok(()),
            false => Err(LabError::new(format!("the key holds generation {held:?} and not {generation}"))),
        }
    }

    /// Checks the whole key.
    ///
    /// # Errors
    /// Something is wrong with it.
    pub fn verify(&mut self) -> Result<()> {
        self.machine.run(&format!("chunkstore verify --store {KEY}"), AT_MOST).map(drop)
    }

    fn volumes(&mut self) -> Result<Vec<Value>> {
        let status = self.machine.run(&format!("HOME={HOME} chunkstore agent status --json"), AT_MOST)?;
        Ok(last_document(&status)["volumes"].as_array().cloned().unwrap_or_default())
    }

    fn has_event(&mut self, words: &str) -> Result<bool> {
        Ok(self.machine.sh(&format!("grep -q {} /tmp/agent.out", quote(words)), AT_MOST)?.0 == 0)
    }

    fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + AT_MOST;
        while !is_so(self)? {
            if Instant::now() > deadline {
                let said = self.machine.run("tail -n 20 /tmp/agent.out /tmp/agent.err", AT_MOST).unwrap_or_default();
                return Err(LabError::new(format!(
                    "waited {} s for {what}; the agent said: {said}",
                    AT_MOST.as_secs()
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

fn last_document(text: &str) -> Value {
    text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default()
}

fn sum(image: &Path) -> Result<String> {
    let failed = |error| LabError::because(format!("cannot read {}", image.display()), error);
    let mut hasher = Sha256::new();
    std::io::copy(&mut std::fs::File::open(image).map_err(failed)?, &mut hasher).map_err(failed)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
