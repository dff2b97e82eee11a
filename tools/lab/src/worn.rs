//! `lab worn`: keys that are old, slow, full, protected or broken in one place, one case each.
//!
//! Places on a key are found by content: packs do not compress and repeat nothing, so a sector of one stands at one place
//! of the image, whatever the file system; of a HEAD too, since it names its generation.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::bench::{AT_MOST, Bench, Ended};
use crate::chore::Chore;
use crate::error::{LabError, Result};
use crate::image::SECTOR_BYTES;
use crate::kit::DEFAULT_DIR;
use crate::machine::{Access, InjectedError, Key};
use crate::recovery::{demand, must, sync};
use crate::trials::{Ground, RATE, Trials};
use crate::weeks::{GENERATIONS, STORE};

/// EIO on every system that Linux runs on here.
const EIO: u8 = 5;
/// What `--keys` is given in the guest.
const KEYS: &str = "--keys /tmp/keys --no-passphrase";

/// What `lab worn` is asked for.
#[derive(Debug, clap::Args)]
pub struct WornArgs {
    /// A medium, repeatable
    #[arg(long, value_name = "M", default_values = ["vfat", "ext4"])]
    pub medium: Vec<String>,
    /// One case by its name, repeatable [default: all]
    #[arg(long, value_name = "CASE")]
    pub case: Vec<String>,
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

type Case = fn(&Worn<'_>) -> Result<String>;

/// Every case: its name, and what it does; that returns what it saw.
const CASES: [(&str, Case); 10] = [
    ("bit-rot", bit_rot),
    ("bad-sector", bad_sector),
    ("write-error", write_error),
    ("flush-error", flush_error),
    ("newest-zeroed", newest_zeroed),
    ("newest-pack-zeroed", newest_pack_zeroed),
    ("slow", slow),
    ("full", full),
    ("read-only", read_only),
    ("unclean-rot", unclean_rot),
];

/// Tries every case on every medium.
///
/// # Errors
/// When one came out wrong, or the lab cannot run.
pub fn run(args: &WornArgs) -> Result<()> {
    if let Some(unknown) = args.case.iter().find(|case| CASES.iter().all(|(name, _)| name != case)) {
        return Err(LabError::new(format!("there is no case {unknown}")));
    }
    let trials = Trials::prepare(&args.dir, &args.medium, Chore::Sync, false)?;
    let mut failures = 0;
    for ground in &trials.grounds {
        for (name, case) in CASES.iter().filter(|(name, _)| args.case.is_empty() || args.case.iter().any(|c| c == name))
        {
            let medium = ground.medium.name;
            match case(&Worn { trials: &trials, ground }) {
                Ok(saw) => println!("{medium:<11} {name:<18} {saw}"),
                Err(error) => {
                    failures += 1;
                    println!("{medium:<11} {name:<18} FAILED: {error}");
                    println!("  replay: cargo xtask lab worn --medium {medium} --case {name}");
                }
            }
        }
    }
    demand(failures == 0, || format!("{failures} cases failed"))
}

/// A medium to wear keys on.
struct Worn<'a> {
    trials: &'a Trials,
    ground: &'a Ground,
}

impl Worn<'_> {
    /// Returns a fresh key that holds week 1.
    fn key(&self) -> Result<Key> {
        self.trials.key(self.ground)
    }

    /// Mounts a key.
    fn bench(&self, key: Key) -> Result<Bench> {
        Bench::new(&self.trials.kit, key, self.ground.medium)
    }

    /// Mounts the image again as a key without faults, in a fresh guest, and lets a sync finish it.
    fn finish_on_a_sound_key(&self) -> Result<()> {
        let mut bench = self.bench(Key::new("key", &self.trials.image()))?;
        must(bench.program(&sync(&self.trials.weeks, ""))?, "the sync of a sound key")?;
        verify_clean(&mut bench)
    }

    /// Returns the largest file below a folder of a week's store on the host.
    fn largest(&self, week: usize, folder: &str) -> Result<PathBuf> {
        let mut files = Vec::new();
        walk(&self.trials.weeks.store(week).join(folder), &mut files)?;
        let largest = files.into_iter().max_by_key(|(len_bytes, _)| *len_bytes);
        largest.map(|(_, path)| path).ok_or_else(|| LabError::new(format!("week {week} has no {folder}")))
    }

    /// Returns where on the key a sector of a host's file lies, as a byte offset.
    fn find(&self, file: &Path, sector: usize) -> Result<u64> {
        let failed = |error| LabError::because(format!("cannot read {}", file.display()), error);
        let bytes = std::fs::read(file).map_err(failed)?;
        let sample = bytes.get(sector * SECTOR_BYTES..).unwrap_or_default();
        let image = std::fs::read(self.trials.image()).map_err(failed)?;
        let place = place_of(&image, &sample[..sample.len().min(SECTOR_BYTES)]);
        place.ok_or_else(|| LabError::new(format!("{} is not on the key", file.display())))
    }

    /// Writes into the image of a key that no machine has.
    fn write(&self, offset: u64, bytes: &[u8]) -> Result<()> {
        let image = std::fs::OpenOptions::new().write(true).open(self.trials.image());
        let written = image.and_then(|image| image.write_all_at(bytes, offset));
        written.map_err(|error| LabError::because("cannot write into the key's image", error))
    }

    /// Pulls the key out of a sync when its first pack is whole, and spoils that pack; returns what [`Worn::rot_a_new_pack`] does.
    fn cut_off_and_rot(&self) -> Result<(String, usize)> {
        for moment in [0.75, 0.82, 0.88, 0.93, 0.97] {
            let mut bench = self.bench(self.key()?)?;
            let job = bench.start(&sync(&self.trials.weeks, RATE))?;
            std::thread::sleep(self.ground.takes.mul_f64(moment));
            bench.pull()?;
            let ended = bench.end(job, AT_MOST)?;
            bench.cut();
            if ended.code != 0
                && let Ok(rotten) = self.rot_a_new_pack()
            {
                return Ok(rotten);
            }
        }
        Err(LabError::new("no pull left a whole pack of the cut-off sync on the key"))
    }

    /// Spoils a sector of a pack that the second week brought and that stands on the key; returns its name, and how many packs of
    /// that week's store are whole on the key beside it.
    fn rot_a_new_pack(&self) -> Result<(String, usize)> {
        let [old, new] = [1, 2].map(|week| self.trials.weeks.store(week).join("packs"));
        let mut files = Vec::new();
        walk(&new, &mut files)?;
        let mut whole = Vec::new();
        for (len_bytes, path) in files {
            let sectors = usize::try_from(len_bytes).unwrap_or(0) / SECTOR_BYTES;
            // The last sector is there when all are: packs are written in order.
            if self.find(&path, sectors.saturating_sub(1)).is_ok() {
                whole.push(path);
            }
        }
        let is_new = |path: &&PathBuf| path.strip_prefix(&new).is_ok_and(|name| !old.join(name).exists());
        let rotten =
            whole.iter().find(is_new).ok_or_else(|| LabError::new("no pack of the cut-off sync is on the key"))?;
        let place = self.find(rotten, 1)?;
        self.write(place, &[0; SECTOR_BYTES])?;
        Ok((rotten.file_name().unwrap_or_default().to_string_lossy().into_owned(), whole.len() - 1))
    }

    /// Makes the image of a key that holds week 2, cleanly unmounted.
    fn second_key(&self) -> Result<()> {
        let mut bench = self.bench(self.key()?)?;
        must(bench.program(&sync(&self.trials.weeks, ""))?, "the sync of a sound key")?;
        bench.unmount()
    }
}

// U10
fn bit_rot(worn: &Worn<'_>) -> Result<String> {
    let key = worn.key()?;
    let pack = worn.largest(1, "packs")?;
    let place = worn.find(&pack, 4000)?;
    let mut byte = [0];
    let image = std::fs::File::open(worn.trials.image()).and_then(|image| image.read_exact_at(&mut byte, place));
    image.map_err(|error| LabError::because("cannot read the key's image", error))?;
    worn.write(place, &[byte[0] ^ 1])?;
    let mut bench = worn.bench(key)?;
    let found = bench.program(&format!("verify --store {STORE} --json"))?;
    names_pack(&found, &pack)?;
    must(bench.program(&sync(&worn.trials.weeks, ""))?, "a sync beside the damage")?;
    let healed = must(bench.program(&heal(worn))?, "verify --heal")?.json();
    let packs: Vec<_> = healed["problems"].as_array().into_iter().flatten().collect();
    let is_one = packs.len() == 1 && packs[0]["kind"] == "damaged-pack" && packs[0]["healed"] == true;
    demand(is_one, || format!("it healed {healed}"))?;
    verify_clean(&mut bench)?;
    Ok(format!("verify ended with 13 and named the pack; --heal fetched it again, {} bytes", healed["fetched_bytes"]))
}

/// Returns the arguments that check the key and fetch again what is broken.
fn heal(worn: &Worn<'_>) -> String {
    format!("verify --store {STORE} --heal {} --json", worn.trials.weeks.url(2))
}

fn bad_sector(worn: &Worn<'_>) -> Result<String> {
    let key = worn.key()?;
    let pack = worn.largest(1, "packs")?;
    let sector = worn.find(&pack, 4000)? / SECTOR_BYTES as u64;
    let error = InjectedError { access: Access::Read, errno: EIO, sector: Some(sector), once: false };
    let mut bench = worn.bench(key.failing(&[error]))?;
    bench.guest(&worn.trials.weeks.fetch_keys())?;
    let found = bench.program(&format!("verify --store {STORE} --json"))?;
    names_pack(&found, &pack)?;
    let restored = bench.program(&format!("restore / /tmp/restored --store {STORE} {KEYS}"))?;
    demand(restored.code == 13, || told("restore", &restored))?;
    let files = bench.guest("ls /tmp/restored | wc -l")?;
    demand(files.trim().parse().is_ok_and(|count: u32| count > 0), || "restore wrote no file at all".to_owned())?;
    must(bench.program(&sync(&worn.trials.weeks, ""))?, "a sync beside the bad sector")?;
    // The pack is written anew, and whether elsewhere is the file system's to say.
    let healed = bench.program(&heal(worn))?;
    demand([0, 13].contains(&healed.code), || told("verify --heal", &healed))?;
    bench.cut();
    worn.finish_on_a_sound_key()?;
    Ok(format!(
        "verify and restore ended with 13 and named it, {} files were restored, sync with 0, --heal with {}",
        files.trim(),
        healed.code
    ))
}

fn write_error(worn: &Worn<'_>) -> Result<String> {
    // Where the largest new pack comes to lie is found on a key that has it.
    worn.second_key()?;
    let sector = worn.find(&worn.largest(2, "packs")?, 4000)? / SECTOR_BYTES as u64;
    let error = InjectedError { access: Access::Write, errno: EIO, sector: Some(sector), once: false };
    fails_and_goes_on(worn, error)
}

fn flush_error(worn: &Worn<'_>) -> Result<String> {
    fails_and_goes_on(worn, InjectedError { access: Access::Flush, errno: EIO, sector: None, once: false })
}

/// A key that reports an error to the sync: it is told, nothing is lost, a sound key goes on.
fn fails_and_goes_on(worn: &Worn<'_>, error: InjectedError) -> Result<String> {
    let key = worn.key()?.failing(&[error]);
    let mut bench = match worn.bench(key) {
        Ok(bench) => bench,
        // ext4 flushes when it is mounted.
        Err(_) if error.access == Access::Flush => {
            worn.finish_on_a_sound_key()?;
            return Ok("the system does not mount it; a sound key then synced".to_owned());
        }
        Err(failed) => return Err(failed),
    };
    let ended = bench.program(&sync(&worn.trials.weeks, ""))?;
    demand([1, 13, 16].contains(&ended.code), || told("sync", &ended))?;
    let sentence = ended.sentences().join("; ");
    demand(sentence.contains("error"), || format!("sync does not say why: {sentence}"))?;
    bench.cut();
    let mut bench = worn.bench(Key::new("key", &worn.trials.image()))?;
    let status = must(bench.program(&format!("status --store {STORE} --json"))?, "status on a sound key")?.json();
    demand(GENERATIONS.iter().any(|generation| status["generation"] == *generation), || format!("it opened {status}"))?;
    bench.cut();
    worn.finish_on_a_sound_key()?;
    Ok(format!(
        "sync ended with {}: {sentence}; a sound key then opened generation {} and finished",
        ended.code, status["generation"]
    ))
}

fn newest_zeroed(worn: &Worn<'_>) -> Result<String> {
    zero_head(worn)?;
    mends(worn, "opened")
}

fn newest_pack_zeroed(worn: &Worn<'_>) -> Result<String> {
    zero_head(worn)?;
    let pack = worn.largest(2, "packs")?;
    for sector in [0, 1, 4000, 4001] {
        let place = worn.find(&pack, sector)?;
        worn.write(place, &[0; SECTOR_BYTES])?;
    }
    mends(worn, "opened beside garbage in the newest pack")
}

/// Takes every copy of the newest HEAD from a key that holds week 2, as a device does that lied about its flushes.
fn zero_head(worn: &Worn<'_>) -> Result<()> {
    worn.second_key()?;
    let record = worn.trials.weeks.store(2).join("HEAD");
    let mut copies = 0;
    while let Ok(place) = worn.find(&record, 0) {
        worn.write(place, &[0; SECTOR_BYTES])?;
        copies += 1;
    }
    demand(copies >= 2, || format!("{copies} copies of HEAD stood on the key"))
}

fn mends(worn: &Worn<'_>, how: &str) -> Result<String> {
    let mut bench = worn.bench(Key::new("key", &worn.trials.image()))?;
    let status = must(bench.program(&format!("status --store {STORE} --json"))?, "status")?.json();
    demand(status["degraded"] == true, || format!("a lost HEAD is not told: {status}"))?;
    demand(status["generation"] == GENERATIONS[0], || format!("it opened {status}"))?;
    let done = must(bench.program(&sync(&worn.trials.weeks, ""))?, "the sync")?.json();
    verify_clean(&mut bench)?;
    Ok(format!("generation {} {how}; sync mended it and fetched {} packs", status["generation"], done["packs_fetched"]))
}

// U12
/// A key that was pulled in a sync, and lost a byte of what that sync had written: the next sync fetches that pack again.
fn unclean_rot(worn: &Worn<'_>) -> Result<String> {
    let (rotten, others) = worn.cut_off_and_rot()?;
    let mut bench = worn.bench(Key::new("key", &worn.trials.image()))?;
    let done = must(bench.program(&sync(&worn.trials.weeks, ""))?, "the next sync")?.json();
    let missing = (worn.trials.weeks.packs().len() - others) as u64;
    demand(done["packs_fetched"] == missing, || format!("{missing} packs were not whole, and the sync said {done}"))?;
    verify_clean(&mut bench)?;
    Ok(format!(
        "{rotten} lost a byte after the pull; the next sync fetched it again with the {} that were missing",
        missing - 1
    ))
}

fn slow(worn: &Worn<'_>) -> Result<String> {
    let mut bench = worn.bench(worn.key()?.slow(100, 10_000_000))?;
    let start = Instant::now();
    let args = sync(&worn.trials.weeks, "").replace("--json --progress never", "--progress always");
    let ended = must(bench.program(&args)?, "a sync at 100 operations a second")?;
    let took = start.elapsed().as_secs_f64();
    // The key takes 10 MB a second, and a week has 22 MB.
    demand(took > 2.0, || format!("the sync took {took:.1} s only: the key was not slow"))?;
    demand(ended.stderr.contains("fetching"), || format!("no progress is shown: {}", ended.stderr))?;
    verify_clean(&mut bench)?;
    Ok(format!("at 100 operations a second sync ended with 0 after {took:.1} s and showed progress"))
}

fn full(worn: &Worn<'_>) -> Result<String> {
    let mut bench = worn.bench(worn.key()?)?;
    let mount = crate::bench::MOUNT;
    let fill = format!(
        "free=$(df -k {mount} | awk 'END {{ print $4 }}'); dd if=/dev/zero of={mount}/filler bs=1k count=$((free - 1024)) \
         2>/dev/null; sync"
    );
    bench.guest(&fill)?;
    let before = bench.guest(&format!("cd {STORE} && find . -type f | sort"))?;
    let ended = bench.program(&sync(&worn.trials.weeks, ""))?;
    let sentence = ended.sentences().join("; ");
    let says_numbers = sentence.contains("needed") && sentence.contains("free");
    demand(ended.code == 15 && says_numbers, || told("sync", &ended))?;
    let after = bench.guest(&format!("cd {STORE} && find . -type f | sort"))?;
    demand(before == after, || format!("the refused sync changed the store's files:\n{before}\n---\n{after}"))?;
    let status = must(bench.program(&format!("status --store {STORE} --json"))?, "status")?.json();
    demand(status["generation"] == GENERATIONS[0], || format!("the key is at {status}"))?;
    verify_clean(&mut bench)?;
    bench.guest(&format!("rm {mount}/filler && sync"))?;
    must(bench.program(&sync(&worn.trials.weeks, ""))?, "the sync after making room")?;
    verify_clean(&mut bench)?;
    Ok(format!("sync ended with 15: {sentence}; with room made it finished"))
}

fn read_only(worn: &Worn<'_>) -> Result<String> {
    let key = worn.key()?;
    let read = || std::fs::read(worn.trials.image()).map_err(|error| LabError::because("cannot read the image", error));
    let before = read()?;
    let mut bench = Bench::protected(&worn.trials.kit, key, worn.ground.medium)?;
    bench.guest(&worn.trials.weeks.fetch_keys())?;
    for verb in ["status", "log", "ls /", "cat /week0-1", "restore / /tmp/restored", "verify --read-data"] {
        must(bench.program(&format!("{verb} --store {STORE} {KEYS}"))?, verb)?;
    }
    let ended = bench.program(&sync(&worn.trials.weeks, ""))?;
    let sentence = ended.sentences().join("; ");
    demand(ended.code == 1 && sentence.to_lowercase().contains("read-only"), || told("sync", &ended))?;
    bench.cut();
    demand(read()? == before, || "a byte of the key changed".to_owned())?;
    Ok(format!("everything reads, no byte changes, sync ended with 1: {sentence}"))
}

fn verify_clean(bench: &mut Bench) -> Result<()> {
    must(bench.program(&format!("verify --store {STORE} --json"))?, "verify").map(drop)
}

/// Checks that verify found one pack to be damaged, by its name.
fn names_pack(found: &Ended, pack: &Path) -> Result<()> {
    let name = pack.file_name().unwrap_or_default().to_string_lossy();
    let named = found.json()["problems"].as_array().is_some_and(|problems| {
        problems.iter().any(|problem| {
            problem["kind"] == "damaged-pack" && problem["file"].as_str().is_some_and(|file| file.ends_with(&*name))
        })
    });
    demand(found.code == 13 && named, || told("verify", found))
}

fn told(verb: &str, ended: &Ended) -> String {
    format!("{verb} ended with {}: {}{}", ended.code, ended.stdout, ended.stderr)
}

pub(crate) fn walk(dir: &Path, files: &mut Vec<(u64, PathBuf)>) -> Result<()> {
    let failed = |error| LabError::because(format!("cannot list {}", dir.display()), error);
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let metadata = entry.metadata().map_err(failed)?;
        if metadata.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push((metadata.len(), entry.path()));
        }
    }
    Ok(())
}

/// Returns the first sector that begins with these bytes, as a byte offset.
fn place_of(image: &[u8], start: &[u8]) -> Option<u64> {
    if start.is_empty() {
        return None;
    }
    let sector = image.chunks(SECTOR_BYTES).position(|sector| sector.starts_with(start))?;
    Some((sector * SECTOR_BYTES) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_sector_that_begins_so() {
        let mut image = vec![0; 8 * SECTOR_BYTES];
        image[3 * SECTOR_BYTES..3 * SECTOR_BYTES + 4].copy_from_slice(b"pack");
        image[5 * SECTOR_BYTES + 7..5 * SECTOR_BYTES + 11].copy_from_slice(b"late");
        assert_eq!(place_of(&image, b"pack"), Some(3 * SECTOR_BYTES as u64));
        assert_eq!(place_of(&image, b"late"), None);
        assert_eq!(place_of(&image, b""), None);
    }

    #[test]
    fn verify_has_to_name_the_very_pack() {
        let stdout = r#"{"ok":false,"problems":[{"kind":"damaged-pack","file":"packs/62/5FE19537.DFC"}]}"#;
        let ended = |code| Ended { code, stdout: stdout.to_owned(), stderr: String::new() };
        assert!(names_pack(&ended(13), Path::new("/x/62/5FE19537.DFC")).is_ok());
        assert!(names_pack(&ended(13), Path::new("/x/62/00000000.DFC")).is_err());
        assert!(names_pack(&ended(0), Path::new("/x/62/5FE19537.DFC")).is_err());
    }
}
