//! `verify --heal` and `--sample` as people and scripts see them.

use std::sync::Arc;

use chunkstore::base::clock::SystemClock;
use chunkstore::disk::served::ServedDir;
use chunkstore::serve::{Faults, ServeOptions, Server};

use super::{Cli, Ran, first_file, has_fields};

/// A store `pub`, a copy `mirror` of what it publishes, and a key `key` without an identity.
fn scene() -> Cli {
    let cli = Cli::with_store();
    cli.write("files/more.bin", &(0..60_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k", "-m", "two"]);
    cli.ok(&["push", "./mirror", "--store", "pub", "--keys", "k"]);
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    cli.ok(&["clone", "./mirror", "key", "--trust", status["fingerprint"].as_str().unwrap()]);
    cli
}

fn flip_first_pack(cli: &Cli) -> String {
    let pack = first_file(&cli.path("key/packs"));
    let mut bytes = std::fs::read(&pack).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&pack, bytes).unwrap();
    let name = pack.strip_prefix(cli.path("key")).unwrap();
    name.to_str().unwrap().replace('\\', "/")
}

fn verify(cli: &Cli, flags: &[&str]) -> Ran {
    cli.run(&[&["verify", "--store", "key"], flags].concat())
}

// U10
#[test]
fn a_key_without_an_identity_heals_and_says_so() {
    let cli = scene();
    let pack = flip_first_pack(&cli);
    assert_eq!(verify(&cli, &[]).code, 13);
    let ran = verify(&cli, &["--heal", "./mirror"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains(&format!("damaged-pack: {pack} (mended)")), "{ran:?}");
    assert!(ran.stdout.contains("1 of 1 problems mended from ") && ran.stdout.contains("mirror, "), "{ran:?}");
    assert!(!ran.stderr.contains("is damaged:"), "{ran:?}");
    assert_eq!(verify(&cli, &[]).code, 0);
}

// U10
#[test]
fn a_server_heals_exactly_the_damaged_pack() {
    let cli = scene();
    let pack = flip_first_pack(&cli);
    let dir = ServedDir::open_root(&cli.path("mirror")).unwrap();
    let server = Server::start(dir, ServeOptions::default(), Faults::none(), Arc::new(SystemClock)).unwrap();
    let ran = verify(&cli, &["--heal", &format!("ftp://127.0.0.1:{}/", server.addr().port()), "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let document = ran.document();
    assert_eq!(document["problems"].as_array().unwrap().len(), 1, "{document}");
    assert_eq!(
        (&document["problems"][0]["file"], &document["problems"][0]["healed"]),
        (&pack.as_str().into(), &true.into())
    );
    assert_eq!(document["fetched_bytes"], std::fs::metadata(cli.path("mirror").join(&pack)).unwrap().len());
    assert_eq!(verify(&cli, &[]).code, 0);
}

// U10
#[test]
fn the_document_tells_what_was_healed_and_what_is_left() {
    let cli = scene();
    let pack = flip_first_pack(&cli);
    cli.ok(&["init", "other", "--keys", "k2", "--no-passphrase"]);
    let ran = verify(&cli, &["--heal", "./other", "--json"]);
    assert_eq!(ran.code, 13, "{ran:?}");
    let document = ran.document();
    has_fields(&document, &["ok", "packs", "total_packs", "fetched_bytes", "heal_failure", "problems"]);
    assert_eq!((&document["ok"], &document["problems"][0]["healed"]), (&false.into(), &false.into()), "{document}");
    assert!(document["heal_failure"].as_str().unwrap().contains(&pack), "{document}");
    assert!(ran.stderr.contains("not everything could be mended") && ran.stderr.contains("hint: "), "{ran:?}");
    let document = verify(&cli, &["--heal", "./other", "--heal", "./mirror", "--json"]).document();
    assert_eq!((&document["ok"], &document["problems"][0]["healed"]), (&true.into(), &true.into()), "{document}");
    assert!(document["fetched_bytes"].as_u64().unwrap() > 0 && document["heal_failure"].is_null(), "{document}");
    let document = verify(&cli, &["--heal", "./mirror", "--json"]).document();
    assert_eq!((&document["fetched_bytes"], &document["problems"]), (&0.into(), &serde_json::json!([])));
}

#[test]
fn a_remote_that_is_not_there_is_14_only_where_it_was_needed() {
    let cli = scene();
    let ran = verify(&cli, &["--heal", "./nowhere"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("left aside ./nowhere"), "{ran:?}");
    flip_first_pack(&cli);
    for remote in ["./nowhere", "ftp://127.0.0.1:1/dir"] {
        let ran = verify(&cli, &["--heal", remote, "--timeout", "1s", "--json"]);
        assert_eq!((ran.code, &ran.document()["ok"]), (14, &false.into()), "{ran:?}");
        assert!(ran.document()["heal_failure"].is_string(), "{ran:?}");
    }
    let ran = verify(&cli, &["--heal", "./nowhere", "--heal", "./mirror"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn an_identity_sees_the_healed_state() {
    let cli = scene();
    flip_first_pack(&cli);
    let ran = verify(&cli, &["--heal", "./mirror", "--read-data", "--keys", "k", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let document = ran.document();
    assert_eq!((&document["ok"], &document["inner"]), (&true.into(), &true.into()), "{document}");
    assert_eq!(document["problems"][0]["paths"], serde_json::json!([]), "{document}");
}

#[test]
fn a_sample_says_how_many_packs_of_how_many_it_hashed() {
    let cli = scene();
    let document = verify(&cli, &["--sample", "1%", "--json"]).document();
    assert_eq!(document["packs"], 1, "{document}");
    let total = document["total_packs"].as_u64().unwrap();
    assert!(total > 1, "{document}");
    let text = cli.ok(&["verify", "--store", "key", "--sample", "1%"]).stdout;
    assert!(text.contains(&format!("checked 1 of {total} packs")), "{text}");
    for wrong in ["0%", "101%", "some", "-1"] {
        assert_eq!(verify(&cli, &[&format!("--sample={wrong}")]).code, 2, "{wrong}");
    }
    assert_eq!(verify(&cli, &["--heal"]).code, 2, "a remote has to be named");
}
