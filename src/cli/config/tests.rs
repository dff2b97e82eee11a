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
        ("x = [\n", "line 1 column 6"),
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

/// The page that describes the file.
const PAGE: &str = include_str!("../config.md");

#[test]
fn the_example_on_the_page_is_understood() {
    let example = PAGE.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let config = parse(example).unwrap();
    let preset = config.preset(Some("work")).unwrap();
    assert_eq!((preset.store.as_deref(), preset.remotes.len()), (Some(Path::new("/media/work-key")), 2));
    assert_eq!((preset.timeout.as_deref(), preset.limit_rate.as_deref()), (Some("30s"), Some("2M")));
    assert!(config.remotes["server"].tls_pin.is_some());
}

#[test]
fn the_page_names_every_key_that_is_understood() {
    // What is understood is told by the error about a key that is not.
    for (section, head) in [("[profiles.a]", "| key of `[defaults]`"), ("[remotes.a]", "| key of `[remotes.NAME]`")] {
        let error = parse(&format!("{section}\nno-such-key = 1\n")).unwrap_err().to_string();
        let (_, listed) = error.split_once("expected one of ").unwrap();
        let table = PAGE.split(head).nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        let keys: Vec<_> = listed.split(", ").map(str::trim).collect();
        assert!(keys.len() >= 5, "{error}");
        for key in keys {
            assert!(table.contains(key), "{key} is missing below {head}");
        }
    }
}

#[test]
fn a_profile_stands_before_the_defaults_and_is_known_by_name() {
    let text = "[defaults]\ntimeout = \"5s\"\ncache = \"c\"\ntls-pin = \"00\"\nremotes = [\"a\"]\n\
                [profiles.home]\ntimeout = \"9s\"\ntls-ca = \"ca\"\n[profiles.away]\nremotes = [\"b\", \"c\"]\n";
    let config = parse(text).unwrap();
    let home = config.preset(Some("home")).unwrap();
    assert_eq!((home.timeout.as_deref(), home.cache.as_deref()), (Some("9s"), Some(Path::new("c"))));
    assert_eq!((home.tls_ca.as_deref(), home.tls_pin), (Some(Path::new("ca")), None), "trust comes from one place");
    assert_eq!(home.remotes, ["a"]);
    assert_eq!(config.preset(Some("away")).unwrap().remotes, ["b", "c"]);
    assert_eq!(config.preset(None).unwrap().timeout.as_deref(), Some("5s"));
    let error = config.preset(Some("hom")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert_eq!(error.to_string(), "there is no profile \"hom\": the configuration file has away, home");
    let error = Config::default().preset(Some("x")).unwrap_err();
    assert_eq!(error.to_string(), "there is no profile \"x\": the configuration file has none");
}
