//! `purge` as people and scripts run it.

use super::{Cli, fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// A store of two snapshots, pushed to `mirror` and cloned to `key`.
fn scene() -> Cli {
    let cli = Cli::new();
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    for (name, text) in [("letter.txt", "dear you"), ("copy.txt", "dear you"), ("note.txt", "a note")] {
        cli.write(&format!("files/{name}"), text.repeat(20).as_bytes());
    }
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    cli.write("files/note.txt", b"another note");
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./mirror", "key", "--trust", status["fingerprint"].as_str().unwrap()]);
    cli
}

fn purge(args: &[&str]) -> Vec<String> {
    [&["purge"], args, &KEYS].concat().into_iter().map(str::to_owned).collect()
}

fn run(cli: &Cli, args: &[&str]) -> super::Ran {
    let words = purge(args);
    cli.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

// S16 S17 S19
#[test]
fn a_plan_is_shown_approved_and_carried_out_everywhere() {
    let cli = scene();
    let planned = run(&cli, &["/letter.txt", "--plan", "--json"]).document();
    let plan = planned["plan"].as_str().unwrap().to_owned();
    assert_eq!((&planned["dry_run"], &planned["gone"]), (&true.into(), &serde_json::json!(["/letter.txt"])));
    assert_eq!(planned["elsewhere"][0]["path"], "/copy.txt");
    assert_eq!(planned["snapshots"].as_array().unwrap().len(), 2);
    let shown = run(&cli, &["letter.txt", "--dry-run"]);
    for part in ["goes: 1 files", "/letter.txt", "from 2 of 2 kept snapshots", "/copy.txt  the same bytes", &plan] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    // Without a word nobody says yes for somebody.
    let asked = run(&cli, &["/letter.txt"]);
    assert_eq!(asked.code, 2, "{asked:?}");
    assert!(asked.stderr.contains("--approve"), "{asked:?}");
    let other = run(&cli, &["/letter.txt", "--approve", "00112233445566778899aabbccddeeff"]);
    assert_eq!(other.code, 17, "{other:?}");
    let done = run(&cli, &["/letter.txt", "--approve", &plan, "--json"]).document();
    assert!(done["removed_files"].as_u64().unwrap() > 0 && done["ended"] == false, "{done}");
    assert_eq!((&done["reader_key"], &done["writer_key"]), (&"rotated".into(), &"rotated".into()));
    assert_eq!((&done["plan"], &done["dry_run"]), (&planned["plan"], &false.into()));
    let gone = run(&cli, &["/letter.txt", "--yes"]);
    assert_eq!(gone.code, 1, "{gone:?}");
    assert!(gone.stderr.contains("no kept snapshot has /letter.txt"), "{gone:?}");
    let status = cli.run(&[&["purge", "status", "./mirror", "--json"], &KEYS[..]].concat());
    assert_eq!(status.code, 3, "{status:?}");
    assert!(status.document()["remotes"][0]["packs"].as_u64().unwrap() > 0);
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    cli.ok(&["sync", "--store", "key"]);
    for store in ["pub", "key"] {
        let status = cli.ok(&["purge", "status", "./mirror", "--store", store, "--json"]).document();
        assert_eq!(fields(&status), ["clear", "here", "keys", "lacks", "packs", "purged", "remotes"]);
        assert_eq!((&status["clear"], &status["keys"]), (&true.into(), &serde_json::Value::Null));
        for spot in ["HEAD:/", "HEAD~1:/"] {
            let listed = cli.ok(&["ls", spot, "--store", store, "--keys", "k"]).stdout;
            assert!(
                !listed.contains("letter") && listed.contains("copy.txt") && listed.contains("note.txt"),
                "{listed}"
            );
        }
        cli.ok(&["verify", "--read-data", "--store", store, "--keys", "k"]);
    }
    assert!(cli.ok(&["purge", "status", "./mirror", "--store", "pub"]).stdout.contains("holds none of it"));
}

#[test]
fn saying_yes_again_ends_what_was_cut_off() {
    let cli = scene();
    let names: Vec<_> = std::fs::read_dir(cli.path("pub/heads")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let kept = names.iter().max().unwrap().clone();
    let bytes = std::fs::read(&kept).unwrap();
    assert_eq!(run(&cli, &["/letter.txt", "--yes"]).code, 0);
    assert!(!kept.exists());
    // As a cut leaves it that came before what led to earlier states was removed.
    std::fs::write(&kept, bytes).unwrap();
    let planned = run(&cli, &["/letter.txt", "--dry-run"]);
    assert_eq!(planned.code, 1, "{planned:?}");
    assert!(planned.stderr.contains("an earlier purge was cut off: without --dry-run this ends it"), "{planned:?}");
    assert!(kept.exists());
    let ended = run(&cli, &["/letter.txt", "--yes"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let said = "a purge that had been cut off was ended; no kept snapshot has any of this now:\n    /letter.txt\n";
    assert!(ended.stdout.contains(said) && !kept.exists(), "{ended:?}");
    assert_eq!(run(&cli, &["/letter.txt", "--yes"]).code, 1);
}

// It ends the one that was cut off, and then does what it was asked for.
#[test]
fn another_purge_than_the_one_that_was_cut_off_is_carried_out() {
    let cli = scene();
    let names: Vec<_> = std::fs::read_dir(cli.path("pub/heads")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let (kept, bytes) = names.iter().max().map(|kept| (kept.clone(), std::fs::read(kept).unwrap())).unwrap();
    assert_eq!(run(&cli, &["/letter.txt", "--yes"]).code, 0);
    let cut_off = || std::fs::write(&kept, &bytes).unwrap();
    cut_off();
    let half = run(&cli, &["/letter.txt", "/copy.txt", "--yes"]);
    assert_eq!(half.code, 1, "one of them is gone, the other is not: {half:?}");
    assert!(half.stderr.contains("was ended, and no more was done: no kept snapshot has /letter.txt"), "{half:?}");
    assert!(!kept.exists());
    cut_off();
    let other = run(&cli, &["/copy.txt", "--yes"]);
    assert_eq!(other.code, 0, "{other:?}");
    assert!(other.stderr.contains("ended a purge that had been cut off: 1 files"), "{other:?}");
    assert!(other.stdout.contains("purged, now at generation") && !kept.exists(), "{other:?}");
    let listed = cli.ok(&["ls", "/", "--store", "pub", "--keys", "k"]).stdout;
    assert!(!listed.contains("copy.txt") && listed.contains("note.txt"), "{listed}");
}

#[test]
fn a_plan_names_the_snapshots_that_name_it() {
    let cli = scene();
    let note = &["commit", "files", "-m", "letter.txt is private", "--tag", "letter.txt"];
    cli.write("files/note.txt", b"a third note");
    cli.ok(&[&note[..], &KEYS].concat());
    let shown = run(&cli, &["/letter.txt", "--plan"]);
    assert!(shown.stdout.contains("messages and tags stay") && shown.stdout.contains("in its message"), "{shown:?}");
    let planned = run(&cli, &["/letter.txt", "--plan", "--json"]).document();
    assert_eq!(planned["mentions"].as_array().unwrap().len(), 1);
    assert_eq!(planned["mentions"][0]["in"], "message");
    assert!(!run(&cli, &["/copy.txt", "--plan"]).stdout.contains("messages and tags stay"));
}

#[test]
fn what_is_no_purge_is_refused() {
    let cli = scene();
    for (args, code) in [
        (&["/"][..], 2),
        (&["/nowhere", "--plan"], 1),
        (&["/../etc", "--plan"], 2),
        (&["/letter.txt", "--plan", "--yes"], 2),
        (&["/letter.txt", "--plan", "--approve", "00"], 2),
        (&[], 2),
    ] {
        assert_eq!(run(&cli, args).code, code, "{args:?}");
    }
    let cloned = cli.run(&["purge", "/letter.txt", "--plan", "--store", "key", "--keys", "k"]);
    assert_eq!(cloned.code, 12, "{cloned:?}");
    assert!(cloned.stderr.contains("publisher"), "{cloned:?}");
    let none = cli.ok(&["purge", "status", "--store", "pub"]);
    assert!(none.stdout.contains("nothing was ever purged"), "{none:?}");
    let yes = run(&cli, &["/letter.txt", "--yes"]);
    assert_eq!(yes.code, 0, "{yes:?}");
    assert_eq!(yes.stdout.matches("print anew what is on paper").count(), 2, "{yes:?}");
}

/// A key file of the store `pub`.
fn key_file(cli: &Cli, name: &str) -> std::path::PathBuf {
    std::fs::read_dir(cli.path("k")).unwrap().next().unwrap().unwrap().path().join(name)
}

// S18: a purge that was killed after its generation was made leaves old identities beside the new ones, and whatever writes next
// throws them away.
#[test]
fn whatever_writes_next_throws_old_identities_away() {
    for next in [&["commit", "files"][..], &["gc"], &["purge", "/letter.txt", "--yes"]] {
        let cli = scene();
        let files = ["reader.key", "writer.key"].map(|name| key_file(&cli, name));
        let before = files.clone().map(|file| std::fs::read_to_string(file).unwrap());
        let generation = run(&cli, &["/letter.txt", "--yes", "--json"]).document()["generation"].clone();
        let after = files.clone().map(|file| std::fs::read_to_string(file).unwrap());
        let new = after[1].lines().find_map(|line| line.strip_prefix("identity ")).unwrap();
        std::fs::write(&files[0], format!("{}{}", after[0], before[0])).unwrap();
        std::fs::write(&files[1], format!("{}next-identity {new}\nrotating {generation}\n", before[1])).unwrap();
        std::fs::remove_file(cli.path("files/letter.txt")).unwrap();
        let ran = cli.run(&[next, &KEYS].concat());
        assert!(ran.code <= 1 && !ran.stderr.contains("identities"), "{next:?}: {ran:?}");
        let now = files.clone().map(|file| std::fs::read_to_string(file).unwrap());
        assert_eq!(now[1], after[1], "{next:?}");
        let identities = |text: &str| text.lines().filter(|line| line.starts_with("AGE")).count();
        assert_eq!((identities(&now[0]), identities(&after[0])), (1, 1), "{next:?}");
        cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
        cli.ok(&["ls", "--store", "pub", "--keys", "k"]);
    }
}

// A purge that was cut off before its generation: another writer makes it, and then it is known which identities count.
#[test]
fn old_identities_stay_while_the_store_is_older_than_they_wait_for() {
    let cli = scene();
    let file = key_file(&cli, "writer.key");
    let before = std::fs::read_to_string(&file).unwrap();
    let other = before.lines().find_map(|line| line.strip_prefix("identity ")).unwrap();
    let left = format!("{before}next-identity {other}\nrotating 5\n");
    std::fs::write(&file, &left).unwrap();
    cli.write("files/note.txt", b"one more note");
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    cli.ok(&[&["gc"], &KEYS[..]].concat());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), left, "the store is at generation 4");
    cli.write("files/note.txt", b"and one more");
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    cli.ok(&[&["gc"], &KEYS[..]].concat());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
}

// S17: it never says that a purge is done where nobody looked.
#[test]
fn without_a_name_the_servers_that_this_host_knows_are_asked() {
    let cli = scene();
    run(&cli, &["/letter.txt", "--yes"]);
    let asked = cli.run(&["purge", "status", "--store", "pub", "--json"]);
    let told = asked.document();
    assert_eq!((asked.code, &told["clear"]), (3, &false.into()), "{asked:?}");
    assert!(told["remotes"][0]["packs"].as_u64().unwrap() > 0, "{told}");
    cli.ok(&[&["push", "./mirror"], &KEYS[..]].concat());
    assert_eq!(cli.ok(&["purge", "status", "--store", "pub", "--json"]).document()["clear"], true);
    // A server that is not there any more may hold it all the same.
    std::fs::rename(cli.path("mirror"), cli.path("elsewhere")).unwrap();
    let asked = cli.run(&["purge", "status", "--store", "pub", "--json"]);
    assert_eq!((asked.code, &asked.document()["clear"]), (14, &false.into()), "{asked:?}");
    // A host that remembers nothing knows of nobody to ask.
    let unknown = cli.run(&["purge", "status", "--store", "pub", "--json", "--cache", "no-cache"]);
    assert_eq!((unknown.code, &unknown.document()["clear"]), (3, &serde_json::Value::Null), "{unknown:?}");
    assert!(unknown.stderr.contains("name each"), "{unknown:?}");
}
