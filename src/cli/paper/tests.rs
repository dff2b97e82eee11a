//! Codes that a scanner can find, and texts that fit into none.

use super::*;

#[test]
fn a_code_has_a_quiet_zone_and_the_corners_that_scanners_look_for() {
    let code = qr_code("AGE-SECRET-KEY-1QQQ").unwrap();
    let lines: Vec<Vec<char>> = code.lines().map(|line| line.chars().collect()).collect();
    let width = lines[0].len();
    assert!(lines.iter().all(|line| line.len() == width));
    assert_eq!(lines.len(), width.div_ceil(2));
    assert!(lines[..2].iter().flatten().all(|&c| c == ' '), "four rows of modules are two lines");
    let corner: String = lines[2][4..11].iter().collect();
    assert_eq!(corner, "█▀▀▀▀▀█");
    assert_eq!(lines[2][width - 11..width - 4].iter().collect::<String>(), "█▀▀▀▀▀█");
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    assert_eq!(qr_code(&"x".repeat(4000)).unwrap_err().kind(), ErrorKind::Other);
}
