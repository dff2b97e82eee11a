//! The table of `objects-format.md` that says what is lost when, held to the table of this test: of each place its first row.

use std::fmt::Write as _;

use super::{PLACES, expected, file, section};

const BEGIN: &str = "<!-- what follows is written by `cargo test --test it damaged_stores -- --ignored` -->\n";
const END: &str = "<!-- up to here -->\n";

/// Verbs that are told of in one word where all of them end alike.
const GROUPS: [(&str, &str); 4] = [
    ("log ls cat find diff stats export restore", "reading"),
    ("gc-key forget commit", "writing"),
    ("sync sync-newer sync-older", "every sync"),
    ("verify-outer verify-inner verify", ""),
];

/// Returns what a line of the table says, without what stands before it.
fn said<'a>(lines: &[&'a str], column: &str) -> &'a str {
    let start = format!("    {column}:");
    lines.iter().find_map(|line| line.strip_prefix(start.as_str())).expect("a column").trim()
}

/// Leaves an exit code away where a text follows it.
fn without_code(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start()
}

fn opens(text: &str) -> &str {
    match text.split_once(' ') {
        Some((_, "Sound")) => "as ever",
        Some((_, "HeadLost")) => "as its newest record",
        Some(_) => "an older state, degraded",
        None => "no",
    }
}

fn fails(text: &str) -> String {
    let mut all = Vec::new();
    for part in text.split("; ") {
        let Some((code, verbs)) = part.split_once(": ") else { continue };
        let mut verbs = format!(" {verbs} ");
        for (group, name) in GROUPS {
            verbs = verbs.replace(&format!(" {group} "), &format!(" <{name}> "));
        }
        let verbs = verbs.replace(" <> ", " ");
        let mut words: Vec<String> = Vec::new();
        for word in verbs.split_whitespace() {
            match words.last_mut().filter(|last| last.starts_with('<') && !last.ends_with('>')) {
                Some(last) => write!(last, " {word}").unwrap(),
                None => words.push(word.to_owned()),
            }
        }
        let words: Vec<_> = words.iter().map(|word| word.trim_matches(['<', '>'])).collect();
        if !words.is_empty() {
            all.push(format!("{} ({code})", words.join(", ")));
        }
    }
    if all.is_empty() { "nothing".to_owned() } else { all.join("; ") }
}

/// Makes the document's table of the test's.
fn table(expected: &str) -> String {
    let mut text =
        "\n| damaged | opens | `verify` tells | what else fails | a copy brings back | `repair` brings back |\n"
            .to_owned();
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for place in PLACES {
        let section = section(expected, place);
        let lines: Vec<&str> = section.lines().skip(1).take(6).collect();
        assert_eq!(lines.len(), 6, "{place}");
        let damage = lines[0].split_whitespace().next().unwrap().to_lowercase();
        let verify = match without_code(said(&lines, "verify")) {
            "" => "nothing".to_owned(),
            kinds => kinds.replace(' ', ", "),
        };
        let (heal, repair) = (said(&lines, "heal"), said(&lines, "repair"));
        writeln!(
            text,
            "| {place}, {damage} | {} | {verify} | {} | {} | {} |",
            opens(said(&lines, "opens")),
            fails(said(&lines, "fails")),
            without_code(heal),
            without_code(repair)
        )
        .unwrap();
    }
    text.push('\n');
    text
}

fn parts(document: &str) -> (&str, &str, &str) {
    let (before, rest) = document.split_once(BEGIN).expect("the mark before the table");
    let (within, after) = rest.split_once(END).expect("the mark behind the table");
    (before, within, after)
}

pub fn rewrite(expected: &str) {
    let path = file("objects-format.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, _, after) = parts(&document);
    std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table(expected))).unwrap();
}

#[test]
fn the_document_says_what_the_table_says() {
    let document = std::fs::read_to_string(file("objects-format.md")).unwrap();
    assert_eq!(parts(&document).1, table(&expected()));
}
