//! [`Desk`]: a guest with a disk of its own and a key that holds a whole store, and what a person does there.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::told::{Finish, LIST, TELL_END, UPTIME, must_be_alike, read_bytes, uptime, webdav_address, without_marks};
use crate::bench::{AT_MOST, Bench};
use crate::error::{LabError, Result};
use crate::kit::Kit;
use crate::machine::{Job, Key, quote};
use crate::media::Medium;
use crate::publisher::Publisher;
use crate::recovery::demand;
use crate::weeks::{STORE, command};

/// The longest file of the store.
pub const FILM: &str = "film.bin";
/// No faster than this is the key, so that reading has a middle.
const KEY_OPERATIONS_PER_SEC: u64 = 2000;
const KEY_BYTES_PER_SEC: u64 = 4 << 20;
/// The disk of the guest's own.
const DISK: &str = "/mnt/disk";
const TARGET: &str = "/mnt/disk/out";
const VIEW: &str = "/tmp/view";
const KEYS: &str = "--keys /tmp/keys --no-passphrase";
/// The counters of the key's block device.
const KEY_STAT: &str = "/sys/block/$(grep ' /mnt/key ' /proc/mounts | cut -d/ -f3 | cut -d' ' -f1)/stat";
/// What a reader has got so far.
const GOT: &str = "/tmp/read";
/// What runs beside: the program under test, and others.
const PROGRAM: &str = "program";

/// A guest.
pub struct Desk<'a> {
    bench: Bench,
    publisher: &'a Publisher,
    film: Vec<u8>,
    /// What [`LIST`] prints in the folder that was committed.
    listed: String,
    tree_bytes: u64,
    // Goes last: the images lie in it.
    _dir: TempDir,
}

/// A command that runs beside others.
pub struct Beside {
    name: &'static str,
    job: Job,
}

impl<'a> Desk<'a> {
    /// Makes a key that holds all that was published, written by a guest, and plugs it and the disk into another one.
    ///
    /// # Errors
    /// The clone fails, or a machine does not start.
    pub fn open(kit: &Kit, medium: &'static Medium, publisher: &'a Publisher) -> Result<Self> {
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a directory", error))?;
        let [image, disk] = ["key", "disk"].map(|name| dir.path().join(name));
        medium.format(&image)?;
        let mut bench = Bench::new(kit, Key::new("key", &image), medium)?;
        bench.must(&format!("clone {} {STORE} --trust {}", publisher.url(), publisher.fingerprint()))?;
        bench.eject()?;
        bench.cut();
        let ext4 = Medium::named("ext4")?;
        ext4.format(&disk)?;
        let key = Key::new("key", &image).slow(KEY_OPERATIONS_PER_SEC, KEY_BYTES_PER_SEC);
        let mut bench = Bench::new(kit, key, medium)?;
        bench.add(&Key::new("disk", &disk), ext4, DISK)?;
        let files = publisher.files();
        let film = std::fs::read(files.join(FILM)).map_err(|error| LabError::because("cannot read the film", error))?;
        let listed = command(Command::new("sh").args(["-c", LIST]).current_dir(&files))?;
        let tree_bytes = tree_bytes(&files)?;
        let mut desk = Self { bench, publisher, film, listed, tree_bytes, _dir: dir };
        desk.fetch_key()?;
        Ok(desk)
    }

    fn fetch_key(&mut self) -> Result<()> {
        let (id, key) = (self.publisher.store_id(), self.publisher.reader_key()?);
        let make = format!("mkdir -p {VIEW} && umask 077 && mkdir -p /tmp/keys/{id}");
        self.ask(&format!("{make} && printf %s {} >/tmp/keys/{id}/reader.key", quote(&key))).map(drop)
    }

    /// Runs a command to its end, which has to succeed; returns what it printed.
    fn ask(&mut self, command: &str) -> Result<String> {
        Ok(without_marks(&self.bench.guest(command)?))
    }

    /// Returns the film's length.
    #[must_use]
    pub fn film_bytes(&self) -> u64 {
        self.film.len() as u64
    }

    /// Returns a part of all bytes of the committed files, none of which compresses.
    #[must_use]
    pub fn share_of_tree(&self, share: f64) -> u64 {
        part(self.tree_bytes, share)
    }

    /// Starts a command that goes on beside others.
    fn beside(&mut self, name: &'static str, command: &str) -> Result<Beside> {
        self.ask(&format!("rm -f /tmp/{name}.*"))?;
        let line = format!("( {command} ) >/tmp/{name}.out 2>/tmp/{name}.err; {TELL_END} >/tmp/{name}.end");
        Ok(Beside { name, job: self.bench.beside(&line)? })
    }

    /// Waits until a command ends.
    ///
    /// # Errors
    /// It hangs.
    pub fn end(&mut self, beside: Beside) -> Result<Finish> {
        let name = beside.name;
        let hangs = |error| LabError::because(format!("{name} hangs"), error);
        self.bench.finish(beside.job).map_err(hangs)?;
        let said = self.ask(&format!("tail -c 4096 /tmp/{name}.err"))?;
        Finish::parse(&self.ask(&format!("cat /tmp/{name}.end"))?, &said)
    }

    /// Waits until a condition of the guest's shell holds while the program goes on.
    fn wait(&mut self, condition: &str) -> Result<()> {
        let look = format!("until {condition}; do [ ! -e /tmp/{PROGRAM}.end ] || exit 1; usleep 20000; done");
        let waited = self.ask(&format!("timeout {} sh -c {}", AT_MOST.as_secs(), quote(&look)));
        waited.map(drop).map_err(|error| {
            let said = self.ask(&format!("cat /tmp/{PROGRAM}.end /tmp/{PROGRAM}.err")).unwrap_or_default();
            LabError::because(format!("waited in vain for `{condition}`; the program said: {said}"), error)
        })
    }

    /// Mounts the store.
    ///
    /// # Errors
    /// It does not mount.
    pub fn mount(&mut self) -> Result<Beside> {
        let program = self.beside(PROGRAM, &format!("chunkstore mount {VIEW} --store {STORE} {KEYS}"))?;
        self.wait(&format!("grep -q {VIEW} /proc/mounts"))?;
        Ok(program)
    }

    /// Unmounts the store.
    ///
    /// # Errors
    /// The guest cannot.
    pub fn unmount(&mut self) -> Result<()> {
        self.ask(&format!("umount {VIEW}")).map(drop)
    }

    /// Has a program read the film through the mount.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn read_film_through_the_mount(&mut self) -> Result<Beside> {
        self.ask(&format!("rm -f {GOT}"))?;
        self.beside("reader", &format!("dd if={VIEW}/latest/{FILM} of={GOT} bs=64k"))
    }

    /// Has a program stand in a directory of the mount with a file open, which it reads once it is told to [`Desk::rise`].
    ///
    /// # Errors
    /// It does not get there.
    pub fn sit_in_the_mount(&mut self) -> Result<Beside> {
        self.ask("rm -f /tmp/seated /tmp/rise")?;
        let sit = format!("cd {VIEW}/latest/papers && exec 3<plan.bin && touch /tmp/seated");
        let rise = "while [ ! -e /tmp/rise ]; do usleep 20000; done; cat <&3 >/dev/null";
        let sitter = self.beside("sitter", &format!("{sit} && {rise}"))?;
        self.wait("[ -e /tmp/seated ]")?;
        Ok(sitter)
    }

    /// Has the program that sits in the mount read.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn rise(&mut self) -> Result<()> {
        self.ask("touch /tmp/rise").map(drop)
    }

    /// Has a program wait for the end of the mount.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn watch_the_mount(&mut self) -> Result<Beside> {
        self.beside("watch", &format!("while grep -q {VIEW} /proc/mounts; do usleep 10000; done"))
    }

    /// Waits until a part of the film was read.
    ///
    /// # Errors
    /// The program ends before.
    pub fn wait_for_film(&mut self, share: f64) -> Result<()> {
        let len_bytes = part(self.film_bytes(), share);
        self.wait(&format!("[ $(stat -c %s {GOT} 2>/dev/null || echo 0) -ge {len_bytes} ]"))
    }

    /// Demands that what was read is how the film begins; returns how much it is.
    ///
    /// # Errors
    /// It is something else.
    pub fn must_be_part_of_the_film(&mut self) -> Result<u64> {
        let got = self.ask(&format!("stat -c %s {GOT} && sha256sum <{GOT}"))?;
        let mut words = got.split_whitespace();
        let len_bytes: Option<usize> = words.next().and_then(|word| word.parse().ok());
        let begins = len_bytes.and_then(|len| self.film.get(..len)).map(sum).unwrap_or_default();
        demand(words.next() == Some(&begins), || format!("what was read is no beginning of the film: {got}"))?;
        Ok(len_bytes.unwrap_or_default() as u64)
    }

    /// Has the guest forget what it has read off the key, so that it is read again.
    ///
    /// # Errors
    /// The guest cannot.
    pub fn forget(&mut self) -> Result<()> {
        self.ask("echo 3 >/proc/sys/vm/drop_caches").map(drop)
    }

    /// Pulls the key; returns when, by the guest's clock.
    ///
    /// # Errors
    /// It is not plugged in.
    pub fn pull(&mut self) -> Result<Duration> {
        let now = uptime(&self.ask(UPTIME)?)?;
        self.bench.pull()?;
        Ok(now)
    }

    /// Unmounts what is left of a key that was pulled, plugs it in and mounts it.
    ///
    /// # Errors
    /// Something still holds it.
    pub fn replug(&mut self) -> Result<()> {
        self.bench.replug()
    }

    /// Demands that nothing is left of the program: no process that runs or hangs, and no mount; its mount point takes the next.
    ///
    /// # Errors
    /// Something is left.
    pub fn must_be_free(&mut self) -> Result<()> {
        let hangs = "grep -l '^State:.D' $(grep -l '^VmSize' /proc/[0-9]*/status) 2>/dev/null";
        let look = format!("while pidof chunkstore || {hangs}; do usleep 20000; done");
        let left = self.ask(&format!("timeout 10 sh -c {}", quote(&look)));
        left.map_err(|error| LabError::because("a process is left, or hangs", error))?;
        let free = self.ask(&format!("! grep {VIEW} /proc/mounts && rmdir {VIEW} && mkdir {VIEW}"));
        free.map(drop).map_err(|error| LabError::because("the mount point is not free", error))
    }

    /// Demands that the mount shows the folder that was committed.
    ///
    /// # Errors
    /// Says what differs.
    pub fn mount_must_be_whole(&mut self) -> Result<()> {
        self.must_be_whole(&format!("{VIEW}/latest/"))
    }

    /// Demands that what was restored is the folder that was committed.
    ///
    /// # Errors
    /// Says what differs.
    pub fn restored_must_be_whole(&mut self) -> Result<()> {
        self.must_be_whole(TARGET)
    }

    fn must_be_whole(&mut self, dir: &str) -> Result<()> {
        let found = self.ask(&format!("cd {dir} && {LIST}"))?;
        must_be_alike(&self.listed, &found)
    }

    /// Starts a restore of everything onto the disk, or goes on with it.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn restore(&mut self) -> Result<Beside> {
        self.beside(PROGRAM, &format!("chunkstore restore / {TARGET} --store {STORE} {KEYS} --progress never"))
    }

    /// Removes what was restored.
    ///
    /// # Errors
    /// The guest cannot.
    pub fn clear_restored(&mut self) -> Result<()> {
        self.ask(&format!("rm -r {TARGET}")).map(drop)
    }

    /// Returns how many bytes the guest has read off the key since it was plugged in.
    ///
    /// # Errors
    /// It is not plugged in.
    pub fn read_off_key(&mut self) -> Result<u64> {
        read_bytes(&self.ask(&format!("cat {KEY_STAT}"))?)
    }

    /// Waits until so many bytes were read off the key.
    ///
    /// # Errors
    /// The program ends before.
    pub fn wait_until_read_off_key(&mut self, len_bytes: u64) -> Result<()> {
        let sectors = len_bytes / 512;
        self.wait(&format!("[ $(sed 's/  */ /g; s/^ //' {KEY_STAT} | cut -d' ' -f3) -ge {sectors} ]"))
    }

    /// Shows the store by `browse`; returns the address that WebDAV has.
    ///
    /// # Errors
    /// It does not listen.
    pub fn browse(&mut self) -> Result<(Beside, String)> {
        let program = self.beside(PROGRAM, &format!("chunkstore browse --store {STORE} {KEYS} --json"))?;
        self.wait(&format!("grep -q listening /tmp/{PROGRAM}.out"))?;
        let events = self.ask(&format!("cat /tmp/{PROGRAM}.out"))?;
        Ok((program, webdav_address(&events)?))
    }

    /// Begins to download the film.
    ///
    /// # Errors
    /// The machine has ended.
    pub fn download_film(&mut self, address: &str) -> Result<Beside> {
        self.ask(&format!("rm -f {GOT}"))?;
        self.beside("download", &format!("wget -q -O {GOT} {address}latest/{FILM}"))
    }

    /// Asks the program to end.
    ///
    /// # Errors
    /// It does not run.
    pub fn stop_program(&mut self) -> Result<()> {
        self.ask("kill -TERM $(pidof chunkstore)").map(drop)
    }
}

fn part(len_bytes: u64, share: f64) -> u64 {
    (len_bytes as f64 * share) as u64
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tree_bytes(dir: &Path) -> Result<u64> {
    let mut files = Vec::new();
    crate::worn::walk(dir, &mut files)?;
    Ok(files.iter().map(|(len_bytes, _)| len_bytes).sum())
}
