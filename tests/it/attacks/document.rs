//! The table of `objects-format.md` that says what a hostile server can do, held to the rows.

use std::fmt::Write as _;
use std::path::PathBuf;

use super::{After, List, Row, Verb, families};

const BEGIN: &str = "<!-- attacks: written by `cargo test --test it attacks -- --ignored` -->\n";
const END: &str = "<!-- attacks: end -->\n";

fn after(row: &Row) -> &'static str {
    match row.after {
        After::Unchanged => "not a byte of it is touched",
        After::Kept => "opens as before; whole files of the next state may have come",
        After::Newest => "holds the newest state",
        After::Older => "holds the older state",
        After::None => "none is made",
        After::Degraded => "holds the newest state, degraded until `sync --accept-older`",
        After::Recovered => "holds the next generation",
        After::Forged => "holds what the thief signed, until the trust is rotated",
    }
}

fn line(row: &Row) -> String {
    let from = match row.list {
        List::Tuf => "TUF, Uptane",
        List::Uptane => "Uptane",
        List::Own => "",
    };
    let verb = match row.verb {
        Verb::Sync => "`sync`",
        Verb::Clone => "`clone`",
        Verb::Push => "`push`",
    };
    let says = match row.says.strip_prefix("-v: ") {
        Some(says) => format!(", with -v: \"{says}\""),
        None if row.says.is_empty() => String::new(),
        None => format!(": \"{}\"", row.says),
    };
    let (name, does) = (row.name, row.does);
    format!("| {name} | {from} | {does} | {verb} {}{says} | {} |", row.code, after(row))
}

fn table() -> String {
    let mut text =
        "\n| attack | list | the server, or who had the key in hand | how it ends | the store |\n".to_owned();
    text.push_str("| --- | --- | --- | --- | --- |\n");
    for row in families().into_iter().flatten() {
        writeln!(text, "{}", line(row)).unwrap();
    }
    text.push('\n');
    text
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("objects-format.md")
}

fn parts(document: &str) -> (&str, &str, &str) {
    let (before, rest) = document.split_once(BEGIN).expect("the mark before the table");
    let (within, after) = rest.split_once(END).expect("the mark behind the table");
    (before, within, after)
}

#[test]
fn the_document_says_what_the_rows_say() {
    let document = std::fs::read_to_string(path()).unwrap();
    assert_eq!(parts(&document).1, table());
}

#[test]
#[ignore = "writes the table anew"]
fn rewrite() {
    let document = std::fs::read_to_string(path()).unwrap();
    let (before, _, after) = parts(&document);
    std::fs::write(path(), format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
}
