//! `mount`: the tree under it is the folder that was committed, and it goes away with the signal.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::Cli;

/// A mounted store; unmounted when dropped.
struct Mount {
    child: Child,
}

impl Mount {
    /// Mounts a snapshot, or the whole store, on `mnt`; nothing where this machine or user cannot.
    fn start(cli: &Cli, snapshot: &[&str]) -> Option<Self> {
        if !Path::new("/dev/fuse").exists() || !rustix::process::geteuid().is_root() {
            println!("not checked here: there is no /dev/fuse, or no right to mount");
            return None;
        }
        std::fs::create_dir_all(cli.path("mnt")).unwrap();
        let args = [&["mount", "mnt", "--store", "pub", "--keys", "k", "--json"], snapshot].concat();
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
    let ran = cli.run(&["mount", "nowhere", "--store", "pub", "--keys", "k"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{ran:?}");
    assert!(ran.stderr.contains("nowhere"), "{ran:?}");
    std::fs::create_dir(cli.path("mnt")).unwrap();
    assert_eq!(cli.run(&["mount", "mnt", "nonesuch", "--store", "pub", "--keys", "k"]).code, 1);
    assert_eq!(cli.run(&["mount", "mnt", "--store", "none", "--keys", "k"]).code, 10);
}
