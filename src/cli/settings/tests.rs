//! Which of flag, environment, file and habit wins.

use super::*;

fn settings(args: GlobalArgs, environment: Environment) -> Settings {
    Settings::new(args, environment).unwrap()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[defaults]\nstore = \"file\"\ncache = \"c\"\nconnections = 3\nlimit-rate = \"1M\"\n";
    crate::disk::host::replace_host_file(&dir.path().join("config.toml"), text.as_bytes(), 0o600).unwrap();
    let around = || Environment { config_dir: Some(dir.path().into()), ..Environment::default() };
    let found = settings(GlobalArgs::default(), around());
    assert_eq!(found.store.as_deref(), Some(Path::new("file")));
    assert_eq!(found.keys_dir().unwrap(), dir.path());
    assert_eq!((found.remote.connections, found.remote.limit_rate), (3, Some(1 << 20)));
    let found = settings(GlobalArgs::default(), Environment { store: Some("env".into()), ..around() });
    assert_eq!(found.store.as_deref(), Some(Path::new("env")));
    let args = GlobalArgs { store: Some("flag".into()), connections: Some("7".into()), ..GlobalArgs::default() };
    let found = settings(args, Environment { store: Some("env".into()), ..around() });
    assert_eq!(found.store.as_deref(), Some(Path::new("flag")));
    assert_eq!(found.remote.connections, 7);
}

#[test]
fn a_profile_stands_between_the_environment_and_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[defaults]\nstore = \"default\"\nconnections = 3\ntimeout = \"5s\"\n\
                [profiles.a]\nstore = \"of a\"\nconnections = 4\nremotes = [\"x\", \"y\"]\n[profiles.b]\nstore = \"of b\"\n";
    crate::disk::host::replace_host_file(&dir.path().join("config.toml"), text.as_bytes(), 0o600).unwrap();
    let around = || Environment { config_dir: Some(dir.path().into()), ..Environment::default() };
    let in_environment = |name: &str| Environment { profile: Some(name.into()), ..around() };
    let typed = |name: &str| GlobalArgs { profile: Some(name.into()), ..GlobalArgs::default() };
    let found = settings(typed("a"), in_environment("b"));
    assert_eq!((found.store.as_deref(), found.remote.connections), (Some(Path::new("of a")), 4));
    assert_eq!((found.remote.timeout, found.push_remote(None)), (Duration::from_secs(5), Some("x")));
    assert_eq!(found.push_remote(Some("typed")), Some("typed"));
    let found = settings(GlobalArgs::default(), in_environment("b"));
    assert_eq!((found.store.as_deref(), found.remote.connections), (Some(Path::new("of b")), 3));
    let found = settings(typed("a"), Environment { store: Some("env".into()), ..around() });
    assert_eq!(found.store.as_deref(), Some(Path::new("env")));
    let unknown = Settings::new(typed("c"), in_environment("a")).err().unwrap();
    assert_eq!(unknown.kind(), ErrorKind::Usage);
}

#[test]
fn who_answers_for_passphrases() {
    let none = GlobalArgs::default;
    assert_eq!(passphrase_source(&none(), true), PassphraseSource::Ask);
    assert_eq!(passphrase_source(&none(), false), PassphraseSource::Nobody);
    let flag = GlobalArgs { no_passphrase: true, ..none() };
    assert_eq!(passphrase_source(&flag, true), PassphraseSource::None);
    let file = GlobalArgs { passphrase_file: Some("p".into()), ..none() };
    assert_eq!(passphrase_source(&file, true), PassphraseSource::File("p".into()));
}

#[test]
fn a_bar_needs_a_terminal() {
    assert_eq!(progress_style(When::Auto, true, false), ProgressStyle::Bar);
    assert_eq!(progress_style(When::Auto, true, true), ProgressStyle::Silent);
    assert_eq!(progress_style(When::Auto, false, false), ProgressStyle::Silent);
    assert_eq!(progress_style(When::Always, false, false), ProgressStyle::Lines);
    assert_eq!(progress_style(When::Never, true, false), ProgressStyle::Silent);
}

#[test]
fn nonsense_is_a_wrong_usage() {
    let wrong = [
        GlobalArgs { connections: Some("0".into()), ..GlobalArgs::default() },
        GlobalArgs { timeout: Some("soon".into()), ..GlobalArgs::default() },
        GlobalArgs { limit_rate: Some("fast".into()), ..GlobalArgs::default() },
        GlobalArgs { tls_pin: Some("12".into()), ..GlobalArgs::default() },
        GlobalArgs { tls_ca: Some("/no/such/file".into()), ..GlobalArgs::default() },
        GlobalArgs { tls_ca: Some("ca".into()), tls_pin: Some("00".repeat(32)), ..GlobalArgs::default() },
    ];
    for args in wrong {
        let error = Settings::new(args, Environment::default()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}
