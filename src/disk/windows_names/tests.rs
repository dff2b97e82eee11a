//! Names that lead elsewhere on Windows, and their harmless neighbours.

use super::*;

#[test]
fn what_leads_elsewhere_is_refused() {
    let devices = ["CON", "con", "Prn", "AUX", "NUL", "CONIN$", "conout$", "COM0", "COM1", "com9", "LPT1", "lpt9"];
    let with_endings =
        ["NUL.txt", "LPT1.txt", "con.tar.gz", "NUL .txt", "nul  ", "COM\u{b9}", "lpt\u{b3}.log", "CONIN$.x"];
    let streams_and_drives = ["a:b", "a::$DATA", "C:", "c:evil", ":", "x:y:$INDEX_ALLOCATION"];
    let separators = ["a\\b", "..\\..\\evil", "\\", "\\\\server\\share", "\\\\?\\C:\\x", "a/b"];
    let ends = ["a.", "a ", "a. .", "...", " ", ".. ", "dir.. "];
    let characters =
        ["a<b", "a>b", "a|b", "a?b", "a*b", "a\"b", "a\x01b", "tab\t", "\x1b[2J", "del\x7f", "c1\u{9b}2J", ""];
    for name in devices.iter().chain(&with_endings).chain(&streams_and_drives).chain(&separators).chain(&ends) {
        assert!(!windows_takes(name.as_bytes()), "{name:?}");
    }
    for name in characters {
        assert!(!windows_takes(name.as_bytes()), "{name:?}");
    }
    assert!(!windows_takes(b"no\xffutf8"));
    assert!(!windows_takes("\u{1f600}".repeat(128).as_bytes()), "256 units of UTF-16");
}

#[test]
fn what_looks_like_it_is_taken() {
    let names = [
        "console",
        "CON_",
        "xCON",
        "nul1",
        "COM",
        "COM10",
        "com1x",
        "LPT",
        "lptx",
        "auxiliary.txt",
        "prn-1",
        ".con",
        "..a",
        ".hidden",
        "a.b.c",
        "with blank",
        "gr\u{fc}n",
        "\u{4e2d}\u{6587}",
        "CONIN",
        "-rf",
        "~",
        "%TEMP%",
        "a'b",
    ];
    for name in names {
        assert!(windows_takes(name.as_bytes()), "{name:?}");
    }
    assert!(windows_takes("\u{1f600}".repeat(127).as_bytes()));
}
