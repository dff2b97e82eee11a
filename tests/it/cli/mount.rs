//! `mount`: the tree under it is the folder that was committed, and it goes away with the signal.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::Cli;

/// A mounted store; unmounted when dropped.
struct Mount {
    child: Child,
}

impl Mount {
    /// Mounts a snapshot of the publisher's store, or the whole of it, on `mnt`; nothing where this machine or user cannot.
    fn start(cli: &Cli, snapshot: &[&str]) -> Option<Self> {
        Self::of(cli, "pub", snapshot)
    }

    fn of(cli: &Cli, store: &str, snapshot: &[&str]) -> Option<Self> {
        if !can_mount() {
            return None;
        }
        std::fs::create_dir_all(cli.path("mnt")).unwrap();
        let args = [&["mount", "mnt", "--store", store, "--keys", "k", "--json"], snapshot].concat();
        let mut child = cli.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("\"mounted\""), "{line}");
        Some(Self { child })
    }

    /// Asks for the end as Ctrl-C does; returns the exit code.
    fn stop(&mut self, signal: Signal) -> Option<i32> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let _ = self.child.wait();
    }
}

fn can_mount() -> bool {
    let can = Path::new("/dev/fuse").exists() && rustix::process::geteuid().is_root();
    if !can {
        println!("not checked here: there is no /dev/fuse, or no right to mount");
    }
    can
}

/// Waits for what has to come soon.
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// A store whose folder has a bit of everything.
fn committed() -> Cli {
    let cli = Cli::new();
    cli.write("files/a.txt", b"first");
    cli.write("files/big", &(0..3_000_000u32).map(|at| (at ^ (at >> 7)) as u8).collect::<Vec<_>>());
    cli.write("files/sub/deep/ä \n'\"", b"quoted");
    for at in 0..1000 {
        cli.write(&format!("files/many/{at:04}"), at.to_string().as_bytes());
    }
    std::fs::hard_link(cli.path("files/a.txt"), cli.path("files/sub/twin")).unwrap();
    std::os::unix::fs::symlink("a.txt", cli.path("files/link")).unwrap();
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "one"]);
    cli
}

fn is_mounted(cli: &Cli) -> bool {
    let dir = |name: &str| std::fs::metadata(cli.path(name)).unwrap().dev();
    dir("mnt") != dir("files")
}

#[test]
fn the_mounted_tree_is_the_committed_folder_and_a_signal_ends_it() {
    let cli = committed();
    for signal in [Signal::INT, Signal::TERM] {
        let Some(mut mount) = Mount::start(&cli, &["HEAD"]) else { return };
        let mut compared = Command::new("diff");
        compared.args(["-r", "--no-dereference"]).arg(cli.path("files")).arg(cli.path("mnt"));
        let compared = compared.output().unwrap();
        assert!(compared.status.success(), "{compared:?}");
        let (one, other) = (cli.path("files/a.txt"), cli.path("mnt/a.txt"));
        let state = |path: &Path| {
            std::fs::metadata(path).map(|state| (state.mode(), state.mtime(), state.mtime_nsec(), state.uid()))
        };
        assert_eq!(state(&one).unwrap(), state(&other).unwrap());
        let number = |name: &str| std::fs::metadata(cli.path(name)).unwrap().ino();
        assert_eq!(number("mnt/a.txt"), number("mnt/sub/twin"));
        let mut bytes = [0; 5000];
        let big = std::fs::File::open(cli.path("mnt/big")).unwrap();
        big.read_exact_at(&mut bytes, 2_345_678).unwrap();
        assert_eq!(bytes[..], std::fs::read(cli.path("files/big")).unwrap()[2_345_678..2_350_678]);
        drop(big);
        assert!(is_mounted(&cli));
        for refused in [std::fs::write(cli.path("mnt/new"), "x"), std::fs::remove_file(cli.path("mnt/a.txt"))] {
            assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        }
        assert_eq!(mount.stop(signal), Some(0));
        assert!(!is_mounted(&cli));
    }
}

#[test]
fn a_whole_store_is_mounted_and_what_is_open_does_not_hold_up_the_end() {
    let cli = committed();
    let before = cli.ok(&["status", "--store", "pub", "--keys", "k", "--json"]).document();
    let Some(mut mount) = Mount::start(&cli, &[]) else { return };
    assert_eq!(std::fs::read(cli.path("mnt/latest/a.txt")).unwrap(), b"first");
    let shown = std::fs::read_dir(cli.path("mnt/snapshots")).unwrap().map(|entry| entry.unwrap().path());
    let shown: Vec<_> = shown.collect();
    assert_eq!(shown.len(), 1);
    assert_eq!(std::fs::read(shown[0].join("sub/twin")).unwrap(), b"first");
    let id = before["snapshot"].as_str().unwrap();
    assert_eq!(std::fs::read_dir(cli.path("mnt/by-id").join(id)).unwrap().count(), 5);
    assert_eq!(std::fs::read(cli.path("mnt/nothing")).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    let open = std::fs::File::open(cli.path("mnt/latest/big")).unwrap();
    assert_eq!(mount.stop(Signal::TERM), Some(0));
    assert!(!is_mounted(&cli));
    let mut bytes = [0; 10];
    assert!(open.read_exact_at(&mut bytes, 1_000_000).is_err(), "the mount is gone, and nothing hangs");
}

#[test]
fn damage_costs_one_file_and_is_told() {
    let cli = committed();
    let packs: Vec<_> = std::fs::read_dir(cli.path("pub/packs"))
        .unwrap()
        .flat_map(|dir| std::fs::read_dir(dir.unwrap().path()).unwrap())
        .map(|pack| pack.unwrap().path())
        .collect();
    let longest = packs.iter().max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(longest).unwrap();
    let Some(_mount) = Mount::start(&cli, &["HEAD"]) else { return };
    bytes.iter_mut().skip(1000).for_each(|byte| *byte ^= 1);
    std::fs::write(longest, bytes).unwrap();
    let error = std::fs::read(cli.path("mnt/big")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    assert_eq!(std::fs::read_dir(cli.path("mnt/many")).unwrap().count(), 1000);
    let mut reason = [0; 1000];
    let len = rustix::fs::getxattr(cli.path("mnt/big"), "user.chunkstore.damage", &mut reason).unwrap();
    assert!(String::from_utf8_lossy(&reason[..len]).contains("damaged"));
}

#[test]
fn a_mount_that_cannot_be_says_why() {
    let cli = Cli::with_store();
    cli.write("full/file", b"hidden");
    std::fs::create_dir(cli.path("mnt")).unwrap();
    let mount = |dir: &str, more: &[&str]| cli.run(&[&["mount", dir, "--store", "pub"], more].concat());
    let refused: [(&str, &[&str], i32, &str); 7] = [
        ("nowhere", &["--keys", "k"], 1, "nowhere: there is no such directory"),
        ("files/a.txt", &["--keys", "k"], 1, "a.txt: it is no directory"),
        ("full", &["--keys", "k"], 1, "full: it is not empty"),
        ("/proc", &["--keys", "k"], 1, "/proc: something is mounted there already"),
        ("mnt", &["nonesuch", "--keys", "k"], 1, "no snapshot goes by"),
        ("mnt", &["--keys", "none"], 12, "identity"),
        ("mnt", &["--store", "none", "--keys", "k"], 2, "--store"),
    ];
    for background in [&[][..], &["--background"]] {
        for (dir, more, code, why) in refused {
            let ran = mount(dir, &[more, background].concat());
            assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{dir} {more:?} {background:?}: {ran:?}");
            assert!(ran.stderr.contains(why), "{ran:?}");
            assert_eq!(ran.stderr.matches("chunkstore: ").count(), usize::from(code != 2), "told once: {ran:?}");
        }
        let ran = cli.run(&[&["mount", "mnt", "--store", "none", "--keys", "k"], background].concat());
        assert_eq!(ran.code, 10, "{ran:?}");
    }
}

#[test]
fn what_a_sync_brings_is_seen_under_the_mount_and_gc_waits_for_its_end() {
    let cli = committed();
    let trust = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./pub", "key", "--trust", trust["fingerprint"].as_str().unwrap()]);
    let before = std::fs::read(cli.path("files/big")).unwrap();
    let Some(mut mount) = Mount::of(&cli, "key", &[]) else { return };
    let latest = |name: &str| std::fs::read(cli.path("mnt/latest").join(name));
    let listed = |dir: &str| std::fs::read_dir(cli.path("mnt").join(dir)).unwrap().count();
    assert_eq!((latest("a.txt").unwrap(), listed("by-id"), listed("snapshots")), (b"first".to_vec(), 1, 1));
    let open = std::fs::File::open(cli.path("mnt/latest/big")).unwrap();
    cli.write("files/a.txt", b"and the second");
    cli.write("files/big", &vec![7; 2_000_000]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let synced = cli.ok(&["sync", "--store", "key", "--json"]).last();
    assert_eq!(synced["changed"], true, "a mount is no writer: {synced}");
    until("the new snapshot is seen", || latest("a.txt").unwrap() == b"and the second");
    assert_eq!((listed("by-id"), listed("snapshots")), (2, 2));
    assert!(latest("big").unwrap() == [7; 2_000_000]);
    // What was dropped leaves the key, but not while somebody may read it.
    cli.ok(&["forget", "--keep-last", "1", "--store", "pub", "--keys", "k"]);
    cli.ok(&["gc", "--store", "pub", "--keys", "k", "--grace", "0s"]);
    cli.ok(&["sync", "--store", "key"]);
    cli.write("files/c.txt", b"third");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    cli.ok(&["sync", "--store", "key"]);
    until("what was forgotten goes, and what is new comes", || listed("by-id") == 2 && latest("c.txt").is_ok());
    let gc = ["gc", "--store", "key", "--grace", "0s", "--json"];
    let waits = cli.run(&gc);
    assert_eq!(waits.code, 11, "{waits:?}");
    assert!(waits.document()["readers"] == true && waits.document()["removed_files"] == 0, "{waits:?}");
    let mut bytes = vec![0; before.len()];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == before, "who has a file open reads that version of it");
    drop(open);
    assert_eq!(mount.stop(Signal::TERM), Some(0));
    assert!(cli.ok(&gc).document()["removed_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn a_mount_of_one_snapshot_stays_at_it() {
    let cli = committed();
    let Some(_mount) = Mount::start(&cli, &["HEAD"]) else { return };
    cli.write("files/a.txt", b"and the second");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    assert_eq!(std::fs::read(cli.path("mnt/a.txt")).unwrap(), b"first");
}

/// Mounts in the background; returns what it said.
fn in_background(cli: &Cli) -> serde_json::Value {
    std::fs::create_dir_all(cli.path("mnt")).unwrap();
    cli.ok(&["mount", "mnt", "--store", "pub", "--keys", "k", "--background", "--json"]).document()
}

/// The process behind a mount in the background.
fn process_of(cli: &Cli) -> Option<Pid> {
    let dir = cli.path("mnt");
    std::fs::read_dir("/proc").unwrap().find_map(|entry| {
        let pid: i32 = entry.unwrap().file_name().to_str()?.parse().ok()?;
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let opens_here =
            std::fs::read_link(format!("/proc/{pid}/fd/2")).is_ok_and(|log| log.starts_with(cli.path("home")));
        let is_it =
            opens_here && line.split(|byte| *byte == 0).any(|arg| arg == b"--background-child") && dir.is_absolute();
        is_it.then(|| Pid::from_raw(pid)).flatten()
    })
}

#[test]
fn a_mount_in_the_background_can_be_used_at_once_and_ends_with_its_unmount() {
    let cli = committed();
    if !can_mount() {
        return;
    }
    let said = in_background(&cli);
    assert_eq!((&said["event"], &said["path"]), (&"mounted".into(), &cli.path("mnt").to_str().unwrap().into()));
    assert!(Path::new(said["log"].as_str().unwrap()).starts_with(cli.path("home")), "{said}");
    assert_eq!(std::fs::read(cli.path("mnt/latest/a.txt")).unwrap(), b"first");
    let again = cli.run(&["mount", "mnt", "--store", "pub", "--keys", "k", "--background"]);
    assert!(again.code == 1 && again.stderr.contains("something is mounted there already"), "{again:?}");
    let process = process_of(&cli).unwrap();
    rustix::mount::unmount(cli.path("mnt"), rustix::mount::UnmountFlags::empty()).unwrap();
    until("the process ends", || process_of(&cli) != Some(process));
    let log = std::fs::read_to_string(said["log"].as_str().unwrap()).unwrap();
    assert_eq!(log, "{\"event\":\"done\"}\n");
}

/// In a container the leader of the session may be a process without a number in the container's own space.
#[test]
fn a_container_runs_a_mount_in_the_background() {
    let cli = committed();
    if !can_mount() || !Path::new("/usr/bin/unshare").exists() {
        return println!("not checked here: it takes root and unshare");
    }
    std::fs::create_dir_all(cli.path("mnt")).unwrap();
    let script = "
        in_background() { $CHUNKSTORE mount mnt \"$@\" --store pub --keys k --background; }
        in_background nonesuch; [ $? -eq 1 ] || exit 4
        in_background && cat mnt/latest/a.txt && umount mnt";
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", script]).current_dir(cli.path("."));
    command.env("CHUNKSTORE", env!("CARGO_BIN_EXE_chunkstore")).env("HOME", cli.path("home"));
    let ran = super::ended(&mut command);
    assert!(ran.code == 0 && ran.stdout.ends_with("first"), "{ran:?}");
}

#[test]
fn a_mount_that_is_killed_leaves_no_dead_directory() {
    let cli = committed();
    if !can_mount() {
        return;
    }
    in_background(&cli);
    let open = std::fs::File::open(cli.path("mnt/latest/big")).unwrap();
    kill_process(process_of(&cli).unwrap(), Signal::KILL).unwrap();
    until("the guard unmounts", || std::fs::metadata(cli.path("mnt")).is_ok() && !is_mounted(&cli));
    assert!(open.read_exact_at(&mut [0; 10], 2_000_000).is_err());
    drop(open);
    in_background(&cli);
    assert_eq!(std::fs::read(cli.path("mnt/latest/a.txt")).unwrap(), b"first");
    rustix::mount::unmount(cli.path("mnt"), rustix::mount::UnmountFlags::empty()).unwrap();
}

/// Rows U14, U15. A person without rights mounts through fusermount3, in a namespace of mounts in which /dev/fuse is open to all, as
/// it is wherever a system has set it up.
#[test]
fn a_person_without_rights_mounts_a_store_that_cannot_be_written() {
    let cli = committed();
    let script = "
        set -e
        mknod -m 666 fuse c 10 229 && mount --bind fuse /dev/fuse
        mkdir -p mnt home2 && chown -hR 65534:65534 . && chmod 755 .
        mount --bind pub pub && mount -o remount,bind,ro pub
        as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=$PWD/home2 PATH=/usr/bin:/bin \"$@\"; }
        as_nobody $CHUNKSTORE version >/dev/null 2>&1 || { echo 'not checked here: nobody cannot run the program'; exit 0; }
        as_nobody $CHUNKSTORE mount mnt --store pub --keys k --background
        as_nobody diff -r --no-dereference files mnt/latest/.
        cat mnt/latest/a.txt >/dev/null 2>&1 && { echo 'root was let in'; exit 5; }
        as_nobody fusermount3 -u mnt
        as_nobody $CHUNKSTORE mount mnt --store pub --keys k --background
        for p in /proc/[0-9]*; do case $(readlink $p/fd/2) in $PWD/home2/*) kill -9 ${p#/proc/};; esac; done
        for n in $(seq 200); do grep -q \"$PWD/mnt\" /proc/self/mounts || { echo well; exit 0; }; sleep 0.05; done
        echo 'a dead mount stays'; exit 6";
    let tools = ["/usr/bin/fusermount3", "/usr/bin/setpriv", "/usr/bin/unshare"];
    if !can_mount() || tools.iter().any(|tool| !Path::new(tool).exists()) {
        println!("not checked here: it takes root, {tools:?}");
        return;
    }
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", script]).current_dir(cli.path("."));
    command.env("CHUNKSTORE", env!("CARGO_BIN_EXE_chunkstore"));
    let ran = super::ended(&mut command);
    println!("{}", ran.stdout);
    assert!(ran.code == 0 && (ran.stdout.contains("well") || ran.stdout.contains("not checked")), "{ran:?}");
}

/// Row U14. Programs as people use them find in the mount what was committed, from a store that cannot be written, and nothing so much as
/// tries to write to it.
#[test]
fn programs_find_in_the_mount_what_was_committed() {
    let cli = committed();
    if !can_mount() {
        return;
    }
    let script = "
        set -e
        has() { command -v $1 >/dev/null || { echo not checked here: $1 is missing; return 1; }; }
        same() { cmp $1 $2 || { echo differs: $3; exit 4; }; }
        if has git; then
            git init -q files/repo && cd files/repo
            git config user.email a@b.c && git config user.name n
            echo one > one && mkdir dir && echo two > dir/two && git add . && git commit -q -m first && echo three > untracked && cd ../..
            $CHUNKSTORE commit files --store pub --keys k --quiet
        fi
        mount --bind pub pub && mount -o remount,bind,ro pub
        mkdir -p mnt
        if has strace; then
            strace -f -y -o trace -e trace=file,desc $CHUNKSTORE mount mnt HEAD --store pub --keys k > said &
        else
            $CHUNKSTORE mount mnt HEAD --store pub --keys k > said &
        fi
        trap 'umount -l mnt 2>/dev/null || true' EXIT
        for n in $(seq 600); do grep -q mounted said && break; sleep 0.1; done
        diff -r --no-dereference files mnt
        (cd files && find . -mindepth 1 \\( -type d -printf '%p %y %m %T@\\n' -o -printf '%p %y %s %m %T@ %l\\n' \\) | sort) > one
        (cd mnt && find . -mindepth 1 \\( -type d -printf '%p %y %m %T@\\n' -o -printf '%p %y %s %m %T@ %l\\n' \\) | sort) > two
        same one two find
        tar -C files --sort=name -cf - . | sha256sum > one; tar -C mnt --sort=name -cf - . | sha256sum > two; same one two tar
        (cd files && find . -type f -print0 | sort -z | xargs -0 sha256sum) > one
        (cd mnt && find . -type f -print0 | sort -z | xargs -0 sha256sum) > two
        same one two sha256sum
        if has rsync; then
            rsync -aHn --checksum --delete --itemize-changes mnt/ files/ > one; : > two; same one two 'rsync to files'
            rsync -aH --checksum mnt/ copy/ && diff -r --no-dereference files copy
        fi
        if has git; then
            git -c safe.directory='*' -C files/repo --no-optional-locks status --porcelain > one
            git -c safe.directory='*' -C mnt/repo --no-optional-locks status --porcelain > two
            same one two 'git status' && grep -q untracked two
        fi
        umount mnt && wait
        if [ -e trace ]; then
            ! grep \"$PWD/pub\" trace | grep -E 'O_(WRONLY|RDWR|CREAT|TRUNC)|write\\(|rename|unlink|mkdir|utimens|chmod|truncate' || exit 7
            grep -q \"$PWD/pub\" trace
        fi
        echo well";
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-c", script]).current_dir(cli.path("."));
    command.env("CHUNKSTORE", env!("CARGO_BIN_EXE_chunkstore")).env("HOME", cli.path("home"));
    let ran = super::ended(&mut command);
    println!("{}", ran.stdout);
    assert!(ran.code == 0 && ran.stdout.ends_with("well\n"), "{ran:?}");
}
