//! One thing that is shown, and where it goes: lines for people, or one JSON document a line.
//!
//! Whatever a store says may be hostile: control characters and those that turn the direction of writing are escaped in
//! both forms, and long texts are cut for people.

use std::io::{self, Write};

use chunkstore::base::paths::show_bytes;
use serde_json::{Map, Value, json};

use crate::report::Report;

/// Longest value of a line for people, in characters.
const TEXT_MAX_CHARS: usize = 2048;

/// One thing with what is known of it and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    what: &'static str,
    fields: Vec<(&'static str, Value)>,
    wrong: Vec<String>,
}

impl Shown {
    /// Starts with what it is: `head`, `pack`, `object`.
    #[must_use]
    pub fn new(what: &'static str) -> Self {
        Self { what, fields: Vec::new(), wrong: Vec::new() }
    }

    /// Starts a row of a list: it is what the list is called.
    #[must_use]
    pub fn row() -> Self {
        Self::new("")
    }

    /// Adds a field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Adds a field of text, an id among them.
    #[must_use]
    pub fn with_text(self, name: &'static str, value: impl ToString) -> Self {
        self.with(name, value.to_string())
    }

    /// Adds a name or a path of a snapshot: a text, or `<name>_hex` as the second name where it is no UTF-8.
    #[must_use]
    pub fn with_bytes(self, names: [&'static str; 2], bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.with(names[0], text),
            Err(_) => self.with(names[1], hex::encode(bytes)),
        }
    }

    /// Adds something that is wrong with it.
    #[must_use]
    pub fn but(mut self, wrong: impl Into<String>) -> Self {
        self.wrong.push(wrong.into());
        self
    }

    /// Adds all that is wrong with it.
    #[must_use]
    pub fn but_all(mut self, wrong: impl IntoIterator<Item = String>) -> Self {
        self.wrong.extend(wrong);
        self
    }

    /// Takes out what is wrong with it, for a report that says so elsewhere.
    #[must_use]
    pub fn take_wrong(&mut self) -> Vec<String> {
        std::mem::take(&mut self.wrong)
    }

    /// Returns it as a JSON document: `what`, its fields, and `wrong` where something is.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        if !self.what.is_empty() {
            object.insert("what".to_owned(), json!(self.what));
        }
        object.extend(self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if !self.wrong.is_empty() {
            object.insert("wrong".to_owned(), json!(self.wrong));
        }
        Value::Object(object)
    }

    /// Returns one field for a column of a table: `-` where it has none, the hex digits where a name is no UTF-8.
    #[must_use]
    pub fn cell(&self, column: &str) -> String {
        if column == "what" {
            return self.what.to_owned();
        }
        let find =
            |name: &str| self.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| for_people(value));
        let in_hex = || find(&format!("{column}_hex")).map(|digits| format!("hex:{digits}"));
        find(column).or_else(in_hex).unwrap_or_else(|| "-".to_owned())
    }

    /// Returns whether a field is a number, which tables put to the right.
    #[must_use]
    pub fn is_number(&self, column: &str) -> bool {
        self.fields.iter().any(|(field, value)| *field == column && value.is_number())
    }

    /// Returns it as lines: what it is with its first field, the others below, each wrong thing after `WRONG`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut fields = self.fields.iter();
        let title = fields.next().map_or_else(String::new, |(_, value)| format!(" {}", for_people(value)));
        let mut text = format!("{}{title}\n", self.what);
        for (name, value) in fields {
            text.push_str(&format!("  {name:<19} {}\n", for_people(value)));
        }
        for wrong in &self.wrong {
            text.push_str(&format!("  {:<19} {}\n", "WRONG", plain(wrong)));
        }
        text
    }
}

/// Where things are shown.
pub struct Screen<'a> {
    sink: &'a mut dyn Write,
    json: bool,
    wrong: u64,
}

impl<'a> Screen<'a> {
    /// Shows on `sink`.
    pub fn new(sink: &'a mut dyn Write, json: bool) -> Self {
        Self { sink, json, wrong: 0 }
    }

    /// Shows a thing.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn show(&mut self, shown: &Shown) -> io::Result<()> {
        self.wrong += shown.wrong.len() as u64;
        if self.json {
            self.sink.write_all(ascii_controls(&shown.to_json().to_string()).as_bytes())?;
            return self.sink.write_all(b"\n");
        }
        self.sink.write_all(shown.to_text().as_bytes())
    }

    /// Shows a report: one document, or the same as tables.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn report(&mut self, report: &Report) -> io::Result<()> {
        self.wrong += report.problems().count();
        if self.json {
            self.sink.write_all(ascii_controls(&report.to_json().to_string()).as_bytes())?;
            return self.sink.write_all(b"\n");
        }
        self.sink.write_all(report.to_text().as_bytes())
    }

    /// Returns how many wrong things were shown.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.wrong
    }
}

fn for_people(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Null => "-".to_owned(),
        Value::Array(items) => plain(&items.iter().map(for_people).collect::<Vec<_>>().join(" ")),
        other => plain(&other.to_string()),
    }
}

/// Returns whether a character can make a line look like another one.
fn turns_writing(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Escapes what drives a terminal or turns the direction of writing, and cuts what is long.
#[must_use]
pub fn plain(text: &str) -> String {
    let mut line = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == TEXT_MAX_CHARS {
            line.push_str(&format!("... ({} bytes in all)", text.len()));
            break;
        }
        match c {
            c if c.is_control() => line.push_str(&show_bytes(c.to_string().as_bytes())),
            c if turns_writing(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

/// Escapes in JSON what its own rules leave as it is; such characters stand in strings alone.
fn ascii_controls(document: &str) -> String {
    let mut line = String::with_capacity(document.len());
    for c in document.chars() {
        if c.is_control() || turns_writing(c) {
            line.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests;
