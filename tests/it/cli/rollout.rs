//! Releases in stages, as people make them.

use serde_json::{Value, json};

use super::Cli;

fn clone(cli: &Cli, key: &str, flags: &[&str]) -> Value {
    let status = cli.ok(&["status", "--store", "pub", "--json"]).document();
    let trust = status["fingerprint"].as_str().unwrap();
    cli.ok(&[&["clone", "./mirror", key, "--trust", trust, "--json"], flags].concat()).last()
}

#[test]
fn a_release_goes_to_a_group_first_and_then_to_all() {
    let cli = Cli::with_store();
    let unsigned = cli.run(&["push", "./mirror", "--store", "pub", "--keys", "none", "--group", "canary"]);
    assert_eq!(unsigned.code, 17, "{unsigned:?}");
    let publish = ["push", "./mirror", "--store", "pub", "--keys", "k", "--json"];
    let pushed = cli.ok(&publish).last();
    assert_eq!((&pushed["generation"], &pushed["group"], &pushed["floor"]), (&json!(2), &json!("all"), &json!(0)));
    assert_eq!(clone(&cli, "early", &["--group", "canary"])["held"], Value::Null);
    clone(&cli, "other", &[]);
    cli.write("files/new.txt", b"new");
    cli.ok(&["commit", "files", "--store", "pub", "--keys", "k"]);
    let unsigned = cli.run(&["push", "./mirror", "--store", "pub", "--keys", "none", "--group", "canary"]);
    assert_eq!(unsigned.code, 12, "{unsigned:?}");
    assert!(unsigned.stderr.contains("who a release is for is signed"), "{unsigned:?}");
    let pushed = cli.ok(&[&publish[..], &["--group", "canary"]].concat()).last();
    assert_eq!((&pushed["generation"], &pushed["group"], &pushed["floor"]), (&json!(4), &json!("canary"), &json!(2)));

    assert_eq!(cli.ok(&["sync", "--store", "early", "--json"]).last()["generation"], 4);
    let held = cli.ok(&["sync", "--store", "other", "--json"]).last();
    assert_eq!((&held["generation"], &held["held"]), (&json!(2), &json!({"generation": 4, "group": "canary"})));
    let said = cli.ok(&["sync", "--store", "other"]);
    assert!(said.stderr.contains("generation 4 is for the group canary so far"), "{said:?}");
    assert!(said.stdout.starts_with("nothing new for this key: it stays at generation 2"), "{said:?}");
    let fresh = clone(&cli, "fresh", &[]);
    assert_eq!((&fresh["generation"], &fresh["held"]["generation"]), (&json!(2), &json!(4)));

    let status = |store: &str| cli.ok(&["status", "--store", store, "--json"]).document();
    assert_eq!((&status("early")["group"], &status("other")["group"]), (&json!("canary"), &json!("all")));
    let publisher = status("pub");
    assert_eq!((&publisher["for_group"], &publisher["floor"]), (&json!("canary"), &json!(2)));
    let text = cli.ok(&["status", "--store", "pub"]).stdout;
    assert!(text.contains("for the group canary alone so far; other keys stay at generation 2"), "{text}");

    let purge = cli.run(&["purge", "/new.txt", "--store", "pub", "--keys", "k", "--yes"]);
    assert_eq!(purge.code, 17, "{purge:?}");
    assert!(purge.stderr.contains("push it with --group all"), "{purge:?}");

    cli.ok(&[&publish[..], &["--group", "all"]].concat());
    for key in ["early", "other", "fresh"] {
        assert_eq!(cli.ok(&["sync", "--store", key, "--json"]).last()["generation"], 5);
        assert!(cli.run(&["ls", "/", "--store", key, "--keys", "k"]).stdout.contains("new.txt"));
    }
    cli.ok(&["purge", "/new.txt", "--store", "pub", "--keys", "k", "--yes"]);
}

#[test]
fn groups_have_names_that_can_be_typed() {
    let cli = Cli::with_store();
    for name in ["", "Canary", "a b", &"x".repeat(33)] {
        let ran = cli.run(&["push", "./mirror", "--store", "pub", "--keys", "k", "--group", name]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("group"), "{ran:?}");
    }
}
