//! What the fuzzer prints is read, what is done is remembered, and what is kept is small.

use super::*;

#[test]
fn what_libfuzzer_prints_is_read() {
    let text = "INFO: seed\n#2\tINITED cov: 411 ft: 80 corp: 3/9b\n#900\tNEW    cov: 520 ft: 90 corp: 4/10b\n\
        #1000\tDONE   cov: 519 ft: 90\nstat::number_of_executed_units: 123456\nstat::average_exec_per_sec:     99\n";
    assert_eq!(stats(text), (123_456, 520));
    assert_eq!(stats("no such lines"), (0, 0));
}

#[test]
fn a_record_comes_back_as_it_was_written() {
    let done = |failed| Done { seconds: 600, inputs: 7, edges: 8, commit: "0123456789ab+".to_owned(), failed };
    let record = BTreeMap::from([("head".to_owned(), done(false)), ("tree".to_owned(), done(true))]);
    assert_eq!(read_record(&shown_record(&record)), record);
    assert_eq!(read_record("| head | many | 7 | 8 | x | held |\nnothing"), BTreeMap::new());
}

#[test]
fn few_and_short_inputs_are_kept() {
    let text = kept(vec![vec![], vec![0xab; 600], vec![0xcd; 2], vec![1], vec![0xef; 512]]);
    assert_eq!(text.lines().map(str::len).collect::<Vec<_>>(), [2, 4, 1024]);
    let many: Vec<Vec<u8>> = (0..100u8).map(|byte| vec![byte; 500]).collect();
    assert!(kept(many).len() <= 2 * KEPT_MAX_BYTES + 8);
}

#[test]
fn the_targets_are_those_of_the_manifest() {
    let targets = targets(&crate::tidy::repository_root()).unwrap();
    assert!(targets.contains(&"manifest".to_owned()) && targets.len() > 20, "{targets:?}");
}
