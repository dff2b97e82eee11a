//! `complete` and the scripts of `completions`: paths and snapshots of a store, offered to a shell.

use super::Cli;

const KEYS: [&str; 4] = ["--store", "pub", "--keys", "k"];

/// A store with names that a shell could trip over.
fn committed() -> Cli {
    let cli = Cli::new();
    for name in ["reports/march.txt", "reports/may.txt", "reports/a b/c", "reports/$(touch ran)", "reports/it's", "top"]
    {
        cli.write(&format!("files/{name}"), b"x");
    }
    #[cfg(unix)]
    cli.write("files/reports/two\nlines", b"x");
    cli.write("files/reports/\u{202e}two", b"x");
    cli.ok(&["init", "pub", "--keys", "k", "--no-passphrase"]);
    cli.ok(&[&["commit", "files", "-m", "one", "--tag", "w1"], &KEYS[..]].concat());
    cli.write("files/top", b"changed");
    cli.ok(&[&["commit", "files", "-m", "two"], &KEYS[..]].concat());
    cli
}

/// Asks for the last of some words of a line.
fn offered(cli: &Cli, words: &[&str]) -> Vec<String> {
    let ran = cli.ok(&[&["complete", "--", "chunkstore"], words].concat());
    assert_eq!(ran.stderr, "", "{words:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn paths_and_snapshots_are_offered_where_they_stand() {
    let cli = committed();
    let of = |words: &[&str]| offered(&cli, &[&KEYS[..], words].concat());
    assert_eq!(of(&["ls", "/"]), ["/reports/", "/top"]);
    assert_eq!(of(&["cat", "/reports/m"]), ["/reports/march.txt", "/reports/may.txt"]);
    assert_eq!(of(&["restore", "w1:/reports/a b/"]), ["w1:/reports/a b/c"]);
    let all = of(&["ls", "/reports/"]);
    assert!(all.contains(&"/reports/$(touch ran)".to_owned()) && !all.iter().any(|path| path.contains("two")));
    assert_eq!(of(&["ls", "w"]), ["w1:/"]);
    assert_eq!(of(&["diff", "HEAD"]), ["HEAD", "HEAD~1"]);
    assert_eq!(of(&["diff", "w1", ""]).len(), 5, "HEAD, HEAD~1, w1 and two ids");
    for nothing in
        [&["ls", "/none/"][..], &["ls", "/top/"], &["ls", "nonesuch:/"], &["restore", "/top", "/"], &["push", ""]]
    {
        assert_eq!(of(nothing), Vec::<String>::new(), "{nothing:?}");
    }
}

#[test]
fn a_store_that_does_not_open_offers_nothing_and_says_nothing() {
    let cli = committed();
    cli.ok(&["init", "locked", "--keys", "kl", "--no-passphrase"]);
    for words in [["ls", "--store", "none", "/"], ["ls", "--store", "locked", "/"], ["ls", "--profile", "none", "/"]] {
        assert_eq!(offered(&cli, &words), Vec::<String>::new(), "{words:?}");
    }
}

/// Presses the key at the end of a line of bash, and returns what it offers.
#[cfg(unix)]
fn in_bash(cli: &Cli, line: &str) -> Option<Vec<String>> {
    use std::path::Path;
    use std::process::Command;

    use super::{at_home, ended};

    let bash = ["/bin/bash", "/usr/bin/bash"].into_iter().map(Path::new).find(|bash| bash.exists());
    let Some(bash) = bash else {
        println!("not checked here: there is no bash");
        return None;
    };
    std::fs::write(cli.path("completions.sh"), cli.ok(&["completions", "bash"]).stdout).unwrap();
    // Words as readline makes them: a colon is one of its own.
    let script = r#"
        source ./completions.sh
        COMP_LINE=$1 COMP_POINT=${#1}
        mapfile -t COMP_WORDS < <(sed -E 's/\\ /\x01/g; s/([^ ]):/\1 : /g; s/: +/: /g' <<<"$1" | tr ' ' '\n' | sed 's/\x01/\\ /g')
        [[ $1 == *' ' ]] && COMP_WORDS+=('')
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _chunkstore_in_store chunkstore "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = Command::new(bash);
    at_home(&mut command, &cli.path("home"));
    let program = Path::new(env!("CARGO_BIN_EXE_chunkstore")).parent().unwrap();
    let path = std::env::join_paths([program, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    command.args(["--norc", "-c", script, "bash", line]).current_dir(cli.path("")).env("PATH", path);
    let ran = ended(&mut command);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{line}");
    Some(ran.stdout.lines().map(str::to_owned).filter(|line| !line.is_empty()).collect())
}

#[test]
#[cfg(unix)]
fn bash_completes_paths_beside_verbs_and_flags() {
    let cli = committed();
    let given = "chunkstore --store pub --keys k";
    let cases: [(&str, &[&str]); 7] = [
        ("ls /", &["/reports/", "/top"]),
        ("ls /rep", &["/reports/"]),
        ("cat w1:/reports/ma", &["/reports/march.txt", "/reports/may.txt"]),
        (r"cat /reports/a\ b/", &["/reports/a b/c"]),
        ("cat /reports/$", &["/reports/$(touch ran)"]),
        ("diff HEAD~", &["HEAD~1"]),
        ("verif", &["verify"]),
    ];
    for (typed, wanted) in cases {
        let Some(found) = in_bash(&cli, &format!("{given} {typed}")) else { return };
        assert_eq!(found, wanted, "{typed}");
    }
    assert!(!cli.path("ran").exists(), "what was offered was run");
    assert_eq!(in_bash(&cli, &format!("{given} ls --recur")).unwrap(), ["--recursive"]);
}
