//! The configuration file, right and wrong.

use super::*;

fn parse(text: &str) -> Result<Config> {
    Config::parse(text, Path::new("config.toml"))
}

#[test]
fn remotes_and_defaults_are_read() {
    let text =
        "[defaults]\ntimeout = \"5s\"\nprogress = \"never\"\n[remotes.a]\nurl = \"ftp://h/\"\npassword = \"p\"\n";
    let config = parse(text).unwrap();
    assert_eq!(config.defaults.timeout.as_deref(), Some("5s"));
    assert_eq!(config.defaults.progress, Some(When::Never));
    assert_eq!(config.remotes["a"].password.as_ref().unwrap().password().reveal(), "p");
    assert!(!format!("{config:?}").contains("\"p\""));
}

#[test]
fn errors_name_line_and_column_and_no_secret() {
    for (text, place) in [
        ("[remotes.a]\nurl = 3\n", "line 2 column 7"),
        ("[remotes.a]\nurl = \"x\"\npasword = \"geheim\"\n", "line 3 column 1"),
        ("x = [\n", "line 2 column 1"),
        ("[remotes.a]\nurl = \"x\"\npassword = \"geheim\n", "line 3"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(place), "{error} for {text:?}");
        assert!(!error.to_string().contains("geheim"), "{error}");
    }
}

#[test]
fn adding_keeps_what_stands_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/config.toml");
    let remote = |name| NewRemote { name, url: "ftp://h/ä\"b", user: Some("u"), password: None };
    add_remote(&file, &remote("one")).unwrap();
    let first = String::from_utf8(read_host_file(&file, MAX_BYTES).unwrap().unwrap()).unwrap();
    replace_host_file(&file, format!("# mine\n{first}").trim_end().as_bytes(), 0o600).unwrap();
    add_remote(&file, &remote("two")).unwrap();
    let text = String::from_utf8(read_host_file(&file, MAX_BYTES).unwrap().unwrap()).unwrap();
    assert!(text.starts_with("# mine\n"), "{text}");
    let config = Config::load(&file).unwrap();
    assert_eq!(config.remotes.keys().collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!(config.remotes["two"].url, "ftp://h/ä\"b");
    for name in ["one", "", "a b", "-x", "a.b", "ä"] {
        assert_eq!(add_remote(&file, &remote(name)).unwrap_err().kind(), ErrorKind::Usage, "{name}");
    }
}
