//! The stories: what happens to a key, step by step. A new story is a line of [`STORIES`], a new step a line in it.

use crate::error::{LabError, Result};

/// What the host does for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// Nothing.
    Nothing,
    /// Publishes a week before it.
    Publish(u32),
    /// Publishes a week before it, and pulls the network's cable when about half of it has arrived.
    PublishAndCut(u32),
}

/// One command in the guest.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// Its name in the mark.
    pub verb: &'static str,
    /// What the host does.
    pub host: Host,
    /// What the guest does before it, which does not touch the key.
    pub prepare: &'static str,
    /// The command. `{store}`, `{url}`, `{fingerprint}` and `{port}` are filled in.
    pub command: &'static str,
    /// How it has to end. Only a step that ends with 0 is acknowledged.
    pub exit: i32,
}

const fn step(verb: &'static str, host: Host, prepare: &'static str, command: &'static str, exit: i32) -> Step {
    Step { verb, host, prepare, command, exit }
}

/// Steps that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its folder is so many times smaller than others.
    pub divisor: usize,
    /// What happens.
    pub steps: &'static [Step],
}

use Host::{Nothing, Publish, PublishAndCut};

const CLONE: &str = "chunkstore clone {url} {store} --trust {fingerprint} --json --progress never";
const SYNC: &str = "chunkstore sync --store {store} --json --progress never";
/// Slow, so that the cable is pulled within a pack.
const SYNC_CUT: &str = "chunkstore sync --store {store} --json --progress never --timeout 3s --limit-rate 400K";
const INIT: &str = "chunkstore init {store} --keys /tmp/keys --no-passphrase --json --progress never";
const COMMIT: &str =
    "chunkstore commit /tmp/files --store {store} --keys /tmp/keys --no-passphrase --json --progress never";
const WEEK_1: &str =
    "mkdir /tmp/files && cd /tmp/files && ftpget -P {port} 10.0.2.2 ../week week-1.cpio && cpio -idu <../week";
const WEEK_2: &str = "cd /tmp/files && ftpget -P {port} 10.0.2.2 ../week week-2.cpio && cpio -idu <../week";

const KEY: &[Step] = &[
    step("clone", Publish(1), "", CLONE, 0),
    step("sync", PublishAndCut(2), "", SYNC_CUT, 14),
    step("sync", Nothing, "", SYNC, 0),
    step("sync", Publish(3), "", SYNC, 0),
    step("sync", Nothing, "", SYNC, 0),
];
const PUBLISHER: &[Step] = &[
    step("init", Nothing, "", INIT, 0),
    step("commit", Nothing, WEEK_1, COMMIT, 0),
    step("commit", Nothing, WEEK_2, COMMIT, 0),
];

/// Every story.
pub const STORIES: &[Story] =
    &[Story { name: "key", divisor: 1, steps: KEY }, Story { name: "publisher", divisor: 2, steps: PUBLISHER }];

impl Story {
    /// Finds a story by name.
    ///
    /// # Errors
    /// When there is none; it lists those that are.
    pub fn named(name: &str) -> Result<&'static Self> {
        STORIES.iter().find(|story| story.name == name).ok_or_else(|| {
            let names: Vec<_> = STORIES.iter().map(|story| story.name).collect();
            LabError::new(format!("there is no story {name}; there are {}", names.join(", ")))
        })
    }
}

/// What is filled into the commands.
#[derive(Debug, Clone)]
pub struct Names {
    /// The store's path in the guest.
    pub store: String,
    /// The server's address.
    pub url: String,
    /// The published store's fingerprint.
    pub fingerprint: String,
    /// The server's port.
    pub port: u16,
}

impl Names {
    /// Fills a command.
    #[must_use]
    pub fn fill(&self, command: &str) -> String {
        let filled = command.replace("{store}", &self.store).replace("{url}", &self.url);
        filled.replace("{fingerprint}", &self.fingerprint).replace("{port}", &self.port.to_string())
    }
}

/// Finds the generation in what a verb printed with `--json`: the last line that names one.
#[must_use]
pub fn generation(output: &str) -> Option<u64> {
    let lines = output.lines().rev().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| line["generation"].as_u64()).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_filled_whole_and_says_its_generation() {
        let names = Names {
            store: "/mnt/key/store".to_owned(),
            url: "ftp://10.0.2.2:2121/store".to_owned(),
            fingerprint: "00ff".to_owned(),
            port: 2121,
        };
        for step in STORIES.iter().flat_map(|story| story.steps) {
            let [command, prepare] = [step.command, step.prepare].map(|text| names.fill(text));
            assert!(!command.contains('{') && !prepare.contains('{'), "{command} {prepare}");
            assert!(command.contains("/mnt/key/store") && command.contains("--json --progress never"), "{command}");
            assert!(!step.verb.contains(' ') && !prepare.contains("/mnt"), "{prepare}");
        }
    }

    #[test]
    fn a_step_that_is_cut_is_not_acknowledged_and_another_follows() {
        let key = Story::named("key").unwrap();
        let cut = key.steps.iter().position(|step| matches!(step.host, PublishAndCut(_))).unwrap();
        assert!(key.steps[cut].exit != 0 && key.steps[cut + 1].exit == 0);
        assert!(Story::named("keys").unwrap_err().to_string().contains("key, publisher"));
    }

    #[test]
    fn the_last_generation_counts() {
        let output = "warning\n{\"event\":\"a\",\"generation\":1}\n{\"event\":\"done\",\"generation\":6}\nbye\n";
        assert_eq!(generation(output), Some(6));
        assert_eq!(generation("{}\nnothing"), None);
    }
}
