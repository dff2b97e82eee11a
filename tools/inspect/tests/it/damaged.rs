//! The fixture of an earlier version, whole and broken: what is shown, what the code is, and that nothing is written.

use std::path::PathBuf;

use clap::Parser;
use inspect::command::{CommandLine, run};
use serde_json::Value;

use super::copy::{Copy, STORE, files_below, of, wrong};

#[test]
fn a_whole_store_is_shown_down_to_its_snapshots_and_nothing_is_wrong() {
    let copy = Copy::new();
    let (code, shown) = copy.show(&[]);
    assert_eq!((code, wrong(&shown)), (0, vec![]));
    assert_eq!((of(&shown, "head").len(), of(&shown, "trust").len(), of(&shown, "pack").len()), (5, 1, 25));
    assert!(of(&shown, "manifest").len() >= 4 && of(&shown, "snapshot").len() == 12);
    assert!(!of(&shown, "index").is_empty(), "a merged index stands in the fixture");
    assert_eq!(of(&shown, "store")[0]["all_packs_known"], true);
}

#[test]
fn without_an_identity_the_outer_layer_alone_is_shown_and_it_says_so() {
    let copy = Copy::new();
    let (code, text) = copy.shown(&["--json"]);
    let shown: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, 0);
    assert_eq!(of(&shown, "sealed layer")[0]["open"], false);
    assert!(of(&shown, "snapshot").is_empty() && of(&shown, "pack").len() == 25);
    let sealed: [&[&str]; 5] =
        [&["object", "00"], &["path", "/"], &["pack", "00", "--objects"], &["chunks", "/zeros"], &["sizes", "/"]];
    for sealed in sealed {
        assert_eq!(copy.shown(sealed).0, 12, "{sealed:?}");
    }
}

#[test]
fn nothing_is_written_and_no_lock_is_taken_whatever_is_shown() {
    let copy = Copy::new();
    std::fs::write(copy.store().join("HEAD"), b"").unwrap();
    let before = copy.state();
    let name = copy.longest_name();
    let verbs: [&[&str]; 15] = [
        &[],
        &["head"],
        &["trust"],
        &["manifest"],
        &["packs"],
        &["sealed"],
        &["pack", &name, "--objects"],
        &["object", "0"],
        &["path", "/letters"],
        &["reach"],
        &["why", &name],
        &["object", "0744b4eec62c"],
        &["chunks", "/pictures/noise.bin"],
        &["sizes", "/", "--depth", "3"],
        &["diff-generations", "10", "12"],
    ];
    for verb in verbs {
        copy.show(verb);
        assert!(copy.state() == before, "{verb:?}");
    }
}

#[test]
fn a_name_that_drives_a_terminal_is_escaped_for_people_and_exact_for_programs() {
    let copy = Copy::new();
    let keys = copy.dir.path().join("keys");
    let (_, text) = copy.shown(&["--keys", keys.to_str().unwrap(), "path", "/letters"]);
    assert!(text.contains("\\x1b[2J") && !text.contains('\x1b'), "{text}");
    let (_, shown) = copy.show(&["path", "/letters"]);
    assert!(of(&shown, "entry").iter().any(|entry| entry["name"] == "\u{e9}t\u{e9} \u{1b}[2J"), "{shown:?}");
}

#[test]
fn a_lost_head_is_shown_with_every_record_and_what_is_wrong_with_each() {
    let copy = Copy::new();
    copy.change(&copy.store().join("HEAD"), Vec::clear);
    let newest = files_below(&copy.store().join("heads")).pop().unwrap();
    copy.change(&newest, |bytes| bytes[300] = b'x');
    let (code, shown) = copy.show(&["head"]);
    let heads = of(&shown, "head");
    assert_eq!((code, heads.len()), (13, 5));
    assert_eq!(heads[0]["wrong"][0], "it is empty");
    assert!(heads[1]["wrong"].is_array() && heads[2]["wrong"].is_null(), "{heads:?}");
    let (code, shown) = copy.show(&[]);
    assert_eq!((code, &of(&shown, "store")[0]["generation"]), (13, &12.into()), "the state before is shown");
    assert_eq!(of(&shown, "snapshot").len(), 11);
}

#[test]
fn a_store_without_marker_and_trust_still_shows_what_it_holds() {
    let copy = Copy::new();
    std::fs::remove_file(copy.store().join("STORE")).unwrap();
    std::fs::remove_file(copy.store().join("trust/1")).unwrap();
    let (code, shown) = copy.show(&[]);
    assert_eq!((code, of(&shown, "pack").len(), of(&shown, "snapshot").len()), (13, 25, 12));
    assert!(wrong(&shown).iter().any(|text| text.contains("STORE is missing")), "{:?}", wrong(&shown));
    assert!(wrong(&shown).iter().any(|text| text.contains("nothing vouches")));
    for name in ["HEAD", "heads"] {
        let path = copy.store().join(name);
        if path.is_dir() { std::fs::remove_dir_all(path).unwrap() } else { std::fs::remove_file(path).unwrap() }
    }
    assert_eq!(copy.show(&[]).0, 10, "nothing tells which store it is");
    let (code, shown) = copy.show(&["--assume-store", STORE, "reach"]);
    assert_eq!((code, &shown[0]["sealed_open"]), (13, &true.into()), "the key file still opens");
    assert!(shown[0]["orphans"].as_array().unwrap().len() >= 25, "what stands is shown all the same");
    let problems = shown[0]["problems"].to_string();
    assert!(
        problems.contains("its id is that of --assume-store") && problems.contains("no record decodes"),
        "{problems}"
    );
    let whole = Copy::new();
    assert_eq!(whole.show(&["--assume-store", STORE, "reach"]).0, 0);
    assert_eq!(whole.show(&["--assume-store", &STORE.replace('1', "2"), "reach"]).0, 2, "the marker says another");
}

#[test]
fn a_gap_in_the_chain_hides_only_what_lies_below_it() {
    let copy = Copy::new();
    let (_, shown) = copy.show(&["manifest"]);
    let third = of(&shown, "manifest")[3]["file"].as_str().unwrap().to_owned();
    std::fs::remove_file(copy.store().join(third)).unwrap();
    let (code, shown) = copy.show(&[]);
    assert_eq!((code, of(&shown, "manifest").len()), (13, 4));
    assert!(wrong(&shown).iter().any(|text| text.contains("what lies below it in the chain is not known")));
    assert_eq!(of(&shown, "store")[0]["all_packs_known"], false);
    let packs = of(&shown, "pack").len();
    assert!(packs > 0 && packs < 25, "{packs} packs");
    assert_eq!(of(&shown, "snapshot").len(), 12, "the sealed part of the newest manifest opens all the same");
    assert!(of(&shown, "file").iter().any(|file| file["kind"] == "manifest"), "manifests below the gap lie beside");
    assert!(of(&shown, "file").iter().any(|file| file["listed"] == false), "and so do their packs");
}

#[test]
fn a_manifest_of_other_bytes_is_named_and_the_chain_goes_on_below() {
    let copy = Copy::new();
    let (_, shown) = copy.show(&["manifest"]);
    let chain = of(&shown, "manifest").len();
    let third = copy.store().join(of(&shown, "manifest")[3]["file"].as_str().unwrap());
    let in_the_seal = third.metadata().unwrap().len() as usize - 20;
    copy.change(&third, |bytes| bytes[in_the_seal] ^= 1);
    let (code, shown) = copy.show(&["manifest"]);
    assert_eq!((code, of(&shown, "manifest").len()), (13, chain));
    assert_eq!(of(&shown, "manifest")[3]["wrong"][0], "its bytes are not what its hash says");
}

#[test]
fn a_torn_pack_shows_its_header_its_lengths_and_which_objects_still_open() {
    let copy = Copy::new();
    let (path, name) = (copy.longest_pack(), copy.longest_name());
    let (_, shown) = copy.show(&["pack", &name, "--objects"]);
    let whole = of(&shown, "object").len();
    assert!(whole >= 2 && of(&shown, "object").iter().all(|object| object["opens"] == true), "{shown:?}");
    let full = path.metadata().unwrap().len();
    copy.change(&path, |bytes| bytes.truncate(100_000));
    let (code, shown) = copy.show(&["pack", &name, "--objects"]);
    let pack = of(&shown, "pack")[0].clone();
    assert_eq!((code, &pack["here_len_bytes"], &pack["header_len_bytes"]), (13, &100_000.into(), &full.into()));
    let objects = of(&shown, "object");
    let open = objects.iter().filter(|object| object["opens"] == true).count();
    assert_eq!(objects.len(), whole, "the merged index knows them");
    assert!(open >= 1 && open < whole, "{open} of {whole} open");
    copy.change(&path, |bytes| bytes.truncate(20));
    let (code, shown) = copy.show(&["pack", &name]);
    assert_eq!(code, 13);
    assert!(wrong(&shown).iter().any(|text| text.contains("before its header does")), "{:?}", wrong(&shown));
}

#[test]
fn a_flipped_frame_is_found_by_hash_and_costs_one_object() {
    let copy = Copy::new();
    copy.change(&copy.longest_pack(), |bytes| bytes[200] ^= 1);
    let (code, shown) = copy.show(&["pack", &copy.longest_name(), "--objects"]);
    assert_eq!((code, &of(&shown, "pack")[0]["hash_holds"]), (13, &false.into()));
    let closed = of(&shown, "object").iter().filter(|object| object["opens"] == false).count();
    assert_eq!(closed, 1);
}

#[test]
fn objects_are_found_by_id_and_by_path() {
    let copy = Copy::new();
    let (code, shown) = copy.show(&["path", "week-2:/pictures/noise.bin"]);
    let extents = of(&shown, "extent");
    assert_eq!((code, of(&shown, "entry")[0]["size"].clone()), (0, 150_000.into()));
    assert!(!extents.is_empty() && extents.iter().all(|extent| extent["opens"] == true), "{extents:?}");
    let chunk = extents[0]["chunk"].as_str().unwrap();
    let (code, shown) = copy.show(&["object", &chunk[..12]]);
    let copies = &shown[0]["copies"];
    assert_eq!((code, &copies[0]["kind"], &copies[0]["opens"]), (0, &"chunk".into(), &true.into()));
    let (_, shown) = copy.show(&["sealed"]);
    let snapshot = of(&shown, "snapshot")[1]["id"].as_str().unwrap().to_owned();
    let (code, shown) = copy.show(&["object", &snapshot]);
    assert_eq!((code, &shown[0]["content"][0]["message"]), (0, &"weekly".into()));
    for nothing in
        [&["path", "/nothing"][..], &["path", "week-99:/"], &["object", "ffffffffffffff"], &["manifest", "zz"]]
    {
        assert_eq!(copy.show(nothing).0, 1, "{nothing:?}");
    }
    assert_eq!(copy.show(&["path", ":/"]).0, 2);
}

#[test]
fn names_that_a_hostile_medium_makes_up_are_bounded() {
    let copy = Copy::new();
    let made_up =
        ["trust/4294967295", "trust/0", "heads/18446744073709551615", "keys/4294967295", "manifests/x", "packs/AA/y"];
    for name in made_up {
        let path = copy.store().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"made up").unwrap();
    }
    let record = std::fs::read(copy.store().join("HEAD")).unwrap();
    for n in 100..300 {
        std::fs::write(copy.store().join(format!("heads/{n:08}")), &record).unwrap();
    }
    let (code, shown) = copy.show(&[]);
    assert_eq!((code, of(&shown, "trust").len()), (13, 1));
    assert!(of(&shown, "head").len() < 70, "{} records", of(&shown, "head").len());
    for odd in ["\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "", "...", "0/../.."] {
        for verb in ["manifest", "pack", "object", "path", "why", "chunks", "sizes"] {
            let code = copy.show(&[verb, odd]).0;
            assert!(matches!(code, 0 | 1 | 2 | 13), "{verb} {odd:?}: {code}");
        }
    }
}

/// A screen at which the key is pulled as soon as a line stands on it.
struct Pulling {
    store: PathBuf,
    lines: usize,
}

impl std::io::Write for Pulling {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.lines == 0 {
            std::fs::remove_dir_all(&self.store)?;
        }
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_medium_that_goes_away_while_it_is_looked_at_is_16_and_no_damage() {
    // The empty name is the beginning of all.
    let verbs: [&[&str]; 3] = [&[], &["packs"], &["pack", "", "--objects"]];
    for verb in verbs {
        let copy = Copy::new();
        let (store, keys) = (copy.store(), copy.dir.path().join("keys"));
        let line = ["chunkstore-inspect", store.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
        let line = CommandLine::try_parse_from([&line, verb].concat()).unwrap();
        let mut screen = Pulling { store: store.clone(), lines: 0 };
        let error = run(&line, &mut screen).unwrap_err();
        assert_eq!(error.kind().exit_code(), 16, "{verb:?}: {error}");
        assert!(screen.lines > 0, "{verb:?}");
    }
}

/// Every file of the store, cut and changed in turn: each still ends with a code, and what can be shown is.
#[test]
fn no_damage_ends_the_looking() {
    let copy = Copy::new();
    let files = files_below(&copy.store());
    let mut damaged = 0;
    for path in files.iter().filter(|path| path.metadata().unwrap().len() > 0) {
        let bytes = std::fs::read(path).unwrap();
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 0x41;
        for broken in [Vec::new(), bytes[..bytes.len() / 2].to_vec(), flipped, vec![0xff; bytes.len()]] {
            std::fs::write(path, broken).unwrap();
            let (code, shown) = copy.show(&[]);
            assert!(matches!(code, 0 | 13), "{}: {code}", path.display());
            assert!(!of(&shown, "head").is_empty() && shown.len() > 10, "{}", path.display());
            damaged += usize::from(code == 13);
        }
        std::fs::write(path, bytes).unwrap();
    }
    assert!(damaged > files.len(), "{damaged} of {} files", files.len());
}
