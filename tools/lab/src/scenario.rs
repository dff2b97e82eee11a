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
    /// Forgets all snapshots but the newest before it, and drops without a grace what nothing needs then.
    Collect,
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
    /// How it has to end.
    pub exit: i32,
}

/// The exit code of a run that did all that it could, and says what stays damaged.
const DAMAGED: i32 = 13;

impl Step {
    /// Returns whether it is done once it returned, and not cut off.
    #[must_use]
    pub fn is_acknowledged(&self) -> bool {
        [0, DAMAGED].contains(&self.exit)
    }
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
    /// What happened before the recording begins, and is durable then.
    pub prelude: &'static [Step],
    /// What happens.
    pub steps: &'static [Step],
}

use Host::{Collect, Nothing, Publish, PublishAndCut};

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

/// Slow enough for a cable to be pulled within a week of an eighth.
const SYNC_CUT_SMALL: &str = "chunkstore sync --store {store} --json --progress never --timeout 3s --limit-rate 50K";
const GC_OF_A_KEY: &str = "chunkstore gc --store {store} --grace 0s --json --progress never";
const HEAL: &str = "chunkstore verify --store {store} --heal {url} --json --progress never";
const FORGET: &str =
    "chunkstore forget --keep-last 2 --store {store} --keys /tmp/keys --no-passphrase --json --progress never";
const GC: &str = "chunkstore gc --store {store} --grace 0s --keys /tmp/keys --no-passphrase --json --progress never";
const REPAIR: &str = "chunkstore repair --store {store} --keys /tmp/keys --no-passphrase --json --progress never";
/// Makes folders of which each lacks something of the one before: what filled the first pack is mostly gone in the second, and
/// a whole pack in the third. In a directory of its own a file has chunks of its own.
const FOLDER_1: &str = "mkdir -p /tmp/files/dies /tmp/files/lives /tmp/files/whole && cd /tmp/files && \
                        head -c 80000 /dev/urandom >dies/a && head -c 30000 /dev/urandom >lives/a && \
                        head -c 6000 /dev/urandom >changes";
const FOLDER_2: &str =
    "cd /tmp/files && rm dies/a && head -c 24000 /dev/urandom >whole/a && head -c 6000 /dev/urandom >changes";
const FOLDER_3: &str = "cd /tmp/files && rm whole/a && head -c 6000 /dev/urandom >changes";
const FOLDER_4: &str = "cd /tmp/files && head -c 6000 /dev/urandom >changes";
/// A pack of a run that was cut off, which nothing names.
const ORPHAN: &str = "mkdir -p {store}/packs/AB && head -c 5000 /dev/urandom >{store}/packs/AB/ABABABAB.ABA";
/// Of the packs by length, the longest first: one rots, one is too short, one is empty and one is gone.
const HARM_KEY: &str = "(cd {store}/packs && set -- $(find . -type f -exec ls -S {} +) && \
                        printf 'rotten bytes' | dd of=$1 bs=1 seek=5000 conv=notrunc && dd of=$2 bs=1 seek=3000 count=0 && \
                        : >$3 && rm $4)";
/// The longest pack rots in one place.
const HARM_PUBLISHER: &str = "(cd {store}/packs && set -- $(find . -type f -exec ls -S {} +) && \
                              printf 'rotten bytes' | dd of=$1 bs=1 seek=5000 conv=notrunc)";

const BEFORE_GC_OF_A_KEY: &[Step] = &[
    step("clone", Publish(1), "", CLONE, 0),
    step("sync", PublishAndCut(2), "", SYNC_CUT_SMALL, 14),
    step("sync", Collect, "", SYNC, 0),
    step("sync", Publish(3), "", SYNC, 0),
    step("orphan", Nothing, "", ORPHAN, 0),
];
const BEFORE_GC: &[Step] = &[
    step("init", Nothing, "", INIT, 0),
    step("commit", Nothing, FOLDER_1, COMMIT, 0),
    step("commit", Nothing, FOLDER_2, COMMIT, 0),
    step("commit", Nothing, FOLDER_3, COMMIT, 0),
    step("commit", Nothing, FOLDER_4, COMMIT, 0),
    step("orphan", Nothing, "", ORPHAN, 0),
];
const BEFORE_HEAL: &[Step] = &[step("clone", Publish(1), "", CLONE, 0), step("harm", Nothing, "", HARM_KEY, 0)];
const BEFORE_REPAIR: &[Step] = &[
    step("init", Nothing, "", INIT, 0),
    step("commit", Nothing, FOLDER_1, COMMIT, 0),
    step("commit", Nothing, FOLDER_2, COMMIT, 0),
    step("harm", Nothing, "", HARM_PUBLISHER, 0),
];

/// Every story.
pub const STORIES: &[Story] = &[
    Story { name: "key", divisor: 1, prelude: &[], steps: KEY },
    Story { name: "publisher", divisor: 2, prelude: &[], steps: PUBLISHER },
    Story {
        name: "gc-key",
        divisor: 12,
        prelude: BEFORE_GC_OF_A_KEY,
        steps: &[step("gc", Nothing, "", GC_OF_A_KEY, 0)],
    },
    Story {
        name: "gc-publisher",
        divisor: 1,
        prelude: BEFORE_GC,
        steps: &[step("forget", Nothing, "", FORGET, 0), step("gc", Nothing, "", GC, 0)],
    },
    Story { name: "heal", divisor: 4, prelude: BEFORE_HEAL, steps: &[step("heal", Nothing, "", HEAL, 0)] },
    Story {
        name: "repair",
        divisor: 1,
        prelude: BEFORE_REPAIR,
        steps: &[step("repair", Nothing, "", REPAIR, DAMAGED)],
    },
];

impl Story {
    /// Returns all steps in order, those before the recording first.
    pub fn all_steps(&self) -> impl Iterator<Item = &'static Step> {
        self.prelude.iter().chain(self.steps)
    }

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
        for step in STORIES.iter().flat_map(Story::all_steps) {
            let [command, prepare] = [step.command, step.prepare].map(|text| names.fill(text).replace("{} +", ""));
            assert!(!command.contains('{') && !prepare.contains('{'), "{command} {prepare}");
            let is_harm = ["harm", "orphan"].contains(&step.verb);
            assert!(command.contains("/mnt/key/store"), "{command}");
            assert!(is_harm || command.contains("--json --progress never"), "{command}");
            assert!(!step.verb.contains(' ') && !prepare.contains("/mnt"), "{prepare}");
        }
    }

    #[test]
    fn a_step_that_is_cut_is_not_acknowledged_and_another_follows() {
        let key = Story::named("key").unwrap();
        let cut = key.steps.iter().position(|step| matches!(step.host, PublishAndCut(_))).unwrap();
        assert!(!key.steps[cut].is_acknowledged() && key.steps[cut + 1].exit == 0);
        assert!(Story::named("keys").unwrap_err().to_string().contains("key, publisher"));
        // What is recorded ends with what was asked for, so that every state is one of the last verb's.
        assert!(STORIES.iter().all(|story| story.steps.last().is_some_and(Step::is_acknowledged)));
    }

    #[test]
    fn the_last_generation_counts() {
        let output = "warning\n{\"event\":\"a\",\"generation\":1}\n{\"event\":\"done\",\"generation\":6}\nbye\n";
        assert_eq!(generation(output), Some(6));
        assert_eq!(generation("{}\nnothing"), None);
    }
}
