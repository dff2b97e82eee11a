//! `commit` and `restore` with their flags: what each does, and what is refused with which words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Cli, has_fields};

/// Every file below a directory with its bytes and time.
fn everything(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()) {
            let metadata = entry.symlink_metadata().unwrap();
            let bytes = if metadata.is_file() { std::fs::read(&entry).unwrap() } else { Vec::new() };
            open.extend(metadata.is_dir().then(|| entry.clone()));
            found.insert(entry, (bytes, metadata.modified().unwrap()));
        }
    }
    found
}

fn keys(args: &[&'static str]) -> Vec<&'static str> {
    [args, &["--store", "pub", "--keys", "k"]].concat()
}

fn listed(cli: &Cli) -> Vec<String> {
    let ran = cli.ok(&keys(&["ls", "/", "-r", "--json"]));
    ran.lines().iter().map(|line| line["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn several_folders_stand_side_by_side_and_one_is_the_root() {
    let cli = Cli::with_store();
    assert!(listed(&cli).contains(&"/a.txt".to_owned()));
    cli.write("mail/inbox/1", b"a letter");
    cli.write("mail/skip.tmp", b"left out");
    cli.write("here/x", b"x");
    let done =
        cli.ok(&keys(&["commit", "files", "mail/", "here/../here", "--exclude", "/mail/*.tmp", "--json"])).document();
    assert_eq!((done["files"].as_u64(), done["changed"].as_bool()), (Some(4), Some(true)));
    let mut wanted = vec![
        "/files",
        "/files/a.txt",
        "/files/link",
        "/files/sub",
        "/files/sub/b.bin",
        "/here",
        "/here/x",
        "/mail",
        "/mail/inbox",
        "/mail/inbox/1",
    ];
    wanted.retain(|path| cfg!(unix) || !path.ends_with("link"));
    assert_eq!(listed(&cli), wanted);
    let again = cli.ok(&keys(&["commit", "files", "mail", "here", "--exclude", "/mail/*.tmp", "--json"])).document();
    assert_eq!(again["changed"], false);
    cli.ok(&keys(&["restore", "/mail", "out"]));
    assert_eq!(std::fs::read(cli.path("out/inbox/1")).unwrap(), b"a letter");
    // The store lies in one of them and is left out.
    std::fs::rename(cli.path("pub"), cli.path("mail/pub")).unwrap();
    let ran = cli.ok(&["commit", "files", "mail", "--store", "mail/pub", "--keys", "k"]);
    assert!(ran.stderr.contains("left out"), "{ran:?}");
    let ran = cli.ok(&["ls", "/mail", "--store", "mail/pub", "--keys", "k"]);
    assert!(!ran.stdout.contains("/mail/pub"), "{ran:?}");
}

#[test]
fn patterns_come_from_files_and_flags_have_the_last_word() {
    let cli = Cli::with_store();
    cli.write("patterns", b"\xef\xbb\xbf# what builds leave\r\n\r\n*.o\r\n/sub\n");
    cli.write("files/x.o", b"object");
    cli.write("files/keep.o", b"object");
    cli.ok(&keys(&["commit", "files", "--exclude-from", "patterns", "--exclude", "!keep.o"]));
    let wanted = if cfg!(unix) { vec!["/a.txt", "/keep.o", "/link"] } else { vec!["/a.txt", "/keep.o"] };
    assert_eq!(listed(&cli), wanted);
}

#[test]
fn a_dry_run_of_commit_writes_nothing_at_all() {
    let cli = Cli::with_store();
    cli.write("files/new.bin", &[9; 300_000]);
    let dry = keys(&["commit", "files", "--dry-run", "--json"]);
    let before = everything(cli.path("").as_path());
    let found = cli.ok(&dry).document();
    assert!(everything(cli.path("").as_path()) == before, "a dry run wrote");
    has_fields(&found, &["snapshot", "generation", "changed", "dry_run", "files", "bytes", "new_bytes", "new_entries"]);
    assert_eq!((found["changed"].as_bool(), found["dry_run"].as_bool()), (Some(true), Some(true)));
    assert_eq!((found["new_entries"].as_u64(), found["files"].as_u64()), (Some(1), Some(3)));
    let done = cli.ok(&keys(&["commit", "files", "--json"])).document();
    let (would, was) = (found["new_bytes"].as_u64().unwrap(), done["new_bytes"].as_u64().unwrap());
    assert!(would > 0 && would <= was && was - would < 10_000, "{would} and {was}");
    assert_eq!(found["generation"].as_u64().unwrap() + 1, done["generation"].as_u64().unwrap());
    assert_eq!(cli.ok(&dry).document()["changed"], false);
    let text = cli.ok(&keys(&["commit", "files", "--dry-run"])).stdout;
    assert!(text.contains("would be made"), "{text}");
}

#[test]
fn several_tags_name_one_snapshot() {
    let cli = Cli::with_store();
    cli.write("files/a.txt", b"changed");
    cli.ok(&keys(&["commit", "files", "--tag", "week-2", "--tag", "final"]));
    for tag in ["week-2", "final"] {
        let ran = cli.ok(&["cat", &format!("{tag}:/a.txt"), "--store", "pub", "--keys", "k"]);
        assert_eq!(ran.stdout, "changed");
    }
}

#[test]
fn what_commit_does_not_take_is_refused_with_a_word_what_to_do() {
    let cli = Cli::with_store();
    cli.write("other/files/x", b"x");
    cli.write("latin1", b"caf\xe9\n");
    cli.write("bad", b"a{b\n");
    let long = "t".repeat(65);
    let cases: [(&[&str], i32, &str); 11] = [
        (&["files", "other/files"], 2, "rename one"),
        (&["files", "files/"], 2, "would both be /files"),
        (&["files", "/"], 2, "commit it alone"),
        (&["files", "nowhere"], 1, "nowhere"),
        (&["files", "--exclude-from", "nowhere"], 2, "there is no such file"),
        (&["files", "--exclude-from", "latin1"], 2, "not UTF-8"),
        (&["files", "--exclude-from", "other"], 2, "not a regular file"),
        (&["files", "--exclude-from", "bad"], 2, "gitignore"),
        (&["files", "--exclude", ""], 2, "gitignore"),
        (&["files", "--tag", "@now"], 2, "cannot be a tag"),
        (&["files", "--tag", &long], 2, "a tag has 1 to 64 bytes"),
    ];
    for (args, code, words) in cases {
        for extra in [&[][..], &["--dry-run"]] {
            let args = [&["commit"], args, extra, &["--store", "pub", "--keys", "k"]].concat();
            let ran = cli.run(&args);
            assert_eq!(ran.code, code, "{args:?}: {ran:?}");
            assert!(ran.stderr.contains(words), "{args:?}: {ran:?}");
        }
    }
    assert_eq!(cli.run(&["commit", "--store", "pub", "--keys", "k"]).code, 2);
}

#[test]
fn what_restore_does_not_take_is_refused_and_nothing_is_made() {
    let cli = Cli::with_store();
    let cases: [(&[&str], i32, &str); 8] = [
        (&["--overwrite", "sometimes"], 2, "if-changed"),
        (&["--include", ""], 2, "--include"),
        (&["--exclude", "a{b"], 2, "--exclude"),
        (&["--yes"], 2, "--delete"),
        (&["--verify", "--dry-run"], 2, "--dry-run"),
        (&["--include", "*.nothing", "--dry-run"], 1, "nothing in the snapshot matches"),
        (&["--delete", "--overwrite"], 2, "--overwrite"),
        (&["--include"], 2, "--include"),
    ];
    for (args, code, words) in cases {
        let args = [&["restore", "/", "out"], args, &["--store", "pub", "--keys", "k"]].concat();
        let ran = cli.run(&args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(words), "{args:?}: {ran:?}");
        assert!(!cli.path("out").exists(), "{args:?}");
    }
}

// F16 F17
#[test]
fn delete_is_refused_where_nobody_means_it() {
    let cli = Cli::with_store();
    std::fs::create_dir_all(cli.path("home/precious")).unwrap();
    let restore = |target: &str, extra: &[&str]| {
        cli.run(&[&["restore", "/", target, "--delete"], extra, &["--store", "pub", "--keys", "k"]].concat())
    };
    for (target, words) in [("/", "the root of the file system"), ("home", "home folder"), (".", "home folder")] {
        let ran = restore(target, &[]);
        assert_eq!(ran.code, 2, "{target}: {ran:?}");
        assert!(ran.stderr.contains("--yes") && (target == "/" || ran.stderr.contains(words)), "{target}: {ran:?}");
    }
    let ran = restore("pub/packs", &["--yes"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("lies in the store"), "{ran:?}");
    (0..20).for_each(|n| cli.write(&format!("many/{n}"), b"x"));
    let ran = restore("many", &[]);
    assert_eq!(ran.code, 17, "{ran:?}");
    assert!(ran.stderr.contains("20 of the 20") && ran.stderr.contains("--dry-run"), "{ran:?}");
    assert!(cli.path("many/7").exists() && !cli.path("many/a.txt").exists());
    let ran = restore("many", &["--dry-run", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.lines().iter().filter(|line| line["event"] == "delete").count(), 20);
    assert_eq!((ran.last()["deleted"].as_u64(), ran.last()["dry_run"].as_bool()), (Some(20), Some(true)));
    assert!(cli.path("many/7").exists());
    let done = restore("many", &["--yes", "--json"]).document();
    has_fields(&done, &["files", "bytes", "unchanged", "skipped", "deleted", "damaged", "differing", "left_alone"]);
    assert_eq!(done["deleted"], 20);
    assert!(!cli.path("many/7").exists() && cli.path("many/a.txt").exists());
    // The store, the keys and the cache in the target stay, whatever the snapshot says.
    std::fs::create_dir(cli.path("desk")).unwrap();
    for name in ["pub", "k"] {
        std::fs::rename(cli.path(name), cli.path("desk").join(name)).unwrap();
    }
    let args = ["restore", "/", "desk", "--delete", "--yes", "--store", "desk/pub", "--keys", "desk/k"];
    cli.ok(&args);
    cli.ok(&args);
    assert!(cli.path("desk/a.txt").exists());
}

#[test]
fn a_restore_that_is_verified_says_nothing_differs() {
    let cli = Cli::with_store();
    let files = if cfg!(unix) { 3 } else { 2 };
    let done = cli.ok(&keys(&["restore", "/", "out", "--verify", "--json"])).document();
    assert_eq!((done["files"].as_u64(), done["differing"].as_u64()), (Some(files), Some(0)));
    let done = cli.ok(&keys(&["restore", "/", "out", "--overwrite", "if-changed", "--json"])).document();
    assert_eq!((done["files"].as_u64(), done["unchanged"].as_u64()), (Some(0), Some(files)));
}

#[cfg(unix)]
#[test]
fn holes_read_as_zeros_to_whoever_does_not_know_them() {
    use std::os::unix::fs::FileExt;
    let cli = Cli::with_store();
    let file = std::fs::File::create(cli.path("files/sparse")).unwrap();
    file.set_len(20 << 20).unwrap();
    file.write_all_at(b"middle", 10 << 20).unwrap();
    cli.ok(&keys(&["commit", "files"]));
    let output = cli.command(&keys(&["cat", "/sparse"])).output().unwrap();
    assert!(output.stdout == std::fs::read(cli.path("files/sparse")).unwrap());
}
