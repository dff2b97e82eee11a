//! `forget` as people and scripts run it.

use serde_json::Value;

use super::{Cli, Ran, fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// A store of four snapshots; the first has the tag `w1`.
fn four() -> Cli {
    let cli = Cli::new();
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    for number in 1..=4 {
        cli.write(&format!("files/{number}"), &[number; 100]);
        let tag = if number == 1 { &["--tag", "w1"][..] } else { &[] };
        cli.ok(&[&["commit", "files"], tag, &KEYS].concat());
    }
    cli
}

fn run(cli: &Cli, args: &[&str]) -> Ran {
    cli.run(&[&["forget"], args, &KEYS].concat())
}

fn log(cli: &Cli) -> Vec<Value> {
    cli.ok(&[&["log", "--json"], &KEYS[..]].concat()).lines()
}

#[test]
fn the_document_tells_what_stays_and_what_goes() {
    let cli = four();
    let before = log(&cli);
    let words = ["--keep-last", "1", "--keep-tag", "w1", "--json"];
    let planned = run(&cli, &[&words[..], &["--dry-run"]].concat());
    assert_eq!(planned.code, 0, "{planned:?}");
    assert_eq!(log(&cli).len(), 4);
    let done = run(&cli, &words).document();
    assert_eq!(fields(&done), ["dry_run", "forgotten", "generation", "kept"]);
    assert_eq!((&done["generation"], &done["dry_run"]), (&6.into(), &false.into()));
    let planned = planned.document();
    assert_eq!((&planned["generation"], &planned["dry_run"]), (&5.into(), &true.into()));
    assert_eq!((&planned["kept"], &planned["forgotten"]), (&done["kept"], &done["forgotten"]));
    assert_eq!(done["kept"][0]["reasons"], serde_json::json!(["newest", "last snapshot"]));
    assert_eq!(done["kept"][1]["reasons"], serde_json::json!(["tag w1"]));
    assert_eq!(fields(&done["kept"][1]), ["reasons", "snapshot", "tags", "time"]);
    assert_eq!(fields(&done["forgotten"][0]), ["snapshot", "tags", "time"]);
    let ids = |list: &Value| list.as_array().unwrap().iter().map(|each| each["snapshot"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&done["kept"]), [before[0]["snapshot"].clone(), before[3]["snapshot"].clone()]);
    assert_eq!(ids(&done["forgotten"]), [before[1]["snapshot"].clone(), before[2]["snapshot"].clone()]);
    assert_eq!(log(&cli).len(), 2);
    let again = run(&cli, &words).document();
    assert_eq!((&again["generation"], &again["forgotten"]), (&6.into(), &serde_json::json!([])));
}

#[test]
fn the_table_says_why_and_that_gc_gives_back_the_space() {
    let cli = four();
    let ran = run(&cli, &["--keep-daily", "unlimited", "--dry-run"]);
    assert!(ran.stdout.contains("would be forgotten; nothing was written"), "{ran:?}");
    let ran = run(&cli, &["HEAD~1", "w1"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for words in
        ["keep 2 snapshots\n", "  newest\n", "  not named\n", "forget 2 snapshots\n", " [w1]\n", "`chunkstore gc`"]
    {
        assert!(ran.stdout.contains(words), "{words:?}: {ran:?}");
    }
    assert_eq!(
        run(&cli, &["--keep-last", "-1"]).stdout.lines().last(),
        Some("nothing to forget, so nothing was written")
    );
}

#[test]
fn wrong_words_are_usage_errors_and_change_nothing() {
    let cli = four();
    for (words, why) in [
        (&[][..], "nothing says what to forget"),
        (&["--dry-run"], "nothing says what to forget"),
        (&["HEAD~1", "--keep-last", "2"], "not by both at once"),
        (&["--keep-last", "0"], "--keep-last takes a number of snapshots from 1"),
        (&["--keep-daily", "many"], "--keep-daily takes"),
        (&["--keep-weekly", "-2"], "--keep-weekly takes"),
        (&["--keep-hourly", "1.5"], "--keep-hourly takes"),
        (&["--keep-monthly", ""], "--keep-monthly takes"),
        (&["--keep-yearly", "99999999999"], "--keep-yearly takes"),
        (&["--keep-within", "soon"], "--keep-within takes"),
        (&["--keep-within", "0d"], "--keep-within takes"),
        (&["--keep-within", "-3d"], "--keep-within takes"),
        (&["HEAD"], "newest"),
        (&["HEAD~x"], "HEAD~N takes a number"),
    ] {
        let ran = run(&cli, words);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(why), "{words:?}: {ran:?}");
    }
    for words in [&["nonesuch"][..], &["HEAD~4"], &["--keep-tag", "relaese"]] {
        assert_eq!(run(&cli, words).code, 1, "{words:?}");
    }
    assert_eq!(log(&cli).len(), 4);
    let reader = cli.run(&["forget", "HEAD~1", "--store", "pub", "--keys", "elsewhere"]);
    assert_eq!(reader.code, 12, "{reader:?}");
    assert_eq!(cli.run(&["forget", "HEAD~1", "--store", "nowhere", "--keys", "k"]).code, 10);
}
