//! `repair` as people and scripts see it.

use super::{Cli, first_file, has_fields};

/// A store `pub` of the folder `files`, with keys `k`.
fn scene() -> Cli {
    let cli = Cli::with_store();
    cli.write("files/more.bin", &(0..60_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli
}

fn spoil_first_pack(cli: &Cli, change: impl FnOnce(&mut Vec<u8>)) {
    let pack = first_file(&cli.path("pub/packs"));
    let mut bytes = std::fs::read(&pack).unwrap();
    change(&mut bytes);
    std::fs::write(&pack, bytes).unwrap();
}

// U11
#[test]
fn what_still_opens_is_saved_and_the_document_says_so() {
    let cli = scene();
    spoil_first_pack(&cli, |bytes| bytes.extend([1; 9]));
    let planned = cli.ok(&["repair", "--store", "pub", "--keys", "k", "--dry-run", "--json"]).document();
    assert_eq!((&planned["dry_run"], &planned["generation"]), (&true.into(), &serde_json::Value::Null), "{planned}");
    let done = cli.ok(&["repair", "--store", "pub", "--keys", "k", "--json"]).document();
    has_fields(
        &done,
        &["ok", "salvaged_objects", "salvaged_bytes", "lost_objects", "lost_paths", "packs", "generation"],
    );
    assert_eq!((&done["ok"], &done["lost_objects"]), (&true.into(), &0.into()), "{done}");
    assert!(done["salvaged_objects"].as_u64().unwrap() > 0 && done["generation"].is_u64(), "{done}");
    cli.ok(&["verify", "--read-data", "--store", "pub", "--keys", "k"]);
    let text = cli.ok(&["repair", "--store", "pub", "--keys", "k"]).stdout;
    assert!(text.contains("the store is whole"), "{text}");
}

// U11
#[test]
fn what_is_lost_is_13_until_a_commit_brings_it_back() {
    let cli = scene();
    std::fs::remove_dir_all(cli.path("pub/packs")).unwrap();
    for at in 0..=255 {
        std::fs::create_dir_all(cli.path(&format!("pub/packs/{at:02X}"))).unwrap();
    }
    let ran = cli.run(&["repair", "--store", "pub", "--keys", "k", "--json"]);
    assert_eq!((ran.code, &ran.document()["ok"]), (13, &false.into()), "{ran:?}");
    assert_eq!(ran.document()["lost_snapshots"].as_array().unwrap().len(), 2, "{ran:?}");
    assert!(ran.stderr.contains("hint: a commit of the same folder"), "{ran:?}");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "three"]);
    cli.ok(&["restore", "/", "out", "--store", "pub", "--keys", "k"]);
}

// U11
#[test]
fn without_a_key_only_what_needs_none_is_mended() {
    let cli = scene();
    std::fs::remove_file(cli.path("pub/STORE")).unwrap();
    std::fs::write(cli.path("pub/HEAD"), b"torn").unwrap();
    let ran = cli.run(&["repair", "--store", "pub", "--keys", "elsewhere"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("mended: STORE") && ran.stdout.contains("mended: HEAD"), "{ran:?}");
    assert!(ran.stderr.contains("only what needs no key was mended"), "{ran:?}");
    cli.ok(&["verify", "--read-data", "--store", "pub", "--keys", "k"]);
    spoil_first_pack(&cli, |bytes| bytes.extend([1; 9]));
    let ran = cli.run(&["repair", "--store", "pub", "--keys", "elsewhere"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    assert!(ran.stdout.contains("damaged pack: packs/"), "{ran:?}");
    assert_eq!(cli.run(&["repair", "--store", "nowhere"]).code, 10);
}

// U10 U11
#[test]
fn verify_of_a_store_that_does_not_open_is_a_list_and_heal_mends_it() {
    let cli = scene();
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    std::fs::remove_file(cli.path("pub/trust/1")).unwrap();
    std::fs::remove_file(cli.path("pub/STORE")).unwrap();
    let ran = cli.run(&["verify", "--store", "pub", "--keys", "k", "--json"]);
    assert_eq!((ran.code, &ran.document()["ok"]), (13, &false.into()), "{ran:?}");
    let kinds: Vec<_> = ran.document()["problems"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["marker", "trust"]);
    cli.ok(&["verify", "--store", "pub", "--keys", "k", "--heal", "./mirror", "--read-data"]);
    let trust = cli.path("pub/trust/1");
    let text = std::fs::read_to_string(&trust).unwrap().trim_end().to_owned();
    let digit = if text.ends_with('0') { '1' } else { '0' };
    std::fs::write(&trust, format!("{}{digit}\n", &text[..text.len() - 1])).unwrap();
    let ran = cli.run(&["verify", "--store", "pub", "--json"]);
    assert_eq!((ran.code, &ran.document()["problems"][0]["untrusted"]), (18, &true.into()), "{ran:?}");
    assert_eq!(cli.run(&["verify", "--store", "pub", "--heal", "./mirror"]).code, 0);
}
