//! Where passphrases come from.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn passphrases(source: PassphraseSource, ask: AskPerson) -> Passphrases {
    Passphrases { source, known: Mutex::new(None), ask }
}

fn nobody(_: &str) -> std::io::Result<String> {
    panic!("nobody is to be asked")
}

#[test]
fn a_file_answers_with_its_first_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p");
    crate::disk::host::write_host_file_new(&file, "gehe im \r\nsecond\n".as_bytes()).unwrap();
    let from_file = passphrases(PassphraseSource::File(file), nobody);
    assert_eq!(*from_file.for_existing("passphrase of x").unwrap(), "gehe im ");
    assert_eq!(from_file.for_new().unwrap().unwrap().as_str(), "gehe im ");
    let missing = passphrases(PassphraseSource::File(dir.path().join("none")), nobody);
    assert_eq!(missing.for_existing("x").unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn a_person_is_asked_once_and_twice_for_a_new_one() {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let ask: AskPerson = |_| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        Ok("word".to_owned())
    };
    let person = passphrases(PassphraseSource::Ask, ask);
    for _ in 0..3 {
        assert_eq!(*person.for_existing("passphrase of x").unwrap(), "word");
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    assert!(passphrases(PassphraseSource::Ask, ask).for_new().unwrap().is_some());
    assert_eq!(ASKED.load(Ordering::Relaxed), 3);
}

#[test]
fn two_different_ones_and_none_at_all_are_refused() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let differ: AskPerson = |_| Ok(format!("word {}", COUNT.fetch_add(1, Ordering::Relaxed)));
    assert_eq!(passphrases(PassphraseSource::Ask, differ).for_new().unwrap_err().kind(), ErrorKind::Usage);
    let empty: AskPerson = |_| Ok(String::new());
    assert_eq!(passphrases(PassphraseSource::Ask, empty).for_new().unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn without_a_terminal_the_sentence_names_the_flag() {
    let error = passphrases(PassphraseSource::Nobody, nobody).for_new().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(
        error.to_string().contains("--passphrase-file") && error.to_string().contains("--no-passphrase"),
        "{error}"
    );
    let none = passphrases(PassphraseSource::None, nobody);
    assert!(none.for_new().unwrap().is_none());
    assert_eq!(none.for_existing("passphrase of x").unwrap_err().kind(), ErrorKind::NoIdentity);
}
