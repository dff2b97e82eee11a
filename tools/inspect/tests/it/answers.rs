//! What each question is answered with: over the fixture, and over the fixture with what deletion and repacking leave.

use chunkstore::base::StorePath;
use chunkstore::store::layout;
use serde_json::{Value, json};

use super::copy::Copy;
use super::grown::Grown;

/// Asks with an identity; the answer is one document without a problem.
fn ask(copy: &Copy, words: &[&str]) -> Value {
    let (code, mut shown) = copy.show(words);
    assert_eq!((code, shown.len()), (0, 1), "{words:?}: {shown:?}");
    assert_eq!(shown[0]["problems"], json!([]), "{words:?}");
    shown.remove(0)
}

fn ask_outer(copy: &Copy, words: &[&str]) -> Value {
    let (code, text) = copy.shown(&[&["--json"], words].concat());
    assert_eq!(code, 0, "{words:?}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn rows<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer[list].as_array().unwrap_or_else(|| panic!("no list {list} in {answer}"))
}

fn row<'a>(answer: &'a Value, list: &str, file: &StorePath) -> &'a Value {
    let found = rows(answer, list).iter().find(|row| row["file"] == file.as_str());
    found.unwrap_or_else(|| panic!("no {file} in {list}: {answer}"))
}

fn sum(answer: &Value, list: &str, field: &str) -> u64 {
    rows(answer, list).iter().map(|row| row[field].as_u64().unwrap()).sum()
}

#[test]
fn reach_of_a_store_without_garbage_finds_every_object_live() {
    let answer = ask(&Copy::new(), &["reach"]);
    assert_eq!(
        (&answer["packs_count"], &answer["dead_bytes"], &answer["all_reached"]),
        (&json!(25), &json!(0), &json!(true))
    );
    assert_eq!(answer["objects"], answer["live_objects"]);
    assert_eq!(sum(&answer, "packs", "live_bytes"), answer["live_bytes"].as_u64().unwrap());
    assert!(rows(&answer, "packs").iter().all(|pack| pack["live_percent"] == 100), "{answer}");
}

#[test]
fn reach_shows_first_what_deletion_would_take_and_tells_orphans_from_what_a_state_pins() {
    let grown = Grown::new();
    let answer = ask(&grown.copy, &["reach"]);
    let dead = layout::pack(&grown.dead.hash);
    let condemned = layout::pack(&grown.condemned.hash);
    let ahead = layout::pack(&grown.ahead.hash);
    let mut first: Vec<&str> = rows(&answer, "packs")[..3].iter().map(|row| row["file"].as_str().unwrap()).collect();
    first.sort_unstable();
    let mut expected = [dead.as_str(), condemned.as_str(), ahead.as_str()];
    expected.sort_unstable();
    assert_eq!(first, expected);
    let pack = row(&answer, "packs", &dead);
    assert_eq!((&pack["objects"], &pack["live_objects"], &pack["live_percent"]), (&json!(1), &json!(0), &json!(0)));
    assert!(pack["dead_bytes"].as_u64().unwrap() > 0);
    assert_eq!(row(&answer, "packs", &condemned)["records"], json!(["heads/00000016"]));
    assert_eq!(row(&answer, "packs", &ahead)["named_by"], json!(["pending"]));
    let waits = row(&answer, "condemned", &condemned);
    assert_eq!(
        (&waits["since"], &waits["here_len_bytes"]),
        (&json!("2027-01-15T08:00:00.000000000Z"), &json!(grown.condemned.len_bytes))
    );
    let orphan =
        |path: &str| row(&answer, "orphans", &StorePath::new(path).unwrap())["why"].as_str().unwrap().to_owned();
    for path in ["packs/AB/CDEF0123.456", "manifests/00000000.000", "keys/00000001/DEADBEEF.age"] {
        assert_eq!(orphan(path), "no record names it", "{path}");
    }
    assert!(orphan("heads/00000014").contains("older than the last two"));
    let pinned = [dead.as_str(), condemned.as_str(), ahead.as_str(), &grown.recipe, "heads/00000016", "heads/00000017"];
    for file in pinned {
        assert!(!rows(&answer, "orphans").iter().any(|row| row["file"] == file), "{file} is pinned");
    }
    assert!(!rows(&answer, "orphans").iter().any(|row| row["file"].as_str().unwrap().starts_with("keys/00000001/2F")));
}

#[test]
fn reach_without_an_identity_shows_which_record_names_what_and_says_that_it_is_no_more() {
    let grown = Grown::new();
    let answer = ask_outer(&grown.copy, &["reach"]);
    assert!(answer["outer_only"].as_str().unwrap().contains("the outer layer only"), "{answer}");
    assert!(answer.get("live_bytes").is_none() && rows(&answer, "packs")[0].get("live_bytes").is_none());
    let roles: Vec<&str> = rows(&answer, "records").iter().map(|row| row["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["state", "state", "state", "other", "other", "pending"]);
    assert_eq!(rows(&answer, "condemned").len(), 1);
    assert_eq!(rows(&answer, "orphans"), rows(&ask(&grown.copy, &["reach"]), "orphans"));
    let (_, text) = grown.copy.shown(&["reach"]);
    assert!(text.contains("the outer layer only") && text.contains("\ncondemned\n"), "{text}");
}

#[test]
fn why_tells_records_recipe_snapshots_and_paths() {
    let grown = Grown::new();
    let answer = ask(&grown.copy, &["why", &grown.dead.hash.to_string()[..10]]);
    assert_eq!((&answer["added_by_generation"], &answer["added"]), (&json!(16), &json!("by this generation")));
    assert_eq!((&answer["objects"], &answer["live_objects"]), (&json!(1), &json!(0)));
    assert!(answer["verdict"].as_str().unwrap().starts_with("alive: listed by HEAD heads/00000017 heads/00000016"));
    assert_eq!((&answer["recipe"], rows(&answer, "made_from").len()), (&json!(grown.recipe), 1));
    assert_eq!(rows(&answer, "made_from")[0]["copied_bytes"], 64);
    assert_eq!(answer["not_in_sources_bytes"], grown.dead.len_bytes - 64);
    assert_eq!((rows(&answer, "snapshots").len(), rows(&answer, "paths").len()), (0, 0));

    let answer = ask_outer(&grown.copy, &["why", &grown.condemned.hash.to_string()]);
    let verdict = answer["verdict"].as_str().unwrap();
    assert!(
        verdict.contains("listed by heads/00000016") && verdict.contains("condemned by HEAD heads/00000017"),
        "{verdict}"
    );
    assert_eq!(
        (&rows(&answer, "records")[0]["says"], &rows(&answer, "records")[0]["by_generation"]),
        (&json!("condemned"), &json!(17))
    );
    let answer = ask(&grown.copy, &["why", "packs/AB/CDEF0123.456"]);
    assert_eq!(answer["verdict"], "no record names it: deletion takes it");
    assert_eq!(
        ask_outer(&grown.copy, &["why", layout::pack(&grown.ahead.hash).as_str()])["verdict"],
        "alive: listed by pending"
    );

    let longest = grown.copy.longest_name();
    let answer = ask(&grown.copy, &["why", &longest]);
    assert_eq!((&answer["class"], rows(&answer, "snapshots").len()), (&json!("data"), 12));
    let paths: Vec<&str> = rows(&answer, "paths")[..4].iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/letters/one.txt", "/letters/\u{e9}t\u{e9} \u{1b}[2J", "/notes/01.txt", "/pictures/noise.bin"]);
    assert_eq!(rows(&answer, "paths")[3]["more"], true, "no more than four of each snapshot");
    let (code, text) = grown.copy.shown(&["why", ""]);
    assert_eq!((code, text.as_str()), (1, ""), "every pack begins so");
}

#[test]
fn why_names_the_merged_index_parts_of_a_pack() {
    let copy = Copy::new();
    let (_, sealed) = copy.show(&["sealed"]);
    let index = sealed.iter().find(|value| value["what"] == "index").unwrap();
    let answer = ask(&copy, &["why", index["pack"].as_str().unwrap()]);
    assert_eq!(rows(&answer, "merged_indexes")[0]["id"], index["id"]);
    assert_eq!((&answer["live_objects"], rows(&answer, "snapshots").len()), (&json!(1), 0));
}

#[test]
fn object_tells_copies_and_which_snapshot_brought_it() {
    let copy = Copy::new();
    // The notes of a week share a chunk; the letters never changed.
    for (spot, path, tags) in
        [("week-5:/notes/05.txt", "/notes/01.txt", 5..=5), ("/letters/one.txt", "/letters/one.txt", 1..=12)]
    {
        let chunks = ask(&copy, &["chunks", spot]);
        let chunk = &rows(&chunks, "chunks")[0];
        let answer = ask(&copy, &["object", &chunk["chunk"].as_str().unwrap()[..16]]);
        let copies = rows(&answer, "copies");
        assert_eq!((copies.len(), &copies[0]["opens"], &copies[0]["pack"]), (1, &json!(true), &chunk["pack"]));
        let tags: Vec<Value> = tags.map(|week| json!([format!("week-{week}")])).collect();
        let reached_by: Vec<Value> = rows(&answer, "snapshots").iter().map(|row| row["tags"].clone()).collect();
        assert_eq!((reached_by, &answer["brought_by"]), (tags, &rows(&answer, "snapshots")[0]["snapshot"]));
        assert_eq!((&answer["brought_by"], &rows(&answer, "paths")[0]["path"]), (&chunk["brought_by"], &json!(path)));
    }
    let answer = ask(&copy, &["object", ""]);
    assert!(answer["ids"].as_u64().unwrap() > 1 && answer["history"].is_string(), "{answer}");
    assert!(answer.get("brought_by").is_none());
}

#[test]
fn object_shows_what_a_directory_holds_and_of_a_snapshot_its_state() {
    let copy = Copy::new();
    let (_, shown) = copy.show(&["path", "/"]);
    let letters = shown.iter().find(|value| value["name"] == "letters").unwrap()["tree"].as_str().unwrap();
    let answer = ask(&copy, &["object", letters]);
    assert_eq!(rows(&answer, "content")[0]["name"], "one.txt");
    // Its files were written again each week, so each week has a directory of its own.
    assert_eq!((rows(&answer, "snapshots").len(), &rows(&answer, "paths")[0]["path"]), (1, &json!("/letters")));
    let keys = copy.dir.path().join("keys");
    let (_, text) = copy.shown(&["--keys", keys.to_str().unwrap(), "object", letters]);
    let line = text.lines().find(|line| line.contains("one.txt")).unwrap();
    assert!(line.starts_with("  entry  file"), "{text}");
}

#[test]
fn chunks_say_which_snapshot_brought_each() {
    let copy = Copy::new();
    for (spot, week) in
        [("/pictures/noise.bin", "week-1"), ("/notes/01.txt", "week-12"), ("week-7:/notes/06.txt", "week-7")]
    {
        let answer = ask(&copy, &["chunks", spot]);
        let chunks = rows(&answer, "chunks");
        assert_eq!(sum(&answer, "chunks", "len_bytes"), answer["size"].as_u64().unwrap(), "{spot}");
        let (_, sealed) = copy.show(&["sealed"]);
        let snapshot = sealed.iter().find(|value| value["tags"] == json!([week])).unwrap();
        assert!(
            chunks.iter().all(|chunk| chunk["brought_by"] == snapshot["id"] && chunk["pack"].is_string()),
            "{spot}: {answer}"
        );
    }
    for (spot, code) in [("/letters", 2), ("/", 2), ("/link", 2), ("/nothing", 1), ("week-99:/zeros", 1)] {
        assert_eq!(copy.show(&["chunks", spot]).0, code, "{spot}");
    }
}

#[test]
fn sizes_count_each_object_once_and_tell_what_the_rest_shares() {
    let copy = Copy::new();
    let answer = ask(&copy, &["sizes", "/"]);
    let paths: Vec<&str> = rows(&answer, "entries").iter().map(|row| row["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/", "/letters", "/notes", "/pictures"]);
    let of = |path: &str, field: &str| {
        let found = rows(&answer, "entries").iter().find(|row| row["path"] == path);
        found.unwrap()[field].as_u64().unwrap()
    };
    let (_, shown) = copy.show(&["path", "/"]);
    assert_eq!(of("/", "bytes"), shown[0]["bytes"].as_u64().unwrap(), "as the snapshot itself counts");
    assert_eq!((of("/", "files"), of("/", "dirs"), of("/pictures", "bytes")), (18, 3, 150_000));
    assert_eq!(of("/", "shared_bytes"), 0, "nothing lies beside the root");
    // `same.txt` beside it is a hard link to one of its files, so it names the same chunk.
    assert!(of("/letters", "shared_bytes") > 0 && of("/letters", "shared_bytes") < of("/letters", "stored_bytes"));
    assert_eq!(of("/pictures", "shared_bytes"), 0);
    let below: u64 = ["/letters", "/notes", "/pictures"].iter().map(|path| of(path, "stored_bytes")).sum();
    assert!(of("/", "stored_bytes") > below);
    let alone = |spot: &str| rows(&ask(&copy, &["sizes", spot]), "entries")[0].clone();
    for path in ["/letters", "/notes", "/pictures"] {
        let row = rows(&answer, "entries").iter().find(|row| row["path"] == path).unwrap();
        assert_eq!(alone(path), *row, "asked for alone it is the same");
    }
    let same = alone("/same.txt");
    assert_eq!((&same["files"], &same["bytes"]), (&json!(1), &json!(13)));
    assert_eq!((&alone("/link")["files"], &alone("/link")["stored_bytes"]), (&json!(0), &json!(0)));
    assert_eq!(same["stored_bytes"], same["shared_bytes"], "the other name of the file is outside");
    assert_eq!(rows(&ask(&copy, &["sizes", "/", "--depth", "0"]), "entries").len(), 1);
    assert_eq!(copy.show(&["sizes", "/nothing"]).0, 1);
}

#[test]
fn generations_are_compared_by_their_packs_and_snapshots() {
    let grown = Grown::new();
    let answer = ask(&grown.copy, &["diff-generations", "16", "17"]);
    assert_eq!(rows(&answer, "removed")[0]["hash"], grown.condemned.hash.to_string());
    assert_eq!(rows(&answer, "condemned")[0]["hash"], grown.condemned.hash.to_string());
    assert_eq!((rows(&answer, "added").len(), rows(&answer, "new_snapshots").len()), (0, 0));
    let back = ask(&grown.copy, &["diff-generations", "17", "16"]);
    assert_eq!((rows(&back, "added"), rows(&back, "condemned_no_more").len()), (rows(&answer, "removed"), 1));
    let pending = ask_outer(&grown.copy, &["diff-generations", "17", "18"]);
    assert_eq!(rows(&pending, "added")[0]["hash"], grown.ahead.hash.to_string());
    assert!(pending.get("new_snapshots").is_none() && pending["outer_only"].is_string());
    let weekly = ask(&Copy::new(), &["diff-generations", "12", "13"]);
    assert_eq!(rows(&weekly, "new_snapshots")[0]["tags"], json!(["week-12"]));
    assert_eq!(grown.copy.show(&["diff-generations", "1", "17"]).0, 1, "that record is gone");
}

#[test]
fn hostile_names_are_escaped_in_tables_too() {
    let copy = Copy::new();
    let keys = copy.dir.path().join("keys");
    let (_, text) = copy.shown(&["--keys", keys.to_str().unwrap(), "why", &copy.longest_name()]);
    assert!(text.contains("/letters/\u{e9}t\u{e9} \\x1b[2J") && !text.contains('\x1b'), "{text}");
}
