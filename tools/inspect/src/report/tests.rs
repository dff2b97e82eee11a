//! What a report looks like, and that hostile texts and long lists stay within bounds.

use super::*;

fn report(rows: usize) -> Report {
    let mut problems = Problems::default();
    problems.add("HEAD: it is empty");
    problems.add("HEAD: it is empty");
    let row = |at: usize| Shown::row().with("len_bytes", at * 1000).with_bytes(["path", "path_hex"], b"/a\x1b[2J");
    let hidden = |row: Shown| row.with("id", "only in JSON");
    Report::new(Shown::new("sizes").with("of", "/"), problems)
        .with_list("entries", &["len_bytes", "since", "path"], (0..rows).map(row).map(hidden))
        .with_list("nothing", &["path"], [])
}

#[test]
fn people_get_tables_and_programs_one_document() {
    let report = report(2);
    let text = report.to_text();
    let expected = "sizes /\nentries\n  len_bytes  path\n          0  /a\\x1b[2J\n       1000  /a\\x1b[2J\nproblems\n  HEAD: it is empty\n";
    assert_eq!(text, expected);
    let json = report.to_json();
    assert_eq!((&json["what"], &json["entries"][1]["id"]), (&json!("sizes"), &json!("only in JSON")));
    assert_eq!((&json["nothing"], &json["problems"]), (&json!([]), &json!(["HEAD: it is empty"])));
    assert_eq!(report.problems().count(), 1, "each is said once");
}

#[test]
fn a_list_and_the_problems_end_somewhere() {
    let json = report(ITEMS_MAX + 3).to_json();
    assert_eq!(json["entries"].as_array().unwrap().len(), ITEMS_MAX);
    assert_eq!(json["entries_left_out"], 3);
    let mut problems = Problems::default();
    (0..PROBLEMS_MAX + 5).for_each(|at| problems.add(format!("object {at}")));
    assert_eq!((problems.texts().len(), problems.count()), (PROBLEMS_MAX, PROBLEMS_MAX as u64 + 5));
    let report = Report::new(Shown::new("reach"), problems);
    assert_eq!(report.to_json()["problems_left_out"], 5);
    assert!(report.to_text().ends_with("  and 5 more\n"));
}

#[test]
fn a_name_that_is_no_text_is_shown_in_hex() {
    let row = Shown::row().with_bytes(["path", "path_hex"], b"/\xff");
    assert_eq!((row.cell("path"), row.cell("pack")), ("hex:2fff".to_owned(), "-".to_owned()));
}
