//! What commands of the guest leave behind, read: how and when they ended, where `browse` listens, what a tree holds.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::error::{LabError, Result};

/// Prints the exit status of what ran before it, and the guest's time since it started.
pub const TELL_END: &str = "echo $? $(cut -d' ' -f1 /proc/uptime)";
/// Prints the guest's time since it started, in seconds.
pub const UPTIME: &str = "cut -d' ' -f1 /proc/uptime";
/// Prints a line for each file below the working directory with its hash, and one for each entry with type, rights, time and name.
pub const LIST: &str = "find . -type f -exec sha256sum {} + && find . ! -name . -exec stat -c '%f %Y %n' {} +";

/// Takes out of what a command printed the lines by which the machine tells that others have ended meanwhile.
#[must_use]
pub fn without_marks(text: &str) -> String {
    let lines = text.lines().map(str::trim_end).filter(|line| !line.starts_with("@end:"));
    lines.collect::<Vec<_>>().join("\n")
}

/// How a command of the guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Its exit status.
    pub code: i32,
    /// When, by the guest's clock.
    pub at: Duration,
    /// What it printed on stderr.
    pub said: String,
}

impl Finish {
    /// Reads what [`TELL_END`] printed.
    ///
    /// # Errors
    /// It is not that.
    pub fn parse(text: &str, said: &str) -> Result<Self> {
        let parsed = text.trim().split_once(' ').and_then(|(code, at)| {
            Some(Self { code: code.parse().ok()?, at: uptime(at).ok()?, said: said.trim().to_owned() })
        });
        parsed.ok_or_else(|| LabError::new(format!("a command of the guest ended with `{}`", text.trim())))
    }

    /// Returns how long after a moment it ended.
    #[must_use]
    pub fn after(&self, moment: Duration) -> Duration {
        self.at.saturating_sub(moment)
    }

    /// Returns what stands behind the last colon of what it said: the system's words for an error.
    #[must_use]
    pub fn reason(&self) -> &str {
        let line = self.said.lines().find(|line| line.contains(": ")).unwrap_or(&self.said);
        line.rsplit(": ").next().unwrap_or_default().trim()
    }
}

/// Reads what [`UPTIME`] printed.
///
/// # Errors
/// It is no number of seconds.
pub fn uptime(text: &str) -> Result<Duration> {
    let seconds = text.trim().parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| LabError::new(format!("the guest's clock shows `{}`", text.trim())))
}

/// Returns a span as people read it.
#[must_use]
pub fn seconds(span: Duration) -> String {
    format!("{:.2} s", span.as_secs_f64())
}

/// Reads from the events of `browse` the address of WebDAV that takes no password beside it.
///
/// # Errors
/// It does not say where it listens.
pub fn webdav_address(events: &str) -> Result<String> {
    let mut parsed = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let listening = parsed.rfind(|event| event["event"] == "listening").unwrap_or_default();
    match (listening["webdav_url"].as_str(), listening["webdav_password"].as_str()) {
        (Some(url), Some(password)) => Ok(format!("{url}{password}/")),
        _ => Err(LabError::new(format!("browse does not say where it listens: {events}"))),
    }
}

/// Reads how many bytes were read from a disk off its line of `/sys/block/*/stat`, which counts sectors of 512 bytes in the third field.
///
/// # Errors
/// It is no such line.
pub fn read_bytes(stat: &str) -> Result<u64> {
    let sectors = stat.split_whitespace().nth(2).and_then(|field| field.parse::<u64>().ok());
    sectors.map(|sectors| sectors * 512).ok_or_else(|| LabError::new(format!("a disk's counters are `{stat}`")))
}

/// Compares two outputs of [`LIST`], whose order means nothing.
///
/// # Errors
/// Says by how many lines they differ, and the first of them.
pub fn must_be_alike(expected: &str, found: &str) -> Result<()> {
    let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<BTreeSet<_>>();
    let (expected, found) = (lines(expected), lines(found));
    let (lacks, has) = (expected.difference(&found), found.difference(&expected));
    let (lacks, has): (Vec<_>, Vec<_>) = (lacks.collect(), has.collect());
    match (lacks.first(), has.first()) {
        (None, None) => Ok(()),
        (first_lack, first_more) => Err(LabError::new(format!(
            "the tree lacks {} lines (first: {first_lack:?}) and has {} others (first: {first_more:?})",
            lacks.len(),
            has.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_read_with_its_time_and_reason() {
        let finish = Finish::parse("1 123.45\r\n", "dd: error reading '/v/film.bin': I/O error\n").unwrap();
        assert_eq!((finish.code, finish.at, finish.reason()), (1, Duration::from_millis(123_450), "I/O error"));
        assert_eq!(finish.after(Duration::from_millis(123_000)), Duration::from_millis(450));
        assert_eq!(finish.after(Duration::from_secs(200)), Duration::ZERO);
        assert_eq!(Finish::parse("0 1.00", "").unwrap().reason(), "");
        for wrong in ["", "1", "x 1.0", "1 -2", "1 never"] {
            assert!(Finish::parse(wrong, "").is_err(), "{wrong}");
        }
        assert_eq!(seconds(Duration::from_millis(307)), "0.31 s");
    }

    #[test]
    fn the_end_of_another_command_is_no_output() {
        assert_eq!(without_marks("@end:10:0\r\n2 12.53\r\n"), "2 12.53");
        assert_eq!(without_marks("ab  ./a\n@end:3:16\ncd  ./b @end:\n"), "ab  ./a\ncd  ./b @end:");
    }

    #[test]
    fn the_last_address_that_was_told_is_taken() {
        let event = |port: u16| {
            format!(
                "{{\"event\":\"listening\",\"webdav_url\":\"http://127.0.0.1:{port}/dav/\",\"webdav_password\":\"ab\"}}"
            )
        };
        let events = format!("noise\n{}\n{}\n{{\"event\":\"opened\"}}\n", event(1), event(2));
        assert_eq!(webdav_address(&events).unwrap(), "http://127.0.0.1:2/dav/ab/");
        assert!(webdav_address("{\"event\":\"listening\"}\n").is_err() && webdav_address("").is_err());
    }

    #[test]
    fn what_was_read_is_counted_in_sectors() {
        assert_eq!(read_bytes("     123        0     2048       88    0  0\n").unwrap(), 1 << 20);
        assert!(read_bytes("1 2").is_err() && read_bytes("1 2 x").is_err());
    }

    #[test]
    fn trees_are_alike_in_any_order_and_one_line_makes_a_difference() {
        let tree = "ab  ./a\ncd  ./b c\n81a4 7 ./a\n";
        assert!(must_be_alike(tree, "81a4 7 ./a\r\ncd  ./b c\r\nab  ./a").is_ok());
        let error = must_be_alike(tree, "ab  ./a\nce  ./b c\n81a4 7 ./a\n").unwrap_err().to_string();
        assert!(error.contains("cd  ./b c") && error.contains("ce  ./b c"), "{error}");
        assert!(must_be_alike(tree, "").is_err() && must_be_alike("", tree).is_err());
    }
}
