//! `stats` by path, `status --check`, and what `status` remembers of `verify`.

use super::{Cli, Ran, first_file, has_fields};

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

fn run(cli: &Cli, args: &[&str]) -> Ran {
    cli.run(&[args, &KEYS].concat())
}

#[test]
fn stats_tells_what_is_dead_and_how_old_the_newest_is() {
    let cli = Cli::with_store();
    std::fs::remove_file(cli.path("files/sub/b.bin")).unwrap();
    cli.ok(&[&["commit", "files"], &KEYS[..]].concat());
    let all = run(&cli, &["stats", "--json"]).document();
    has_fields(
        &all,
        &[
            "dedup_ratio",
            "compression_ratio",
            "newest_age_secs",
            "condemned_packs",
            "condemned_bytes",
            "dead_pack_bytes",
        ],
    );
    assert_eq!((&all["dead_bytes"], &all["dead_packs"], &all["partly_dead_packs"]), (&0.into(), &0.into(), &0.into()));
    assert!(all["newest_age_secs"].as_u64().unwrap() < 3600, "{all}");
    assert!(all["dedup_ratio"].as_f64().unwrap() >= 1.0 && all["compression_ratio"].as_f64().unwrap() > 1.0, "{all}");
    let alone = all["snapshots"][1]["alone_bytes"].as_u64().unwrap();
    assert!(alone > 0, "{all}");
    cli.ok(&[&["forget", "HEAD~1"], &KEYS[..]].concat());
    let after = run(&cli, &["stats", "--json"]).document();
    assert!(after["dead_bytes"].as_u64().unwrap() >= alone, "{after}");
    for word in ["dead", "condemned", "newest", "alone"] {
        assert!(run(&cli, &["stats"]).stdout.contains(word), "{word}");
    }
    let one = run(&cli, &["stats", "HEAD", "--json"]).document();
    assert!(one["dead_bytes"].is_null() && one["snapshots"][0]["alone_bytes"].is_null(), "{one}");
}

#[test]
fn stats_takes_a_snapshot_a_path_or_a_depth() {
    let cli = Cli::with_store();
    let paths = |args: &[&str]| {
        let ran = run(&cli, &[&["stats", "--json"], args].concat());
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        let document = ran.document();
        has_fields(&document, &["snapshot", "depth", "paths", "left_out", "damaged"]);
        let paths = document["paths"].as_array().unwrap().iter();
        paths.map(|each| each["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for args in [
        &["--by-path"][..],
        &["--by-path", "1"],
        &["HEAD", "--by-path"],
        &["/"],
        &["HEAD:/"],
        &["--by-path", "HEAD:/"],
        &["--by-path", "/"],
        &["--by-path=1", "/"],
    ] {
        assert_eq!(paths(args), ["/", "/sub"], "{args:?}");
    }
    assert_eq!(paths(&["--by-path", "0"]), ["/"]);
    assert_eq!(paths(&["/sub", "--by-path", "7"]), ["/sub"]);
    assert_eq!(paths(&["/a.txt"]), ["/a.txt"]);
    let text = run(&cli, &["stats", "/sub"]).stdout;
    assert!(text.starts_with("    stored      shared     content  path\n") && text.ends_with("  /sub\n"), "{text}");
    for (args, code) in [
        (&["--by-path", "deep"][..], 2),
        (&["--by-path", "1000"], 2),
        (&["/a/../b"], 2),
        (&["/nowhere"], 1),
        (&["nonesuch:/"], 1),
        (&["nonesuch", "--by-path"], 1),
    ] {
        let ran = run(&cli, &[&["stats"], args].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{args:?}: {ran:?}");
    }
}

#[test]
fn status_remembers_how_verify_ended_on_this_host() {
    let cli = Cli::with_store();
    let last = |extra: &[&str]| run(&cli, &[&["status", "--json"], extra].concat()).document()["last_verify"].clone();
    assert!(last(&[]).is_null());
    assert!(run(&cli, &["status"]).stdout.contains("last verify  -\n"));
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(cli.path("pub")).unwrap().map(|f| f.unwrap().file_name()).collect();
        files.sort();
        files
    };
    let before = files();
    assert_eq!(run(&cli, &["verify"]).code, 0);
    let good = last(&[]);
    assert_eq!((&good["ok"], &good["problems"], &good["sample"]), (&true.into(), &0.into(), &false.into()), "{good}");
    assert!(good["time"].as_str().unwrap().ends_with('Z'), "{good}");
    assert!(last(&["--cache", "other"]).is_null(), "another host does not know");
    cli.write("files/more", b"more");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    assert_eq!(last(&[]), good, "a commit remembers its generation beside it");
    assert_eq!(run(&cli, &["verify", "--sample", "1%"]).code, 0);
    assert_eq!(last(&[])["sample"], true);
    std::fs::remove_file(first_file(&cli.path("pub/packs"))).unwrap();
    assert_eq!(run(&cli, &["verify"]).code, 13);
    let bad = last(&[]);
    assert!(bad["ok"] == false && bad["problems"].as_u64().unwrap() > 0, "{bad}");
    assert!(run(&cli, &["status"]).stdout.contains(" problem"));
    assert_eq!(files(), before, "verify writes nothing to the store");
}

#[test]
fn status_lists_packs_where_it_is_asked_to() {
    let cli = Cli::with_store();
    let plain = run(&cli, &["status", "--json"]).document();
    assert!(plain["orphan_packs"].is_null() && plain["orphan_bytes"].is_null(), "{plain}");
    assert_eq!((&plain["condemned_packs"], &plain["condemned_bytes"]), (&0.into(), &0.into()));
    let checked = run(&cli, &["status", "--check", "--json"]).document();
    assert_eq!((&checked["orphan_packs"], &checked["orphan_bytes"]), (&0.into(), &0.into()));
    cli.write("pub/packs/A0/01234567.89A", &[0; 1000]);
    let checked = run(&cli, &["status", "--check", "--json"]).document();
    assert_eq!((&checked["orphan_packs"], &checked["orphan_bytes"]), (&1.into(), &1000.into()));
    assert!(run(&cli, &["status", "--check"]).stdout.contains("1 packs, 1000 B, which `gc` gives back"));
}
