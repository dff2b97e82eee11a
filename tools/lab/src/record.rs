//! `lab record`: plays stories in a machine, with every write and flush that reaches the key logged, and packs each into one
//! recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chunkstore::base::Clock;
use chunkstore::base::clock::SystemClock;

use crate::blocklog::{BlockLog, Entry};
use crate::content::Size;
use crate::error::{LabError, Result};
use crate::image::{Image, SECTOR_BYTES};
use crate::image_file::read_image;
use crate::kit::{DEFAULT_DIR, Kit};
use crate::machine::{Key, Machine};
use crate::media::{MEDIA, Medium};
use crate::publisher::Publisher;
use crate::recording::{Header, Recording, mark_sector};
use crate::scenario::{Host, Names, STORIES, Step, Story, generation};
use crate::upkeep::{READER_KEY, WRITER_KEY};

const MOUNT_POINT: &str = "/mnt/key";
/// The store's name on the key.
const STORE: &str = "store";
const SHORT: Duration = Duration::from_secs(20);
const STEP_TIMEOUT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_millis(20);

/// What `lab record` is asked for.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// A medium; repeatable [default: all that can be made here]
    #[arg(long, value_name = "M")]
    pub medium: Vec<String>,
    /// A story; repeatable [default: all]
    #[arg(long, value_name = "S")]
    pub story: Vec<String>,
    /// How much is written
    #[arg(long, value_enum, default_value = "small")]
    pub size: Size,
    /// Where the recordings go
    #[arg(long, value_name = "DIR", default_value = "target/lab/recordings")]
    pub out: PathBuf,
    /// The work directory of setup
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// Records what was asked for.
///
/// # Errors
/// When a story does not go as it should, or a medium that was named cannot be had.
pub fn run(args: &RecordArgs) -> Result<()> {
    let kit = Kit::open(&args.dir)?;
    let named: Vec<&Medium> = args.medium.iter().map(|name| Medium::named(name)).collect::<Result<_>>()?;
    let stories: Vec<&Story> = args.story.iter().map(|name| Story::named(name)).collect::<Result<_>>()?;
    let media = if named.is_empty() { MEDIA.iter().collect() } else { named };
    let stories = if stories.is_empty() { STORIES.iter().collect() } else { stories };
    std::fs::create_dir_all(&args.out)
        .map_err(|error| LabError::because(format!("cannot make {}", args.out.display()), error))?;
    for medium in media {
        for story in &stories {
            let name = format!("{}-{}", story.name, medium.name);
            let path = args.out.join(format!("{name}.rec"));
            // What cannot be made now must not be taken for what the program writes now.
            let _ = std::fs::remove_file(&path);
            let begun = match Take::begin(&kit, medium, args.size.unit_bytes() / story.divisor) {
                Err(error) if args.medium.is_empty() => {
                    eprintln!("lab record: SKIPPED {name}: {error}");
                    continue;
                }
                begun => begun?,
            };
            let recording = begun.play(story).map_err(|error| LabError::because(format!("recording {name}"), error))?;
            recording.write(&path)?;
            summarise(&path, &recording);
        }
    }
    Ok(())
}

fn summarise(path: &Path, recording: &Recording) {
    let entries = &recording.log.entries;
    let flushes = entries.iter().filter(|entry| **entry == Entry::Flush).count();
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let marks = recording.marks().len();
    println!("{}: {} requests, {flushes} flushes, {marks} marks, {size} bytes", path.display(), entries.len());
}

/// A story under way on a fresh key.
struct Take {
    machine: Machine,
    key: Key,
    device: String,
    publisher: Publisher,
    medium: &'static Medium,
    base: Image,
    kernel: String,
    scratch: tempfile::TempDir,
}

impl Take {
    fn begin(kit: &Kit, medium: &'static Medium, unit_bytes: usize) -> Result<Self> {
        let scratch = tempfile::tempdir_in(kit.dir());
        let scratch = scratch.map_err(|error| LabError::because("cannot make a scratch folder", error))?;
        let [image, log] = ["key.img", "key.log"].map(|name| scratch.path().join(name));
        medium.format(&image)?;
        let base = read_image(&Image::new(medium.device_bytes()), &image)?;
        std::fs::write(&log, []).map_err(|error| LabError::because("cannot make the log", error))?;
        let publisher = Publisher::start(unit_bytes)?;
        let mut machine = Machine::restore(kit)?;
        let kernel = machine.run("uname -r", SHORT)?;
        let key = Key::new("key", &image).logged(&log);
        machine.attach(&key)?;
        let device = machine.plug(&key)?;
        machine.run(&medium.mount_command(&device, MOUNT_POINT), SHORT)?;
        let mut take = Self { machine, key, device, publisher, medium, base, kernel, scratch };
        take.check_mount()?;
        Ok(take)
    }

    /// Sees to it that the kernel took the options, and that it knows of a write cache, so that it flushes.
    fn check_mount(&mut self) -> Result<()> {
        let mounts = self.machine.run(&format!("grep ' {MOUNT_POINT} ' /proc/mounts"), SHORT)?;
        let options: Vec<&str> = mounts.split(' ').nth(3).unwrap_or_default().split(',').collect();
        let asked = self.medium.options.split(',').filter(|option| !option.is_empty());
        if let Some(option) = asked.into_iter().find(|option| !options.contains(option)) {
            return Err(LabError::new(format!("the kernel did not take the option {option}: {mounts}")));
        }
        let disk = self.device.trim_start_matches("/dev/");
        let cache = self.machine.run(&format!("cat /sys/block/{disk}/queue/write_cache"), SHORT)?;
        if cache != "write back" {
            return Err(LabError::new(format!("the kernel sees no write cache on the key ({cache})")));
        }
        Ok(())
    }

    fn play(mut self, story: &Story) -> Result<Recording> {
        let steps = self.play_steps(story)?;
        let keys = if story.prelude.is_empty() { BTreeMap::new() } else { self.keys()? };
        self.machine.run(&format!("umount {MOUNT_POINT}"), SHORT)?;
        self.machine.pull(&self.key)?;
        self.machine.detach(&self.key)?;
        let header = Header {
            medium: self.medium.name.to_owned(),
            mount: self.medium.options.to_owned(),
            kernel: self.kernel,
            recorded: SystemClock.now().to_string(),
            story: story.name.to_owned(),
            device_bytes: self.medium.device_bytes(),
            volume_bytes: self.medium.volume_bytes,
            store: STORE.to_owned(),
            steps,
            keys,
        };
        let log = BlockLog::read(&self.scratch.path().join("key.log"))?;
        let end = read_image(&self.base, &self.scratch.path().join("key.img"))?;
        let recording = finish(Recording::new(header, self.base, log)?, &end, story)?;
        Ok(if story.prelude.is_empty() { recording } else { recording.from_first_mark() })
    }

    /// Takes all steps, and marks those that end; of what comes before the story only the end.
    fn play_steps(&mut self, story: &Story) -> Result<Vec<String>> {
        let store = format!("{MOUNT_POINT}/{STORE}");
        let fingerprint = self.publisher.fingerprint().to_owned();
        let names = Names { store, url: self.publisher.url(), fingerprint, port: self.publisher.port() };
        let mut commands = Vec::new();
        let mut known = None;
        for (step, number) in story.all_steps().zip(1..) {
            let start = Instant::now();
            let command = names.fill(step.command);
            let output = self.step(step, &names, &command)?;
            eprintln!("lab record: {} ({:.1} s): {}", command, start.elapsed().as_secs_f32(), last_line(&output));
            // A verb that leaves the generation as it is need not name it.
            known = generation(&output).or(known);
            if number == story.prelude.len() {
                self.machine.run("sync", STEP_TIMEOUT)?;
            }
            if number == story.prelude.len() || (number > story.prelude.len() && step.is_acknowledged()) {
                let generation = known.ok_or_else(|| LabError::new(format!("no generation in:\n{output}")))?;
                self.mark(number, step.verb, generation)?;
            }
            commands.push(command);
        }
        Ok(commands)
    }

    /// Returns the keys that open the store: those of the guest where it made them, or the reader's.
    fn keys(&mut self) -> Result<BTreeMap<String, String>> {
        let mut keys = BTreeMap::new();
        for name in [WRITER_KEY, READER_KEY] {
            let (status, text) = self.machine.sh(&format!("cat /tmp/keys/*/{name} 2>/dev/null"), SHORT)?;
            if status == 0 {
                keys.insert(name.to_owned(), text);
            }
        }
        if keys.is_empty() {
            keys.insert(READER_KEY.to_owned(), self.publisher.reader_key()?);
        }
        Ok(keys)
    }

    fn step(&mut self, step: &Step, names: &Names, command: &str) -> Result<String> {
        if !step.prepare.is_empty() {
            self.machine.run(&names.fill(step.prepare), STEP_TIMEOUT)?;
        }
        let (status, output) = match step.host {
            Host::Nothing => self.machine.sh(command, STEP_TIMEOUT)?,
            Host::Publish(week) => {
                self.publisher.publish(week)?;
                self.machine.sh(command, STEP_TIMEOUT)?
            }
            Host::Collect => {
                self.publisher.collect()?;
                self.machine.sh(command, STEP_TIMEOUT)?
            }
            Host::PublishAndCut(week) => {
                let new_bytes = self.publisher.publish(week)?.new_bytes;
                self.cut_at(command, new_bytes / 2)?
            }
        };
        if status != step.exit {
            return Err(LabError::new(format!("`{command}` ended with {status}, not {}:\n{output}", step.exit)));
        }
        Ok(output)
    }

    /// Runs a command and pulls the network's cable once the guest has received so much.
    fn cut_at(&mut self, command: &str, received_bytes: u64) -> Result<(i32, String)> {
        let before = self.received_bytes()?;
        let deadline = Instant::now() + STEP_TIMEOUT;
        let job = self.machine.spawn(command)?;
        while self.received_bytes()? < before + received_bytes {
            if Instant::now() > deadline {
                return Err(LabError::new(format!("`{command}` did not receive {received_bytes} bytes in time")));
            }
            std::thread::sleep(POLL);
        }
        self.machine.set_network(false)?;
        let ended = self.machine.finish(job, STEP_TIMEOUT)?;
        self.machine.set_network(true)?;
        Ok(ended)
    }

    fn received_bytes(&mut self) -> Result<u64> {
        let text = self.machine.run("cat /sys/class/net/eth0/statistics/rx_bytes", SHORT)?;
        // A job that prints meanwhile stands in lines of its own.
        let number = text.lines().rev().find_map(|line| line.trim().parse().ok());
        number.ok_or_else(|| LabError::new(format!("the guest's network counter says `{text}`")))
    }

    /// Writes one sector behind the file system. The machine does it, since the guest would keep it in a cache for a while.
    fn mark(&mut self, step: usize, verb: &str, generation: u64) -> Result<()> {
        let file = self.scratch.path().join("mark");
        std::fs::write(&file, mark_sector(step as u64, verb, generation))
            .map_err(|error| LabError::because(format!("cannot write {}", file.display()), error))?;
        self.machine.write_behind(&self.key, &file, self.medium.volume_bytes, SECTOR_BYTES)
    }
}

/// Returns the recording, if it shows what it should: it leads to the key as it was in the end, flushes reached the key, and
/// every acknowledged step has its mark.
fn finish(recording: Recording, end: &Image, story: &Story) -> Result<Recording> {
    let entries = &recording.log.entries;
    if !entries.contains(&Entry::Flush) {
        return Err(LabError::new("no flush reached the key, so nothing was ever made durable"));
    }
    let before = usize::from(!story.prelude.is_empty());
    let acknowledged = before + story.steps.iter().filter(|step| step.is_acknowledged()).count();
    if recording.marks().len() != acknowledged {
        let marks = recording.marks().len();
        return Err(LabError::new(format!("{acknowledged} steps were acknowledged, but {marks} marks are in the log")));
    }
    let mut replayed = recording.base.clone();
    entries.iter().for_each(|entry| entry.apply(&mut replayed, u64::MAX));
    match first_difference(&replayed, end) {
        Some(offset) => Err(LabError::new(format!("the log does not lead to the key's bytes at offset {offset}"))),
        None => Ok(recording),
    }
}

/// Returns the first page in which two devices of one length differ.
fn first_difference(one: &Image, other: &Image) -> Option<u64> {
    let mut offsets: Vec<u64> = one.written().chain(other.written()).map(|(offset, _)| offset).collect();
    offsets.sort_unstable();
    let page = |image: &Image, offset| {
        let mut bytes = [0; 4096];
        image.read_at(offset, &mut bytes);
        bytes
    };
    offsets.into_iter().find(|offset| page(one, *offset) != page(other, *offset))
}

fn last_line(output: &str) -> &str {
    output.lines().last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_without_flush_or_mark_or_with_another_end_is_refused() {
        let story = Story::named("publisher").unwrap();
        let header = Header {
            medium: "vfat".to_owned(),
            mount: String::new(),
            kernel: "6.1".to_owned(),
            recorded: SystemClock.now().to_string(),
            story: story.name.to_owned(),
            device_bytes: 2 << 20,
            volume_bytes: 1 << 20,
            store: STORE.to_owned(),
            steps: Vec::new(),
            keys: BTreeMap::new(),
        };
        let mark = |step| Entry::Write { sector: 2048, data: mark_sector(step, "commit", step), fua: false };
        let mut end = Image::new(2 << 20);
        end.write_at(1 << 20, &mark_sector(3, "commit", 3));
        let finish = |entries: Vec<Entry>| {
            let recording = Recording::new(header.clone(), Image::new(2 << 20), BlockLog { entries }).unwrap();
            finish(recording, &end, story)
        };
        assert!(finish(vec![mark(1), mark(2), Entry::Flush, mark(3)]).is_ok());
        let swapped = finish(vec![mark(1), mark(3), Entry::Flush, mark(2)]);
        assert!(swapped.is_err_and(|error| error.to_string().contains("offset 1048576")));
        assert!(finish(vec![mark(1), mark(2), mark(3)]).is_err_and(|error| error.to_string().contains("flush")));
        assert!(finish(vec![mark(1), Entry::Flush]).is_err_and(|error| error.to_string().contains("marks")));
    }
}
