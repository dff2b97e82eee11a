//! stdout carries results and nothing else: text for people, or JSON with one document or event a line.
//!
//! `-q` leaves it empty. A reader that closes the pipe has what it wanted: the run ends well. Long work that only
//! tells of itself goes on without its listener. What the lines hold is described in `json.md`.

use std::io::{self, BufWriter, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::base::paths::{drives_a_terminal, show_bytes};
use crate::error::{Error, ErrorKind, Result};

/// A colour of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Heads of columns, names of fields.
    Bold,
    /// What is gone.
    Red,
    /// What is new.
    Green,
    /// What changed, and ids.
    Yellow,
    /// Directories.
    Blue,
    /// Links, and what moved.
    Cyan,
}

impl Ink {
    fn code(self) -> u8 {
        match self {
            Self::Bold => 1,
            Self::Red => 31,
            Self::Green => 32,
            Self::Yellow => 33,
            Self::Blue => 34,
            Self::Cyan => 36,
        }
    }
}

/// Where results go. Shared by threads.
pub struct Output {
    sink: Mutex<Box<dyn Write + Send>>,
    json: bool,
    quiet: bool,
    color: bool,
    closed: AtomicBool,
}

impl Output {
    /// Writes to stdout.
    #[must_use]
    pub fn stdout(json: bool, quiet: bool, color: bool) -> Self {
        Self::to(Box::new(BufWriter::with_capacity(64 * 1024, io::stdout())), json, quiet, color)
    }

    fn to(sink: Box<dyn Write + Send>, json: bool, quiet: bool, color: bool) -> Self {
        Self { sink: Mutex::new(sink), json, quiet, color, closed: AtomicBool::new(false) }
    }

    /// Returns whether results are JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Returns whether whoever read stdout has gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Writes a line of text; nothing in JSON mode.
    ///
    /// # Errors
    /// As [`Output::bytes`].
    pub fn text(&self, line: impl AsRef<str>) -> Result<()> {
        if self.json { Ok(()) } else { self.bytes(format!("{}\n", line.as_ref()).as_bytes()) }
    }

    /// Writes `name  value` with the name set off by colour; nothing in JSON mode.
    ///
    /// # Errors
    /// As [`Output::bytes`].
    pub fn field(&self, name: &str, value: impl AsRef<str>) -> Result<()> {
        let padded = format!("{name:<12}");
        self.text(format!("{} {}", self.paint(Ink::Bold, &padded), value.as_ref()))
    }

    /// Returns a text in a colour, if colours are shown at all.
    #[must_use]
    pub fn paint(&self, ink: Ink, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}\x1b[0m", ink.code()) } else { text.to_owned() }
    }

    /// Writes a document or event on a line of its own; nothing in text mode.
    ///
    /// # Errors
    /// As [`Output::bytes`].
    pub fn json(&self, value: &Value) -> Result<()> {
        if self.json { self.bytes(format!("{}\n", plain_json(value)).as_bytes()) } else { Ok(()) }
    }

    /// Writes an event that nobody waits for and lets it out at once; a listener that has gone is no failure.
    pub fn event(&self, value: &Value) {
        // A disk that is full behind stdout shows at the last line, which counts.
        let _ = self.json(value).and_then(|()| self.flush());
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// [`ErrorKind::Other`]; [`Output::is_closed`] tells when it is that the reader has gone.
    pub fn bytes(&self, bytes: &[u8]) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        self.lock().write_all(bytes).map_err(|error| self.failed(error))
    }

    /// Lets everything out.
    ///
    /// # Errors
    /// As [`Output::bytes`].
    pub fn flush(&self) -> Result<()> {
        self.lock().flush().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::BrokenPipe {
            self.closed.store(true, Ordering::Relaxed);
        }
        Error::with_source(ErrorKind::Other, "cannot write to the standard output", error)
    }

    fn lock(&self) -> MutexGuard<'_, Box<dyn Write + Send>> {
        self.sink.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a value as JSON that a terminal may show: what could drive it is escaped, as JSON allows for any character.
fn plain_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(drives_a_terminal) {
        return text;
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            // All of them are below U+FFFF.
            c if drives_a_terminal(c) => plain.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => plain.push(c),
        }
    }
    plain
}

/// Puts a path into an object: `path`, or `path_hex` where it is no UTF-8.
pub fn put_path(object: &mut Map<String, Value>, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert("path".to_owned(), json!(text)),
        Err(_) => object.insert("path_hex".to_owned(), json!(hex::encode(bytes))),
    };
}

/// Returns a file's mode as `--json` shows it: octal digits, at least four.
#[must_use]
pub fn mode_text(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Returns a path of the host as text on one line, whatever its name holds.
#[must_use]
pub fn shown(path: &std::path::Path) -> String {
    let text = show_bytes(path.as_os_str().as_encoded_bytes());
    if !cfg!(windows) {
        return text;
    }
    // Where it stands between names it is no mark of an escape; and the long form is for programs.
    let text = text.replace(r"\\", r"\");
    text.strip_prefix(r"\\?\").filter(|rest| !rest.starts_with("UNC")).map_or(text.clone(), str::to_owned)
}

/// Escapes what could drive a terminal in a message that was put together from foreign names.
#[must_use]
pub fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => line.push(' '),
            c if drives_a_terminal(c) => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

/// stdout as a sink of bytes.
pub struct Stdout<'a>(pub &'a Output);

impl Write for Stdout<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bytes(bytes).map(|()| bytes.len()).map_err(io::Error::other)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests;
