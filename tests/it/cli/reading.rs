//! `find`, `diff`, `stats`, `export`, `completions` and `man` as people and scripts run them.

use std::io::Read;
use std::process::Stdio;

use super::{Cli, Ran, first_file, has_fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// A store of two snapshots, the first of which has the tag `w1`.
fn two_weeks() -> Cli {
    let cli = Cli::new();
    cli.write("files/a.txt", b"first");
    cli.write("files/sub/b.bin", &[7; 5000]);
    cli.write("files/sub/gone.txt", b"gone");
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "one", "--tag", "w1"]);
    cli.write("files/a.txt", b"second");
    cli.write("files/new/c.txt", b"new");
    std::fs::remove_file(cli.path("files/sub/gone.txt")).unwrap();
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli
}

fn run(cli: &Cli, verb: &[&str]) -> Ran {
    cli.run(&[verb, &KEYS].concat())
}

fn paths(ran: &Ran) -> Vec<String> {
    ran.lines().iter().filter_map(|line| line["path"].as_str().map(str::to_owned)).collect()
}

#[test]
fn snapshots_go_by_all_their_names_in_every_verb() {
    let cli = two_weeks();
    let log = run(&cli, &["log", "--json"]).lines();
    let id = log[1]["snapshot"].as_str().unwrap().to_owned();
    let time = log[1]["time"].as_str().unwrap().to_owned();
    for name in ["w1", "HEAD~1", "HEAD~", &id, &id[..8], &format!("@{time}")] {
        assert_eq!(run(&cli, &["cat", &format!("{name}:/a.txt")]).stdout, "first", "{name}");
        assert_eq!(run(&cli, &["diff", name, "HEAD~1", "--json"]).lines().len(), 1, "{name}");
        let counted = run(&cli, &["stats", name, "--json"]).document();
        assert_eq!(counted["snapshots"][0]["snapshot"], id.as_str(), "{name}");
    }
    assert_eq!(run(&cli, &["cat", "@now:/a.txt"]).stdout, "second");
    for (name, code) in [("nonesuch", 1), ("HEAD~2", 1), ("@yesterday", 1), ("@2026-02-30", 2), ("HEAD~x", 2), ("@", 2)]
    {
        for verb in
            [&["ls", &format!("{name}:/")][..], &["stats", name], &["diff", name, "HEAD"], &["diff", "HEAD", name]]
        {
            let ran = run(&cli, verb);
            assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{verb:?}: {ran:?}");
        }
    }
}

#[test]
fn a_tag_that_would_be_taken_for_another_name_is_refused() {
    let cli = two_weeks();
    for tag in ["HEAD", "@now", "a:b", "HEAD~3"] {
        let ran = run(&cli, &["commit", "files", "--tag", tag]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("cannot be a tag"), "{ran:?}");
    }
}

#[test]
fn find_takes_names_paths_types_sizes_and_times() {
    let cli = two_weeks();
    let found = |args: &[&str]| paths(&run(&cli, &[&["find", "--json"], args].concat()));
    assert_eq!(found(&["*.txt"]), ["/a.txt", "/new/c.txt"]);
    assert_eq!(found(&["*.TXT"]), Vec::<String>::new());
    assert_eq!(found(&["*.TXT", "-i"]), ["/a.txt", "/new/c.txt"]);
    assert_eq!(found(&["*.txt", "w1:/sub"]), ["/sub/gone.txt"]);
    assert_eq!(found(&["/sub/*"]), ["/sub/b.bin"]);
    assert_eq!(found(&["sub/*"]), ["/sub/b.bin"]);
    assert_eq!(found(&["**/c.*"]), ["/new/c.txt"]);
    assert_eq!(found(&["/*.bin"]), Vec::<String>::new());
    assert_eq!(found(&["*", "--type", "dir"]), ["/new", "/sub"]);
    assert_eq!(found(&["*", "--size", "+1K"]), ["/sub/b.bin"]);
    assert_eq!(found(&["*", "--size", "-5"]), ["/new/c.txt"]);
    assert_eq!(found(&["*", "--size", "6"]), ["/a.txt"]);
    assert_eq!(found(&["*", "--size", "+4", "--size", "-10"]), ["/a.txt"]);
    assert_eq!(found(&["*.txt", "--newer", "yesterday"]), ["/a.txt", "/new/c.txt"]);
    assert_eq!(found(&["*", "--older", "2w"]), Vec::<String>::new());
    assert_eq!(found(&["b.bin", "/sub/b.bin"]), ["/sub/b.bin"]);
    for wrong in [
        &["["][..],
        &[""],
        &["a{b"],
        &["*", "--size", "much"],
        &["*", "--newer", "soon"],
        &["*", "--type", "door"],
        &["*", "HEAD:/", "--all"],
        &["*", "--older", "2026-02-30"],
    ] {
        let ran = run(&cli, &[&["find"], wrong].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{wrong:?}: {ran:?}");
    }
    for absent in [&["*", "/nowhere"][..], &["*", "/a.txt/below"], &["*", "/nowhere", "--all"]] {
        assert_eq!(run(&cli, &[&["find"], absent].concat()).code, 1, "{absent:?}");
    }
}

#[test]
fn find_all_tells_where_something_came_changed_and_went() {
    let cli = two_weeks();
    let told = |args: &[&str]| {
        let lines = run(&cli, &[&["find", "--all", "--json"], args].concat()).lines();
        let word = |line: &serde_json::Value| {
            format!("{} {}", line["change"].as_str().unwrap(), line["path"].as_str().unwrap())
        };
        lines.iter().map(word).collect::<Vec<_>>()
    };
    assert_eq!(told(&["a.txt"]), ["changed /a.txt", "added /a.txt"]);
    assert_eq!(told(&["gone*"]), ["removed /sub/gone.txt", "added /sub/gone.txt"]);
    assert_eq!(told(&["*", "/new"]), ["added /new", "added /new/c.txt"]);
    assert_eq!(told(&["*", "/a.txt"]), ["changed /a.txt", "added /a.txt"]);
    let text = run(&cli, &["find", "a.txt", "--all"]).stdout;
    assert_eq!(text.lines().count(), 2, "{text}");
}

#[test]
fn diff_tells_every_kind_of_change_and_sums_up() {
    let cli = two_weeks();
    let ran = run(&cli, &["diff", "w1", "HEAD", "--json"]);
    let lines = ran.lines();
    let word = |line: &serde_json::Value| (line["change"].clone(), line["path"].clone());
    let told: Vec<_> = lines[..lines.len() - 1].iter().map(word).collect();
    let expected = [("content", "/a.txt"), ("added", "/new"), ("added", "/new/c.txt"), ("removed", "/sub/gone.txt")];
    assert_eq!(told, expected.map(|(change, path)| (change.into(), path.into())));
    let done = ran.last();
    has_fields(&done, &["event", "added", "removed", "content", "metadata", "type", "moved", "all_moves", "damaged"]);
    let bytes = ["added_bytes", "removed_bytes", "changed_bytes"].map(|name| done[name].as_u64().unwrap());
    assert_eq!((done["event"].as_str(), bytes), (Some("done"), [3, 4, 6]));
    let text = run(&cli, &["diff", "w1", "HEAD"]).stdout;
    assert_eq!(
        text,
        "M  /a.txt  (5 B -> 6 B)\n+  /new/\n+  /new/c.txt\n-  /sub/gone.txt\n\
         2 added (3 B), 1 removed (4 B), 1 with other content (6 B)\n"
    );
    assert_eq!(run(&cli, &["diff", "HEAD", "HEAD"]).stdout, "nothing changed\n");
    assert_eq!(paths(&run(&cli, &["diff", "w1", "HEAD", "/sub", "--json"])), ["/sub/gone.txt"]);
    assert_eq!(paths(&run(&cli, &["diff", "w1", "HEAD", "/a.txt", "--json"])), ["/a.txt"]);
    assert_eq!(run(&cli, &["diff", "w1", "HEAD", "/nowhere"]).code, 1);
    assert_eq!(run(&cli, &["diff", "w1", "HEAD", "/a/../b"]).code, 2);
}

#[test]
fn stats_add_up() {
    let cli = two_weeks();
    let all = run(&cli, &["stats", "--json"]).document();
    let each: Vec<_> = all["snapshots"].as_array().unwrap().iter().collect();
    assert_eq!(each.len(), 2);
    for name in ["files", "bytes", "objects", "content_bytes", "content_stored_bytes", "stored_bytes"] {
        let sum: u64 = each.iter().map(|snapshot| snapshot[name].as_u64().unwrap()).sum();
        assert_eq!(all[name].as_u64(), Some(sum), "{name}");
    }
    assert_eq!(all["bytes"], 5 + 5000 + 4 + 6 + 5000 + 3);
    let alone = run(&cli, &["stats", "HEAD", "--json"]).document();
    assert!(alone["content_bytes"].as_u64().unwrap() >= 5009, "{alone}");
    assert!(alone["stored_bytes"].as_u64().unwrap() < all["pack_bytes"].as_u64().unwrap(), "{alone}");
    assert!(run(&cli, &["stats"]).stdout.contains("compression"));
}

#[cfg(unix)]
#[test]
fn a_tar_holds_everything_as_it_was() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let cli = two_weeks();
    let long = format!("files/{}/{}", "d".repeat(120), "ö".repeat(100));
    cli.write(&long, b"long");
    std::fs::hard_link(cli.path("files/a.txt"), cli.path("files/b.txt")).unwrap();
    std::os::unix::fs::symlink("t".repeat(150), cli.path("files/link")).unwrap();
    std::fs::set_permissions(cli.path("files/a.txt"), std::fs::Permissions::from_mode(0o4750)).unwrap();
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let ran = run(&cli, &["export", "/", "-o", "out.tar", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!((&ran.document()["damaged"], &ran.document()["left_alone"]), (&0.into(), &0.into()));
    let mut archive = tar::Archive::new(std::fs::File::open(cli.path("out.tar")).unwrap());
    archive.set_preserve_permissions(true);
    archive.unpack(cli.path("out")).unwrap();
    let at = |name: &str| cli.path(&name.replacen("files", "out", 1));
    assert_eq!(std::fs::read(at(&long)).unwrap(), b"long");
    assert_eq!(std::fs::read(at("files/sub/b.bin")).unwrap(), [7; 5000]);
    assert_eq!(std::fs::read_link(at("files/link")).unwrap().as_os_str().len(), 150);
    let (was, is) = (cli.path("files/a.txt").metadata().unwrap(), at("files/a.txt").metadata().unwrap());
    assert_eq!((is.mode() & 0o7777, is.mtime(), is.nlink()), (0o4750, was.mtime(), 2));
    assert_eq!(is.ino(), at("files/b.txt").metadata().unwrap().ino());
    let mut archive = tar::Archive::new(std::fs::File::open(cli.path("out.tar")).unwrap());
    let nanos = archive.entries().unwrap().any(|entry| {
        let mut entry = entry.unwrap();
        let records = entry.pax_extensions().unwrap();
        records.is_some_and(|mut records| {
            records.any(|record| {
                let record = record.unwrap();
                record.key() == Ok("mtime") && record.value().is_ok_and(|value| value.contains('.'))
            })
        })
    });
    assert!(nanos || was.mtime_nsec() == 0);
}

#[test]
fn a_zip_holds_files_directories_and_modes() {
    let cli = two_weeks();
    let ran = run(&cli, &["export", "HEAD~1:/", "-o", "out.zip"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut archive = zip::ZipArchive::new(std::fs::File::open(cli.path("out.zip")).unwrap()).unwrap();
    let names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["a.txt", "sub/", "sub/b.bin", "sub/gone.txt"]);
    let mut file = archive.by_name("sub/b.bin").unwrap();
    assert!(!cfg!(unix) || file.unix_mode().is_some_and(|mode| mode & 0o600 == 0o600));
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, [7; 5000]);
    drop(file);
    // A file alone goes under its own name.
    cli.ok(&[&["export", "/sub/b.bin", "-o", "one.zip"], &KEYS[..]].concat());
    let archive = zip::ZipArchive::new(std::fs::File::open(cli.path("one.zip")).unwrap()).unwrap();
    assert_eq!(archive.file_names().next().unwrap().unwrap(), "b.bin");
}

#[cfg(unix)]
#[test]
fn what_an_archive_cannot_hold_is_listed_and_the_run_ends_with_3() {
    use std::os::unix::ffi::OsStrExt;
    let cli = two_weeks();
    std::fs::write(cli.path("files").join(std::ffi::OsStr::from_bytes(b"odd\xff")), b"x").unwrap();
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let ran = run(&cli, &["export", "/", "-o", "out", "--format", "zip", "--json"]);
    assert_eq!((ran.code, &ran.document()["left_alone"]), (3, &1.into()), "{ran:?}");
    assert!(ran.stderr.contains("/odd\\xff: left out, a zip archive holds names in UTF-8 alone"), "{ran:?}");
    assert_eq!(run(&cli, &["export", "/", "-o", "out", "--format", "tar"]).code, 0);
}

#[test]
fn an_archive_takes_its_name_once_it_is_whole() {
    let cli = two_weeks();
    cli.write("out.tar", b"precious");
    for (place, code) in [("nonesuch:/", 1), ("/nowhere", 1), ("/a.txt/below", 1), ("/../x", 2)] {
        let ran = run(&cli, &["export", place, "-o", "out.tar"]);
        assert_eq!(ran.code, code, "{place}: {ran:?}");
        assert_eq!(std::fs::read(cli.path("out.tar")).unwrap(), b"precious", "{place}");
    }
    std::fs::create_dir(cli.path("dir.tar")).unwrap();
    for file in ["dir.tar", "no/such/dir.tar"] {
        let ran = run(&cli, &["export", "/", "-o", file]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.stderr.contains(file), "{ran:?}");
    }
    cli.ok(&[&["export", "/", "-o", "out.tar"], &KEYS[..]].concat());
    assert!(std::fs::read(cli.path("out.tar")).unwrap().len() > 5000);
    let left = std::fs::read_dir(cli.path(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_closed_pipe_ends_every_reading_verb_well() {
    let cli = two_weeks();
    for number in 0..2000 {
        cli.write(&format!("files/a name that is long enough to fill a pipe {number:05}"), b"some bytes");
    }
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let verbs: [&[&str]; 5] = [
        &["find", "*", "--json"],
        &["find", "*", "--all", "--json"],
        &["diff", "w1", "HEAD", "--json"],
        &["export", "/"],
        &["export", "/", "--format", "zip"],
    ];
    for verb in verbs {
        let mut command = cli.command(&[verb, &KEYS].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 10]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{verb:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{verb:?}: {output:?}");
    }
}

#[test]
fn a_store_that_lost_a_pack_is_read_as_far_as_it_goes_and_ends_with_13() {
    let cli = two_weeks();
    std::fs::remove_file(first_file(&cli.path("pub/packs"))).unwrap();
    let mut codes = Vec::new();
    for verb in [&["export", "/", "-o", "out.tar"][..], &["find", "*"], &["diff", "HEAD~1", "HEAD"], &["stats"]] {
        let ran = run(&cli, verb);
        assert!([0, 13].contains(&ran.code), "{verb:?}: {ran:?}");
        assert!(ran.code == 0 || !ran.stderr.is_empty(), "{verb:?}");
        codes.push(ran.code);
    }
    assert!(codes.contains(&13), "{codes:?}");
}

#[test]
fn without_an_identity_every_reading_verb_ends_with_12_and_without_a_store_with_10() {
    let cli = two_weeks();
    let verbs: [&[&str]; 4] = [&["find", "*"], &["diff", "HEAD~1", "HEAD"], &["stats"], &["export", "/", "-o", "o"]];
    for verb in verbs {
        let ran = cli.run(&[verb, &["--store", "pub", "--keys", "elsewhere"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (12, ""), "{verb:?}: {ran:?}");
        let ran = cli.run(&[verb, &["--store", "nowhere", "--keys", "k"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (10, ""), "{verb:?}: {ran:?}");
    }
    assert!(!cli.path("o").exists());
}

#[test]
fn shells_and_man_get_what_they_need() {
    let cli = Cli::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cli.ok(&["completions", shell]).stdout;
        assert!(script.contains("chunkstore") && script.contains("restore"), "{shell}");
    }
    let page = cli.ok(&["man"]).stdout;
    assert!(page.contains(".TH chunkstore 1") && page.contains("restore"), "{page}");
    let page = cli.ok(&["man", "restore"]).stdout;
    assert!(page.contains(".TH chunkstore-restore 1") && page.contains("Example:"), "{page}");
    assert_eq!(cli.run(&["man", "nonesuch"]).code, 2);
    assert_eq!(cli.run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn colours_are_for_terminals_and_whoever_asks() {
    let cli = two_weeks();
    for verb in [&["ls", "/"][..], &["log"], &["diff", "w1", "HEAD"], &["find", "*", "--all"], &["stats"]] {
        let plain = run(&cli, verb).stdout;
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let mut colored = run(&cli, &[verb, &["--color", "always"]].concat()).stdout;
        assert!(colored.contains('\u{1b}'), "{verb:?}");
        for code in ["0", "1", "31", "32", "33", "34", "36"] {
            colored = colored.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(colored, plain, "{verb:?}");
    }
}
