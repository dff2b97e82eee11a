//! What reaches stdout, and what a closed pipe means.

use std::sync::Arc;

use super::*;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn written(json: bool, quiet: bool) -> String {
    let kept = Kept::default();
    let output = Output::to(Box::new(kept.clone()), json, quiet, false);
    output.text("for people").unwrap();
    output.json(&json!({"a": 1})).unwrap();
    output.event(&json!({"event": "x"}));
    output.field("name", "value").unwrap();
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn text_json_and_quiet_are_kept_apart() {
    assert_eq!(written(false, false), "for people\nname         value\n");
    assert_eq!(written(true, false), "{\"a\":1}\n{\"event\":\"x\"}\n");
    assert_eq!(written(true, true), "");
    assert_eq!(written(false, true), "");
}

#[test]
fn only_a_broken_pipe_counts_as_closed() {
    for (kind, closed) in [(io::ErrorKind::BrokenPipe, true), (io::ErrorKind::StorageFull, false)] {
        let output = Output::to(Box::new(Broken(kind)), false, false, false);
        assert_eq!(output.text("x").unwrap_err().kind(), ErrorKind::Other);
        assert_eq!(output.is_closed(), closed);
    }
}

#[test]
fn names_reach_json_and_terminals_unharmed() {
    let mut object = Map::new();
    put_path(&mut object, "/ä\n".as_bytes());
    assert_eq!(Value::Object(object).to_string(), "{\"path\":\"/ä\\n\"}");
    let mut object = Map::new();
    put_path(&mut object, b"/\xff");
    assert_eq!(Value::Object(object).to_string(), "{\"path_hex\":\"2fff\"}");
    assert_eq!(on_one_line("a\x1b[2J\nb\rü"), "a\\u{1b}[2J b\\rü");
    assert_eq!(mode_text(0o644), "0644");
    assert_eq!(mode_text(0o1777), "1777");
}

#[cfg(windows)]
#[test]
fn a_path_is_shown_as_people_write_it() {
    let show = |path: &str| shown(std::path::Path::new(path));
    assert_eq!(show(r"C:\Users\ann\key"), r"C:\Users\ann\key");
    assert_eq!(show(r"\\?\C:\Users\ann"), r"C:\Users\ann");
    assert_eq!(show(r"\\?\UNC\server\share"), r"\\?\UNC\server\share");
    assert_eq!(show("C:\\a\u{1b}[2J"), r"C:\a\x1b[2J");
}
