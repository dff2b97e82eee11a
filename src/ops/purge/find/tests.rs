//! Paths are what people named, each once.

use super::*;

fn paths(named: &[&str]) -> Result<Paths> {
    let named: Vec<RelPath> = named.iter().map(|path| RelPath::new(path.as_bytes()).unwrap()).collect();
    Paths::new(&named)
}

#[test]
fn paths_hold_what_is_at_or_below_them() {
    let gone = paths(&["/a/b", "a/b/c", "a/bc", "x"]).unwrap();
    assert_eq!(gone.0.len(), 3, "a path below another one is no path of its own");
    let is = |path: &str| gone.holds(&RelPath::new(path.as_bytes()).unwrap());
    assert!(is("a/b") && is("a/b/c/d") && is("a/bc") && is("x/y"));
    assert!(!is("a") && !is("a/bcd") && !is("b") && !is("") && !is("xy"));
    let below = |path: &str| gone.lie_below(&RelPath::new(path.as_bytes()).unwrap());
    assert!(below("") && below("a"));
    assert!(!below("a/b") && !below("x") && !below("a/bc") && !below("b"));
}

#[test]
fn the_root_and_nothing_at_all_are_refused() {
    for named in [&[][..], &["/"], &["a", "//"]] {
        assert_eq!(paths(named).unwrap_err().kind(), ErrorKind::Usage);
    }
}
