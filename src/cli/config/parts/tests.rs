//! Broken files: what is named, and what holds all the same.

use super::*;

fn parsed(text: &str) -> (Config, Faults) {
    parse(text, Path::new("config.toml")).unwrap()
}

#[test]
fn a_broken_remote_costs_itself_alone() {
    let text = "[remotes.bad]\nurl = 7\n[remotes.good]\nurl = \"ftp://host/\"\n[remotes.typo]\nurl = \"ftp://h/\"\nusr = \"u\"\n";
    let (config, faults) = parsed(text);
    assert_eq!(config.remotes.keys().collect::<Vec<_>>(), ["good"]);
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("config.toml line 2 column 7:"), "{faults:?}");
    assert!(faults[1].contains("line 7 column 1") && faults[1].contains("usr"), "{faults:?}");
}

#[test]
fn keys_that_nobody_knows_are_named_and_left_out() {
    let (config, faults) = parsed("color = true\n[agent]\nstores = \"any\"\nstore = \"any\"\n[profile.x]\n");
    assert!(config.agent.stores.is_some());
    assert_eq!(faults.len(), 3, "{faults:?}");
    for (fault, place) in faults.iter().zip([
        "line 1 column 1: there is no key \"color\"",
        "line 4 column 1: there is no key \"store\"",
        "line 5 column 2",
    ]) {
        assert!(fault.contains(place), "{fault}");
    }
}

#[test]
fn what_leaves_nothing_to_go_by_is_an_error() {
    for (text, place) in
        [("[agent]\nstores = 5\n", "line 2 column 10"), ("[agent\n", "line 1"), ("agent = 3", "line 1 column 9")]
    {
        let error = parse(text, Path::new("config.toml")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(place), "{error}");
    }
}

#[test]
fn what_is_whole_reads_the_same_in_parts() {
    let text = "[defaults]\ntimeout = \"3s\"\n[profiles.a]\nstore = \"x\"\n[remotes.s]\nurl = \"ftp://h/\"\npassword = \"p\"\n";
    let (config, faults) = parsed(text);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::parse(text, Path::new("c")).unwrap()));
}

#[cfg(unix)]
#[test]
#[expect(clippy::disallowed_methods, reason = "writes the file as a person does")]
fn a_password_that_others_may_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    let text = "[remotes.a]\nurl = \"ftp://h/\"\nuser = \"u\"\npassword = \"p\"\n[remotes.b]\nurl = \"ftp://h/\"\n";
    std::fs::write(&file, text).unwrap();
    for (mode, left) in [(0o644, 1), (0o600, 2)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let (config, faults) = load(&file).unwrap();
        assert_eq!((config.remotes.len(), faults.len()), (left, 2 - left), "{faults:?}");
        assert!(!faults.iter().any(|fault| fault.contains("\"p\"")));
    }
}
