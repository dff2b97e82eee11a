//! Wrong usage, help, configuration: what is refused before any work, with exit code 2.

use super::Cli;

#[test]
fn what_is_not_understood_exits_2_with_a_word_why() {
    let cli = Cli::new();
    let wrong: [&[&str]; 12] = [
        &[],
        &["find"],
        &["purge"],
        &["init"],
        &["init", "x", "--no-such-flag"],
        &["ls", "/", "--progress", "sometimes"],
        &["status", "--connections", "0"],
        &["status", "--timeout", "soon"],
        &["status", "--limit-rate", "fast"],
        &["status", "-q", "-v"],
        &["init", "x", "--no-passphrase", "--passphrase-file", "f"],
        &["init", "x", "--no-passphrase", "--reader", "age1nonsense"],
    ];
    for args in wrong {
        let ran = cli.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {ran:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
    assert!(!cli.path("x").exists());
}

/// Returns the verbs that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // A long description goes on in a line that is indented further.
    let verbs = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help").map(str::to_owned).collect()
}

/// Demands an example of a verb and of all below it; returns how many there are.
fn explained(cli: &Cli, path: &[&str]) -> usize {
    let help = cli.ok(&[path, &["--help"]].concat()).stdout;
    let example = format!("  chunkstore {}", path.join(" "));
    let (_, examples) = help.split_once("\nExample").unwrap_or_else(|| panic!("{path:?} has no example: {help}"));
    assert!(examples.lines().any(|line| line.starts_with(example.trim_end())), "{path:?}: {help}");
    1 + listed(&help).iter().map(|verb| explained(cli, &[path, &[verb]].concat())).sum::<usize>()
}

#[test]
fn every_verb_explains_itself_with_an_example() {
    let cli = Cli::new();
    assert!(explained(&cli, &[]) >= 25);
    let version = format!("chunkstore {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(cli.ok(&["--version"]).stdout, version);
    assert_eq!(cli.ok(&["version"]).stdout, version);
}

#[test]
fn without_a_terminal_a_question_that_no_flag_answers_exits_2() {
    let cli = Cli::new();
    let ran = cli.run(&["init", "pub", "--keys", "k"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("--passphrase-file") && ran.stderr.contains("--no-passphrase"), "{ran:?}");
    assert!(!cli.path("pub").exists() && !cli.path("k").exists());
    let cli = Cli::with_store();
    let ran = cli.run(&["clone", "./pub", "key"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("--trust"), "{ran:?}");
}

#[test]
fn an_error_in_the_configuration_names_line_and_column() {
    let cli = Cli::with_store();
    cli.configure("[remotes.a]\nurl = \"ftp://h/\"\npasswort = \"geheim\"\n");
    let ran = cli.run(&["status", "--store", "pub"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("line 3 column 1"), "{ran:?}");
    assert!(!ran.stderr.contains("geheim"), "{ran:?}");
}

#[test]
fn a_profile_names_store_keys_and_remotes() {
    let cli = Cli::with_store();
    let path = |name: &str| cli.path(name).to_str().unwrap().to_owned();
    cli.configure(&format!(
        "[profiles.week]\nstore = {:?}\nkeys = {:?}\nremotes = [\"disk\", \"spare\"]\n[profiles.bare]\n\
         [remotes.disk]\nurl = {:?}\n[remotes.spare]\nurl = {:?}\n",
        path("pub"),
        path("k"),
        path("remote"),
        path("spare")
    ));
    assert_eq!(cli.ok(&["cat", "/a.txt", "--profile", "week"]).stdout, "first");
    cli.ok(&["push", "--profile", "week"]);
    assert!(cli.path("remote/HEAD").exists() && !cli.path("spare").exists(), "push takes the first");
    let sync = |name: &str| super::ended(cli.command(&["sync", "--json"]).env("CHUNKSTORE_PROFILE", name));
    let synced = sync("week");
    assert_eq!(synced.code, 0, "{synced:?}");
    assert_eq!(synced.last()["ignored"][0]["remote"], "spare", "sync takes all: {synced:?}");
    assert_eq!(cli.run(&["status", "--profile", "bare"]).code, 10, "nothing is taken from another profile");
    let unknown = sync("weak");
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("\"weak\"") && unknown.stderr.contains("has bare, week"), "{unknown:?}");
}

#[test]
fn remotes_are_named_once_and_never_show_a_password() {
    let cli = Cli::new();
    cli.ok(&["remote", "add", "server", "ftps://u:geheim@host/dir"]);
    cli.ok(&["remote", "add", "disk", "some/where"]);
    assert_eq!(cli.run(&["remote", "add", "disk", "other"]).code, 2);
    let ran = cli.run(&["remote", "add", "web", "gopher://u:geheim@host/"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("ftps+implicit://") && !ran.stderr.contains("geheim"), "{ran:?}");
    let ran = cli.ok(&["remote", "list"]);
    assert!(ran.stdout.contains("server  ftps://host/dir"), "{ran:?}");
    let listed = cli.ok(&["remote", "list", "--json"]).document();
    assert_eq!(listed["remotes"][1]["user"], "u");
    assert_eq!(listed["remotes"][0]["url"], cli.path("some").join("where").to_str().unwrap());
    assert!(!listed.to_string().contains("geheim") && !ran.stdout.contains("geheim"));
}

#[test]
fn words_that_name_no_remote_say_what_is_understood() {
    let cli = Cli::with_store();
    let ran = cli.run(&["sync", "gopher://host/", "--store", "pub"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("ftp://") && ran.stderr.contains("paths"), "{ran:?}");
    assert_eq!(cli.run(&["sync", "nonesuch", "--store", "pub"]).code, 2);
    assert_eq!(cli.run(&["sync", "./nonesuch", "--store", "pub"]).code, 14);
    let ran = cli.run(&["sync", "ftp://u:geheim@host:x/", "--store", "pub"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.stderr.contains("geheim"), "{ran:?}");
}

#[test]
fn the_store_comes_from_flag_environment_or_working_directory() {
    let cli = Cli::with_store();
    let id = |ran: super::Ran| ran.document()["store_id"].as_str().unwrap().to_owned();
    let by_flag = id(cli.ok(&["--store", "pub", "--json", "status"]));
    assert_eq!(by_flag, id(cli.ok(&["status", "--json", "--store", "pub"])));
    assert_eq!(by_flag, id(super::ended(cli.command(&["status", "--json"]).env("CHUNKSTORE_STORE", "pub"))));
    assert_eq!(by_flag, id(super::ended(cli.command(&["status", "--json"]).current_dir(cli.path("pub")))));
}
