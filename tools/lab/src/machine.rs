//! [`Machine`]: a virtual PC with a real kernel, whose USB keys are plugged in and pulled at will.
//!
//! It runs under TCG, so it needs no rights and no KVM. The guest is an initramfs with busybox and the program; it
//! reaches the host's 127.0.0.1 as 10.0.2.2 and, having no default route, nothing else.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::error::{LabError, Result};
use crate::kit::Kit;

mod key;
mod qmp;
mod serial;

pub use key::{Access, InjectedError, Key};
use qmp::Qmp;
use serial::Serial;
pub use serial::{Job, quote};

/// The host's 127.0.0.1, as the guest sees it.
pub const HOST_ADDRESS: &str = "10.0.2.2";

const QEMU: &str = "qemu-system-x86_64";
const KERNEL_LINE: &str = "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on tsc=reliable";
/// What the guest's init prints when its shell listens.
const READY: &str = "GUEST-READY";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const BOOT_TIMEOUT: Duration = Duration::from_secs(90);
const SAVE_TIMEOUT: Duration = Duration::from_secs(60);
const PLUG_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// A running machine. Dropping it kills it.
pub struct Machine {
    // The connections close before the process is killed, and the directory goes last.
    qmp: Qmp,
    serial: Serial,
    process: Process,
}

impl Machine {
    /// Boots a machine without keys and waits for its shell, 5 to 10 s.
    ///
    /// # Errors
    /// When QEMU cannot be started, ends, or the guest does not come up.
    pub fn boot(kit: &Kit) -> Result<Self> {
        let machine = Self::start(kit, &[])?;
        machine.explained(machine.serial.wait_start(READY, BOOT_TIMEOUT))?;
        Ok(machine)
    }

    /// Starts a machine from the saved state, about 0.3 s; boots and saves one where there is none yet. Every machine
    /// of one saved state draws the same random bytes from its kernel.
    ///
    /// # Errors
    /// As [`Machine::boot`].
    pub fn restore(kit: &Kit) -> Result<Self> {
        let saved = kit.saved();
        if !saved.is_file() {
            Self::boot(kit)?.save(&saved)?;
        }
        let mut machine = Self::start(kit, &["-incoming", &format!("exec:cat {}", quoted(&saved)?)])?;
        let deadline = Instant::now() + SAVE_TIMEOUT;
        machine.poll("query-status", deadline, |answer| answer["status"] != "inmigrate")?;
        machine.resume()?;
        machine.set_clock()?;
        Ok(machine)
    }

    /// Writes the machine's whole state to a file and ends it. It must have no keys.
    ///
    /// # Durability
    /// The file has its name only once it is whole.
    ///
    /// # Errors
    /// When QEMU cannot write it.
    pub fn save(mut self, saved: &Path) -> Result<()> {
        self.sh("echo 3 > /proc/sys/vm/drop_caches", PLUG_TIMEOUT)?;
        self.pause()?;
        let [part, whole] = ["part", "whole"].map(|extension| saved.with_extension(extension));
        // One that an earlier run left would be taken for this one.
        let _ = std::fs::remove_file(&whole);
        self.qmp(
            "migrate",
            &json!({ "uri": format!("exec:cat >{0} && mv {0} {1}", quoted(&part)?, quoted(&whole)?) }),
        )?;
        let ended = |answer: &Value| answer["status"] == "completed" || answer["status"] == "failed";
        let deadline = Instant::now() + SAVE_TIMEOUT;
        let answer = self.poll("query-migrate", deadline, ended)?;
        if answer["status"] != "completed" {
            return Err(LabError::new(format!("cannot save the machine: {}", answer["error-desc"])));
        }
        // QEMU is done once the shell has all of it, which then still writes.
        while !whole.is_file() && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
        self.kill();
        std::fs::rename(&whole, saved)
            .map_err(|error| LabError::because(format!("cannot name {}", saved.display()), error))
    }

    fn start(kit: &Kit, more: &[&str]) -> Result<Self> {
        let process = Process::start(kit, more)?;
        let qmp = process.connect("qmp").and_then(Qmp::start);
        let serial = process.connect("serial").and_then(|line| Serial::start(line, &process.file("serial.log")));
        match (qmp, serial) {
            (Ok(qmp), Ok(serial)) => Ok(Self { qmp, serial, process }),
            (Err(error), _) | (_, Err(error)) => Err(process.explain(error)),
        }
    }

    /// Runs a command in the guest; returns its exit status and what it printed on both streams.
    ///
    /// # Errors
    /// When it does not end in time, after which the shell is of no use any more, or the machine has ended.
    pub fn sh(&mut self, command: &str, at_most: Duration) -> Result<(i32, String)> {
        let result = self.serial.sh(command, at_most);
        self.explained(result)
    }

    /// Runs a command in the guest that has to succeed; returns what it printed.
    ///
    /// # Errors
    /// As [`Machine::sh`], and when its exit status is not 0.
    pub fn run(&mut self, command: &str, at_most: Duration) -> Result<String> {
        match self.sh(command, at_most)? {
            (0, output) => Ok(output),
            (status, output) => Err(LabError::new(format!("`{command}` in the guest ended with {status}:\n{output}"))),
        }
    }

    /// Starts a command in the guest that goes on beside others.
    ///
    /// # Errors
    /// When the machine has ended.
    pub fn spawn(&mut self, command: &str) -> Result<Job> {
        let result = self.serial.spawn(command);
        self.explained(result)
    }

    /// Waits until a job ends; returns its exit status and output.
    ///
    /// # Errors
    /// When it does not end in time or the machine has ended.
    pub fn finish(&self, job: Job, at_most: Duration) -> Result<(i32, String)> {
        self.explained(self.serial.finish(job, at_most))
    }

    /// Opens a key's image and log. [`Machine::insert`] or [`Machine::plug`] shows it to the guest.
    ///
    /// # Errors
    /// When QEMU cannot open a file or refuses a driver.
    pub fn attach(&mut self, key: &Key) -> Result<()> {
        if let Some(group) = key.throttle_group() {
            self.qmp("object-add", &group)?;
        }
        key.nodes().iter().try_for_each(|node| self.qmp("blockdev-add", node).map(drop))
    }

    /// Closes the image and log of a key that is not plugged in; they are complete after it.
    ///
    /// # Errors
    /// When the key is still plugged in.
    pub fn detach(&mut self, key: &Key) -> Result<()> {
        for node in key.nodes().iter().rev() {
            self.qmp("blockdev-del", &json!({ "node-name": node["node-name"] }))?;
        }
        match key.throttle_group() {
            Some(group) => self.qmp("object-del", &json!({ "id": group["id"] })).map(drop),
            None => Ok(()),
        }
    }

    /// Plugs in an attached key without waiting for the guest to see it.
    ///
    /// # Errors
    /// When QEMU refuses.
    pub fn insert(&mut self, key: &Key) -> Result<()> {
        self.qmp("device_add", &key.device()).map(drop)
    }

    /// Plugs in an attached key; returns the block device that the guest has for it, as `/dev/sda`.
    ///
    /// # Errors
    /// When the guest does not see it in time.
    pub fn plug(&mut self, key: &Key) -> Result<String> {
        let before = self.run("ls /sys/block | tr '\\n' ' '", PLUG_TIMEOUT)?;
        self.insert(key)?;
        let look = format!(
            "while :; do for disk in $(ls /sys/block); do case ' {before} ' in *\" $disk \"*) ;; *) \
             [ -b /dev/$disk ] && echo /dev/$disk && exit ;; esac; done; usleep 20000; done"
        );
        let disk = self.run(&format!("timeout {} sh -c {}", PLUG_TIMEOUT.as_secs(), quote(&look)), 2 * PLUG_TIMEOUT);
        disk.map_err(|error| LabError::because(format!("the guest does not see the key {}", key.name()), error))
    }

    /// Pulls a key, whatever the guest is doing with it, and waits until it is gone. The guest's mount stays, dead.
    ///
    /// # Errors
    /// When it is not plugged in.
    pub fn pull(&mut self, key: &Key) -> Result<()> {
        self.qmp("device_del", &json!({ "id": key.name() }))?;
        let gone = self.qmp.wait_event("DEVICE_DELETED", |data| data["device"] == key.name(), PLUG_TIMEOUT);
        self.explained(gone).map(drop)
    }

    /// Plugs the network's cable in or out.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn set_network(&mut self, up: bool) -> Result<()> {
        self.qmp("set_link", &json!({ "name": "net", "up": up })).map(drop)
    }

    /// Writes a file's bytes to a logged key at an offset, past the guest, which must have nothing there.
    ///
    /// # Errors
    /// When QEMU refuses or the write fails.
    pub fn write_behind(&mut self, key: &Key, file: &Path, offset: u64, len_bytes: usize) -> Result<()> {
        let file =
            std::path::absolute(file).map_err(|error| LabError::because("there is no current directory", error))?;
        let line = format!("qemu-io {} \"write -s {} {offset} {len_bytes}\"", key.log_node(), file.display());
        let said = self.qmp("human-monitor-command", &json!({ "command-line": line }))?;
        match said.as_str() {
            Some("") => Ok(()),
            Some(said) if said.starts_with("wrote ") => Ok(()),
            _ => Err(LabError::new(format!("QEMU did not do `{line}`: {said}"))),
        }
    }

    /// Stops the guest's processor.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn pause(&mut self) -> Result<()> {
        self.qmp("stop", &json!({})).map(drop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub fn resume(&mut self) -> Result<()> {
        self.qmp("cont", &json!({})).map(drop)
    }

    /// Cuts the power: the process is killed as it stands. What it wrote to the images is there.
    pub fn kill(self) {
        drop(self);
    }

    /// Sets the guest's clock to the host's: a restored one stands where it was saved.
    fn set_clock(&mut self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.run(&format!("date -u -s @{}", now.as_secs()), PLUG_TIMEOUT).map(drop)
    }

    fn poll(&mut self, command: &str, deadline: Instant, done: impl Fn(&Value) -> bool) -> Result<Value> {
        loop {
            let answer = self.qmp(command, &json!({}))?;
            if done(&answer) {
                return Ok(answer);
            }
            if Instant::now() > deadline {
                return Err(self.process.explain(LabError::new(format!("{command} stays at {answer}"))));
            }
            std::thread::sleep(POLL);
        }
    }

    fn qmp(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let result = self.qmp.execute(command, arguments);
        self.explained(result)
    }

    fn explained<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            let tail = self.serial.tail();
            self.process.explain(LabError::new(format!("{error}\nthe guest's last words:\n{tail}")))
        })
    }
}

/// Returns a path for the shell that QEMU moves a saved machine through: QEMU before 8.2 knows no migration to a file.
fn quoted(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| LabError::new(format!("{} is no UTF-8", path.display())))?;
    Ok(quote(text))
}

/// The QEMU process and the directory of its sockets and logs.
struct Process {
    child: Child,
    dir: TempDir,
}

impl Process {
    fn start(kit: &Kit, more: &[&str]) -> Result<Self> {
        // Names of sockets are short by law, so they do not lie in the work directory.
        let dir = tempfile::tempdir().map_err(|error| LabError::because("cannot make a directory", error))?;
        let failed =
            |error| LabError::because(format!("cannot start {QEMU}; `cargo xtask lab setup` installs it"), error);
        let log = std::fs::File::create(dir.path().join("qemu.log")).map_err(failed)?;
        let errors = log.try_clone().map_err(failed)?;
        let socket = |name: &str| format!("{}", dir.path().join(name).display());
        let mut command = Command::new(QEMU);
        command.args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot"]);
        command.args(["-machine", "q35", "-accel", "tcg", "-cpu", "max", "-m", "256"]);
        command.args(["-chardev", &format!("socket,id=line,path={},server=on,wait=off", socket("serial"))]);
        command.args(["-serial", "chardev:line", "-qmp", &format!("unix:{},server=on,wait=off", socket("qmp"))]);
        command.args(["-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net"]);
        command.args(["-device", "qemu-xhci,id=xhci", "-append", KERNEL_LINE]);
        command.arg("-kernel").arg(kit.kernel()).arg("-initrd").arg(kit.initramfs()).args(more);
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        let child = command.spawn().map_err(failed)?;
        Ok(Self { child, dir })
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn connect(&self, name: &str) -> Result<UnixStream> {
        let deadline = Instant::now() + CONNECT_TIMEOUT;
        loop {
            match UnixStream::connect(self.file(name)) {
                Ok(stream) => return Ok(stream),
                Err(error) if Instant::now() > deadline || self.has_ended() => {
                    return Err(LabError::because(format!("cannot reach QEMU's {name}"), error));
                }
                Err(_) => std::thread::sleep(POLL),
            }
        }
    }

    /// Returns whether the process has ended, without reaping it.
    fn has_ended(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.trim_start().starts_with('Z') || rest.is_empty())
    }

    /// Adds QEMU's own log to an error, where it has one.
    fn explain(&self, error: LabError) -> LabError {
        let log = std::fs::read_to_string(self.file("qemu.log")).unwrap_or_default();
        match (self.has_ended(), log.trim()) {
            (false, "") => error,
            (false, said) => LabError::because(format!("QEMU said: {said}"), error),
            (true, said) => LabError::because(format!("QEMU has ended and said: {said}"), error),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is reaped here.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
