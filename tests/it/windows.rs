//! What Windows does otherwise than other systems: paths, names, read-only files, files that others have open.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::windows::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use chunkstore::base::RelPath;
use chunkstore::disk::{Folder, OsFolder};

use crate::cli::Cli;
use crate::scene::{Scene, noise, read, rel};

/// Says what differs between two directories and all below them.
fn compare(one: &Path, other: &Path) {
    let names = |dir: &Path| {
        let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other), "{}", one.display());
    for name in names(one) {
        let (a, b) = (one.join(&name), other.join(&name));
        let (x, y) = (a.metadata().unwrap(), b.metadata().unwrap());
        assert_eq!(x.modified().unwrap(), y.modified().unwrap(), "time of {}", a.display());
        assert_eq!(x.permissions().readonly(), y.permissions().readonly(), "read-only or not: {}", a.display());
        if x.is_dir() {
            compare(&a, &b);
        } else {
            assert!(read(a.clone()) == read(b), "content of {}", a.display());
        }
    }
}

/// Returns a path of more units than Windows takes without being asked to, all of whose directories stand.
fn long_dir(below: &Path) -> PathBuf {
    let dir = (0..8).fold(below.canonicalize().unwrap(), |dir, _| dir.join("d".repeat(60)));
    fs::create_dir_all(&dir).unwrap();
    assert!(dir.as_os_str().len() > 400);
    dir
}

#[test]
fn a_folder_comes_back_as_it_was() {
    let scene = Scene::new();
    let folder = scene.path("folder");
    scene.write("empty", b"");
    scene.write("small/one", b"one");
    scene.write("small/two", b"two");
    scene.write("\u{fc}ml\u{e4}ut \u{1f511}/\u{65e5}\u{672c}.txt", &noise(1, 3000));
    scene.write("large", &noise(2, 5 << 20));
    fs::create_dir_all(folder.join("nothing/inside")).unwrap();
    fs::write(long_dir(&folder).join("deep"), b"deep").unwrap();
    for (number, name) in ["small/one", "large", "empty"].iter().enumerate() {
        let file = File::options().append(true).open(folder.join(name)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::new(1_000_000 * number as u64, 123_456_700)).unwrap();
    }
    let mut permissions = fs::metadata(folder.join("small/one")).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(folder.join("small/one"), permissions).unwrap();
    let committed = scene.commit("all").unwrap();
    assert_eq!(committed.problems, []);
    let restored = scene.restore("/", "out").unwrap();
    assert_eq!((restored.left_alone, restored.damaged), (0, 0), "{:?}", scene.monitor.problems());
    compare(&folder, &scene.path("out"));
    assert!(!scene.commit("again").unwrap().changed, "nothing changed");
    // Over itself, a read-only file included.
    let again = scene.restore("/", "out").unwrap();
    assert_eq!((again.left_alone, again.damaged), (0, 0), "{:?}", scene.monitor.problems());
    compare(&folder, &scene.path("out"));
}

#[test]
fn a_file_keeps_its_number_and_another_of_its_name_has_another() {
    let temp = tempfile::tempdir().unwrap();
    let folder = OsFolder::open(temp.path()).unwrap();
    fs::write(temp.path().join("a"), b"1").unwrap();
    let stat = || folder.stat(&rel("a")).unwrap().unwrap();
    let before = stat();
    assert_ne!(before.inode, 0);
    fs::write(temp.path().join("a"), b"22").unwrap();
    assert_eq!(stat().inode, before.inode, "written in place");
    fs::write(temp.path().join("b"), b"333").unwrap();
    assert_ne!(folder.stat(&rel("b")).unwrap().unwrap().inode, before.inode);
    assert_eq!(folder.list(&RelPath::root()).unwrap()[0].1.as_ref().unwrap(), &stat());
}

// F22
#[test]
fn a_file_that_another_program_keeps_to_itself_is_told_and_the_rest_goes_on() {
    let scene = Scene::new();
    for name in ["a", "b", "c"] {
        scene.write(name, name.as_bytes());
    }
    scene.commit("before").unwrap();
    for name in ["a", "b", "c"] {
        scene.write(name, format!("{name}, longer").as_bytes());
    }
    let held = OpenOptions::new().read(true).share_mode(0).open(scene.path("folder/b")).unwrap();
    let committed = scene.commit("while b is held").unwrap();
    assert_eq!(committed.problems.len(), 1, "{:?}", committed.problems);
    assert_eq!(committed.problems[0].subject, "/b");
    drop(held);
    scene.restore("/", "out").unwrap();
    assert_eq!(["a", "b", "c"].map(|name| read(scene.path("out").join(name))), [&b"a, longer"[..], b"b", b"c, longer"]);
    // The same where it is written.
    let held = OpenOptions::new().read(true).share_mode(0).open(scene.path("out/b")).unwrap();
    scene.commit("all").unwrap();
    let restored = scene.restore("/", "out").unwrap();
    assert_eq!((restored.left_alone, restored.damaged), (1, 0), "{:?}", scene.monitor.problems());
    drop(held);
    assert_eq!(read(scene.path("out/b")), b"b");
}

#[test]
fn a_store_lies_where_paths_are_long_and_names_are_anything() {
    let cli = Cli::new();
    cli.write("files/a.txt", b"first");
    let long = long_dir(&cli.path("")).join("st\u{f6}re mit Leerzeichen");
    let store = long.to_str().unwrap();
    cli.ok(&["init", store, "--keys", "k", "--no-passphrase"]);
    cli.ok(&["commit", "files", "--store", store, "--keys", "k", "-m", "one"]);
    let out = cli.path("out");
    cli.ok(&["restore", "/", out.to_str().unwrap(), "--store", store, "--keys", "k"]);
    assert_eq!(read(out.join("a.txt")), b"first");
    cli.ok(&["verify", "--store", store, "--keys", "k"]);
}

/// A process that does not outlive the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a word of the registry's own program on the name under which Windows shows the agent's toasts.
fn reg(verb: &str, more: &[&str]) -> bool {
    let mut command = Command::new("reg");
    command.args([verb, r"HKCU\Software\Classes\AppUserModelId\Chunkstore.Agent"]).args(more);
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

// U23
#[test]
fn an_agent_that_tells_a_person_goes_on_whether_windows_shows_it_or_not() {
    let cli = Cli::with_store();
    let push = || cli.ok(&["push", "./server", "--store", "pub", "--keys", "k"]);
    fs::create_dir(cli.path("volumes")).unwrap();
    push();
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    let text = |name: &str| status[name].as_str().unwrap().to_owned();
    for name in ["first", "second", "third"] {
        cli.ok(&["clone", "./server", name, "--trust", &text("fingerprint")]);
    }
    cli.write("files/week", &noise(1, 100_000));
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    push();
    cli.configure(&format!(
        "[agent]\nstores = \"any\"\nsettle = \"1ms\"\n[agent.remotes]\n{} = [\"server\"]\n[remotes.server]\nurl = '{}'\n",
        text("store_id"),
        cli.path("server").display(),
    ));
    // A name of an earlier run says nothing of this one.
    reg("delete", &["/f"]);
    let mut agent = cli.command(&["agent", "run", "--volumes", "volumes", "--json"]);
    let mut agent = Running(agent.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(agent.0.stdout.take().unwrap()).lines();
    for name in ["first", "second", "third"] {
        fs::rename(cli.path(name), cli.path("volumes").join(name)).unwrap();
        assert!(lines.any(|line| line.unwrap().contains(r#""notice":"updated""#)), "{name}");
        // Wine shows no toasts, and Windows none without a desktop; the name comes first.
        while !reg("query", &["/v", "DisplayName"]) {
            std::thread::yield_now();
        }
    }
    assert!(agent.0.try_wait().unwrap().is_none(), "it runs on");
}
