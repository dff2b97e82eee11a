//! Tools made of coreutils go through every step, and what was measured is shown.

use std::fs;
use std::time::Duration;

use super::*;

/// A tool that copies: a store is a folder with a copy a week.
const COPIER: Tool = Tool {
    name: "copier",
    install: "with coreutils",
    cipher: None,
    compression: "none",
    env: &[("WHERE", "{store}")],
    version: "cp --version",
    init: &["touch {home}/made"],
    backup: &["cp {home}/made {store}/{n}", "cp -a {tree} {store}/last-{n}"],
    restore: &["cp -a {store}/last-{n} restored"],
    restored: "restored",
    check: &["test -d {store}/last-3"],
};

/// A bench of two small weeks in a folder that lives as long.
fn bench() -> (tempfile::TempDir, Bench) {
    let dir = tempfile::tempdir().unwrap();
    let weeks = ["one", "two"].map(|name| dir.path().join(name));
    for (week, bytes) in weeks.iter().zip([100, 300]) {
        fs::create_dir_all(week.join("a")).unwrap();
        fs::write(week.join("a/b"), vec![b'x'; bytes]).unwrap();
    }
    let peers = dir.path().join("peers");
    let trees = Trees::copy(&peers, &weeks).unwrap();
    (dir, Bench { dir: peers, trees, chunkstore: PathBuf::from("chunkstore") })
}

#[test]
fn every_step_is_run_and_what_it_stores_is_counted() {
    let (_dir, bench) = bench();
    let report = bench.measure(&[&COPIER], 2, "a command".to_owned()).unwrap();
    let [entry] = &report.entries[..] else { panic!("one tool") };
    assert_eq!((entry.failed.as_deref(), entry.runs.len()), (None, 2));
    for run in &entry.runs {
        assert!(run.steps.iter().all(Option::is_some));
        assert_eq!((run.week1_bytes, run.added_bytes), (100, 300));
    }
    assert!(!bench.dir.join("copier").exists());
}

#[test]
fn a_tool_that_did_nothing_does_not_win() {
    const LAZY: Tool = Tool { name: "lazy", restore: &["mkdir -p restored/a"], ..COPIER };
    const BROKEN: Tool = Tool { name: "broken", check: &["test -d {store}/nowhere"], ..COPIER };
    const MISSING: Tool = Tool { name: "missing", version: "a-tool-that-is-nowhere --version", ..COPIER };
    let (_dir, bench) = bench();
    let report = bench.measure(&[&LAZY, &BROKEN, &MISSING, &COPIER], 1, "a command".to_owned()).unwrap();
    let text = report.markdown();
    assert!(text.contains("lazy failed: ") && text.contains("a/b was not restored"), "{text}");
    assert!(text.contains("broken failed: check: test failed with exit status: 1"), "{text}");
    assert!(text.contains("missing is not installed here: `with coreutils`"), "{text}");
    assert!(text.contains("| copier ") && !text.contains("| lazy ") && !text.contains("| broken "), "{text}");
}

/// A tool with these seconds for its first backup and as many MiB at its peak, in each of its runs.
fn entry(tool: &'static Tool, seconds: &[u64]) -> Entry {
    let run = |&seconds: &u64| {
        let wall = Duration::from_secs(seconds);
        let first = Measured { wall, cpu: wall / 2, anonymous_bytes: seconds << 20 };
        Run { steps: [Some(first), None, None, None, None], week1_bytes: seconds << 20, added_bytes: 0 }
    };
    Entry { tool, version: "1.0".to_owned(), runs: seconds.iter().map(run).collect(), failed: None }
}

#[test]
fn a_table_has_medians_and_the_best_peers() {
    const SEALING: Tool = Tool { name: "sealing", cipher: Some("a cipher"), ..COPIER };
    let entries = vec![entry(&tools::TOOLS[0], &[4, 90, 2]), entry(&COPIER, &[2, 1]), entry(&SEALING, &[6])];
    let report = Report { command: "a command".to_owned(), entries, missing: vec![], extents: Default::default() };
    let text = report.markdown();
    assert!(text.contains("by `a command`: medians of 3 alternating runs"), "{text}");
    let row = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    let own = "| chunkstore 1.0 | XChaCha20-Poly1305 | zstd 3 and 5 | 4.00 (2.00) | none | none | none | none | 4.00 | 0.00 | 4.00 |";
    assert_eq!(row("| chunkstore"), own);
    assert!(row("| copier").starts_with("| copier 1.0 | nothing | none | 1.50 (0.75) |"), "{text}");
    assert!(row("| best peer ÷").starts_with("| best peer ÷ chunkstore | | | 0.38 (copier) | none |"), "{text}");
    assert!(
        row("| best peer that").starts_with("| best peer that seals ÷ chunkstore | | | 1.50 (sealing) |"),
        "{text}"
    );
    let json = report.json();
    assert_eq!(json["tools"][0]["medians"]["first_backup_s"], 4.0);
    assert_eq!(json["tools"][0]["runs"][1]["steps"]["first_backup"]["peak_anonymous_bytes"], 90 << 20);
    assert_eq!(json["best_sealing_peer"]["first_backup_s"]["peer"], "sealing");
    assert!(json["tools"][0]["runs"][0]["steps"]["check"].is_null());
}

#[test]
fn a_table_replaces_the_one_before_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("page.md");
    let (begin, end) = ("<!-- peers: begin -->", "<!-- peers: end -->");
    fs::write(&page, format!("above\n{begin}\nold\n{end}\nbelow\n")).unwrap();
    for table in [None, Some("new\n"), Some("new\n")] {
        table::put_on_page(&page, table).unwrap();
    }
    assert_eq!(fs::read_to_string(&page).unwrap(), format!("above\n{begin}\nnew\n{end}\nbelow\n"));
    fs::write(&page, "no place").unwrap();
    assert!(table::put_on_page(&page, None).is_err());
}

#[test]
fn the_command_line_names_no_place_of_this_machine() {
    let line = ["peers", "--runs", "1", "--week1", "/some/where", "--only", "borg", "--only", "chunkstore", "--json"];
    let args = PeersArgs::try_parse_from(line).unwrap();
    assert_eq!(command_line(&args), "cargo xtask peers --runs 1 --week1 DIR --only borg --only chunkstore");
    assert!(PeersArgs::try_parse_from(["peers", "--runs", "0"]).is_err());
    assert!(tools::chosen(&["tar".to_owned()]).err().unwrap().contains("no tool tar: chunkstore, "));
    let names: Vec<&str> = tools::chosen(&args.only).unwrap().iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["chunkstore", "borg"]);
}
