//! The long form of the crash sweep: runs it in release and sums what each test printed.
//!
//! Exits 0 only when no test failed and every line of the sum could be read.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use crate::cargo::cargo;

/// Columns of the table; what runs on no medium, like a restore into a folder, is `other`.
const MEDIA: [&str; 5] = ["ext4", "ntfs", "exfat", "fat32", "other"];

/// Images by story and medium, and what the test runner said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    images: BTreeMap<String, [u64; MEDIA.len()]>,
    passed: u64,
    failed: u64,
}

/// Runs the long form, or one with so many distinct images a test, and prints a table; returns whether all held.
#[must_use]
pub fn run(root: &Path, images: &str) -> bool {
    let started = Instant::now();
    let mut command = cargo(root);
    command.args(["test", "--release", "--test", "crash", "--", "--nocapture"]);
    command.env("CHUNKSTORE_SWEEP", images).stdout(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("sweep: cannot start cargo: {error}");
            return false;
        }
    };
    let mut sum = Sum::default();
    for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
        println!("{line}");
        sum.add(&line);
    }
    let ended_well = child.wait().is_ok_and(|status| status.success());
    println!("\n{}", sum.table());
    println!("{} tests held and {} failed in {} s", sum.passed, sum.failed, started.elapsed().as_secs());
    ended_well && sum.failed == 0 && sum.total() > 0
}

impl Sum {
    /// Adds a line that a test or the runner printed; others are passed over.
    fn add(&mut self, line: &str) {
        // A runner with several threads may have begun a line of its own.
        if let Some((_, line)) = line.split_once("sweep | ") {
            let fields: Vec<&str> = line.split('|').map(str::trim).collect();
            let images = fields.last().and_then(|last| last.strip_suffix(" images")).and_then(|n| n.parse().ok());
            if let (&[test, medium, ..], Some(images)) = (&fields[..], images) {
                self.add_images(test, &medium.to_lowercase(), images);
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let words: Vec<&str> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
                words.windows(2).find(|pair| pair[1] == what).and_then(|pair| pair[0].parse::<u64>().ok())
            };
            self.passed += count("passed").unwrap_or(0);
            self.failed += count("failed").unwrap_or(0);
        }
    }

    fn add_images(&mut self, test: &str, medium: &str, images: u64) {
        let story = test.rsplit_once("::").filter(|(_, last)| *last == medium).map_or(test, |(story, _)| story);
        let column = MEDIA.iter().position(|name| *name == medium).unwrap_or(MEDIA.len() - 1);
        self.images.entry(story.to_owned()).or_default()[column] += images;
    }

    fn total(&self) -> u64 {
        self.images.values().flatten().sum()
    }

    /// Shows the images of each story on each medium, and all together.
    fn table(&self) -> String {
        let row = |name: &str, cells: &[String]| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>9} |")).collect();
            format!("| {name:36} |{cells}\n")
        };
        let mut text = row("distinct images after a cut", &MEDIA.map(str::to_owned));
        let rule = "-".repeat(9);
        text += &row(&"-".repeat(36), &MEDIA.map(|_| rule.clone()));
        let mut sums = [0; MEDIA.len()];
        for (story, images) in &self.images {
            text += &row(story, &images.map(|count| count.to_string()));
            sums.iter_mut().zip(images).for_each(|(sum, count)| *sum += count);
        }
        text += &row("together", &sums.map(|count| count.to_string()));
        format!("{text}\n{} distinct images", self.total())
    }
}

#[cfg(test)]
mod tests;
