//! Wrong usage, help, configuration: what is refused before any work, with exit code 2.

use super::Cli;

#[cfg(unix)]
const VERBS: [&str; 21] = [
    "init",
    "commit",
    "push",
    "clone",
    "sync",
    "status",
    "log",
    "ls",
    "cat",
    "find",
    "diff",
    "stats",
    "export",
    "restore",
    "verify",
    "serve",
    "remote",
    "demo",
    "completions",
    "man",
    "version",
];

#[test]
fn what_is_not_understood_exits_2_with_a_word_why() {
    let cli = Cli::new();
    let wrong: [&[&str]; 12] = [
        &[],
        &["find"],
        &["gc"],
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

#[cfg(unix)]
#[test]
fn every_verb_explains_itself_with_an_example() {
    let cli = Cli::new();
    for verb in VERBS {
        let ran = cli.ok(&[verb, "--help"]);
        assert!(ran.stdout.contains(&format!("Example:\n  chunkstore {verb}")), "{verb}: {}", ran.stdout);
    }
    for verb in ["add", "list"] {
        assert!(cli.ok(&["remote", verb, "--help"]).stdout.contains("Example:"), "{verb}");
    }
    let ran = cli.ok(&["--help"]);
    assert!(VERBS.iter().all(|verb| ran.stdout.contains(verb)), "{}", ran.stdout);
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
    assert_eq!(listed["remotes"][0]["url"], cli.path("some/where").to_str().unwrap());
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
