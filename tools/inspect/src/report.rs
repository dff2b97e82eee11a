//! An answer to one question: what is asked for, lists of rows, and all that was damaged or left out on the way.
//!
//! As JSON it is one document, for people a few lines and tables. It is made whole before it is shown, so that a medium that
//! goes away meanwhile is told from a damaged one.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::ITEMS_MAX;
use crate::shown::{Shown, plain};

/// The most problems that are listed; the others are counted.
const PROBLEMS_MAX: usize = 1000;

/// What was damaged, or left out since it did not read; each said once, in the order in which it was met.
#[derive(Debug, Clone, Default)]
pub struct Problems {
    texts: Vec<String>,
    known: HashSet<String>,
    left_out: u64,
}

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, text: impl Into<String>) {
        let text = text.into();
        if self.known.contains(&text) {
            return;
        }
        if self.texts.len() == PROBLEMS_MAX {
            self.left_out += 1;
            return;
        }
        self.known.insert(text.clone());
        self.texts.push(text);
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.texts.len() as u64 + self.left_out
    }

    /// Returns those that are listed.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// One list of a report.
struct List {
    name: &'static str,
    columns: &'static [&'static str],
    rows: Vec<Shown>,
    left_out: u64,
}

/// What is shown at once.
pub struct Report {
    head: Shown,
    lists: Vec<List>,
    problems: Problems,
}

impl Report {
    /// Makes a report of what is known as a whole and what is wrong.
    #[must_use]
    pub fn new(head: Shown, problems: Problems) -> Self {
        Self { head, lists: Vec::new(), problems }
    }

    /// Adds a list. A table shows the `columns` of it alone, a document every field; neither more than 100,000 rows.
    #[must_use]
    pub fn with_list(
        mut self,
        name: &'static str,
        columns: &'static [&'static str],
        rows: impl IntoIterator<Item = Shown>,
    ) -> Self {
        let mut rows = rows.into_iter();
        let kept: Vec<Shown> = rows.by_ref().take(ITEMS_MAX).collect();
        let left_out = rows.count() as u64;
        self.lists.push(List { name, columns, rows: kept, left_out });
        self
    }

    /// Returns what is wrong.
    #[must_use]
    pub fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Returns it as one JSON document: the fields of the head, each list under its name (`<name>_left_out` says how many rows
    /// it lacks), and `problems`, which is empty where nothing is wrong.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut document = self.head.to_json();
        for list in &self.lists {
            document[list.name] = list.rows.iter().map(Shown::to_json).collect();
            if list.left_out > 0 {
                document[format!("{}_left_out", list.name)] = json!(list.left_out);
            }
        }
        document["problems"] = json!(self.problems.texts);
        if self.problems.left_out > 0 {
            document["problems_left_out"] = json!(self.problems.left_out);
        }
        document
    }

    /// Returns it as lines: the head, a table for each list that is not empty, the problems. A column without any value is
    /// left away.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.head.to_text();
        for list in self.lists.iter().filter(|list| !list.rows.is_empty()) {
            text.push_str(&format!("{}\n{}", list.name, list.to_table()));
        }
        if self.problems.count() > 0 {
            text.push_str("problems\n");
            self.problems.texts.iter().for_each(|problem| text.push_str(&format!("  {}\n", plain(problem))));
        }
        if self.problems.left_out > 0 {
            text.push_str(&format!("  and {} more\n", self.problems.left_out));
        }
        text
    }
}

impl List {
    fn to_table(&self) -> String {
        // A column that says nothing anywhere is left away.
        let says = |column: &&&str| self.rows.iter().any(|row| row.cell(column) != "-");
        let columns: Vec<&str> = self.columns.iter().filter(says).copied().collect();
        let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|column| (*column).to_owned()).collect()];
        lines.extend(self.rows.iter().map(|row| columns.iter().map(|column| row.cell(column)).collect()));
        let to_right: Vec<bool> =
            columns.iter().map(|column| self.rows.iter().any(|row| row.is_number(column))).collect();
        let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns.len()).map(width).collect();
        let mut table = String::new();
        for line in &lines {
            let mut shown = String::new();
            for (at, cell) in line.iter().enumerate() {
                let width = widths[at];
                shown.push_str("  ");
                shown.push_str(&if to_right[at] { format!("{cell:>width$}") } else { format!("{cell:<width$}") });
            }
            table.push_str(shown.trim_end());
            table.push('\n');
        }
        if self.left_out > 0 {
            table.push_str(&format!("  and {} more\n", self.left_out));
        }
        table
    }
}

#[cfg(test)]
mod tests;
