//! `lab report`: the long form. Runs every part one after the other and writes what they printed into the lab's README.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use chunkstore::base::Clock;
use chunkstore::base::clock::SystemClock;

use crate::error::{LabError, Result};
use crate::kit::{DEFAULT_DIR, Kit};
use crate::machine::Machine;

/// The lines of the README between which the report stands.
const BEGIN: &str = "<!-- report: begin -->";
const END: &str = "<!-- report: end -->";

/// What `lab report` is asked for.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
    /// Random subsets of the writes between two flushes
    #[arg(long, value_name = "K", default_value_t = 150)]
    pub subsets: u32,
    /// Pulls over all media
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub pulls: u32,
    /// Kills over all media
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub kills: u32,
    /// What everything random follows from
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The page whose report is replaced
    #[arg(long, value_name = "FILE", default_value = "tools/lab/README.md")]
    pub readme: PathBuf,
}

/// One part of the lab, as it is run for the report.
struct Chapter {
    title: &'static str,
    words: Vec<String>,
}

/// How a chapter ended.
struct Ended {
    printed: String,
    held: bool,
    took: Duration,
}

/// Runs the long form and writes its report; returns whether every part held.
///
/// # Errors
/// When a part cannot be started or the page not be written.
pub fn run(args: &ReportArgs) -> Result<bool> {
    let kernel = Machine::restore(&Kit::open(&args.dir)?)?.run("uname -r", Duration::from_secs(20))?;
    let page = read_page(&args.readme)?;
    let program = std::env::current_exe().map_err(|error| LabError::because("cannot find this program", error))?;
    let mut report = heading(args, kernel.trim());
    let mut held = true;
    for chapter in chapters(args) {
        eprintln!("lab report: {}: {}", chapter.title, chapter.words.join(" "));
        let ended = run_chapter(&program, &chapter)?;
        held &= ended.held;
        add_chapter(&mut report, &chapter, &ended);
    }
    let written = std::fs::write(&args.readme, with_report(&page, &report)?);
    written.map_err(|error| LabError::because(format!("cannot write {}", args.readme.display()), error))?;
    Ok(held)
}

fn heading(args: &ReportArgs, kernel: &str) -> String {
    let now = SystemClock.now().to_string();
    let day = now.split('T').next().unwrap_or(&now);
    let ReportArgs { subsets, pulls, kills, seed, .. } = args;
    format!(
        "Written on {day} by `cargo xtask lab report --subsets {subsets} --pulls {pulls} --kills {kills} --seed {seed}`; \
         Linux {kernel} in the machine.\n"
    )
}

/// Returns the parts in their order; what one records the next ones replay.
fn chapters(args: &ReportArgs) -> Vec<Chapter> {
    let dir = args.dir.display().to_string();
    let recordings = args.dir.join("recordings");
    let of = |medium: &str| {
        let file = |story: &str| recordings.join(format!("{story}-{medium}.rec")).display().to_string();
        [file("key"), file("publisher")]
    };
    let own = ["vfat", "vfat-flush", "vfat-4k", "exfat"].map(of).concat();
    let mounted = ["ext4", "ntfs"].map(of).concat();
    let (subsets, seed) = (args.subsets.to_string(), args.seed.to_string());
    let replay = |files: &[String], more: &[&str]| {
        let fixed = ["replay", "--seed", &seed].map(str::to_owned);
        [&fixed, files, &more.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()].concat()
    };
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let (pulls, kills) = (args.pulls.to_string(), args.kills.to_string());
    vec![
        Chapter { title: "Recording", words: words(&["record", "--dir", &dir]) },
        Chapter {
            title: "Every state, by the lab's own readers",
            words: replay(&own, &["--subsets", &subsets, "--torn", "all"]),
        },
        Chapter {
            title: "A sample of the states, by the kernel's own drivers",
            words: replay(&own, &["--kernel", "30", "--dir", &dir]),
        },
        Chapter {
            title: "A sample of the states after fsck",
            words: replay(&own, &["--after", "fsck", "--sample", "40"]),
        },
        Chapter {
            title: "States mounted by ext4 and NTFS-3G",
            words: replay(&mounted, &["--subsets", "3", "--sample", "2"]),
        },
        Chapter {
            title: "A device that acknowledges flushes and loses up to 3 of them",
            words: replay(&own, &["--lying", "3", "--refused", "count"]),
        },
        Chapter {
            title: "Bytes that reach the key",
            words: [words(&["amplification"]), own.clone(), mounted.clone()].concat(),
        },
        Chapter { title: "Pulls", words: words(&["unplug", "--pulls", &pulls, "--seed", &seed, "--dir", &dir]) },
        Chapter { title: "Kills", words: words(&["kill", "--kills", &kills, "--seed", &seed, "--dir", &dir]) },
        Chapter { title: "Worn keys", words: words(&["worn", "--dir", &dir]) },
    ]
}

fn run_chapter(program: &Path, chapter: &Chapter) -> Result<Ended> {
    let start = Instant::now();
    let child = Command::new(program).args(&chapter.words).stderr(Stdio::inherit()).output();
    let output = child.map_err(|error| LabError::because(format!("cannot start {}", chapter.title), error))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    Ok(Ended { printed, held: output.status.success(), took: start.elapsed() })
}

fn add_chapter(report: &mut String, chapter: &Chapter, ended: &Ended) {
    let verdict = if ended.held { "held" } else { "**did not hold**" };
    let minutes = ended.took.as_secs_f64() / 60.0;
    // Writing to a string does not fail.
    let _ = write!(report, "\n### {}\n\nIt {verdict}, in {minutes:.1} minutes.\n", chapter.title);
    if !ended.printed.is_empty() {
        let _ = write!(report, "\n```text\n{}\n```\n", ended.printed);
    }
}

fn read_page(path: &Path) -> Result<String> {
    let page = std::fs::read_to_string(path);
    let page = page.map_err(|error| LabError::because(format!("cannot read {}", path.display()), error))?;
    // A page without the place is told before the hours of work, not after.
    with_report(&page, "").map(|_| page)
}

/// Puts a report between its two lines.
fn with_report(page: &str, report: &str) -> Result<String> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) =
        parts.ok_or_else(|| LabError::new(format!("the page has no lines `{BEGIN}` and `{END}` for the report")))?;
    Ok(format!("{before}{BEGIN}\n{report}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: ReportArgs,
    }

    #[test]
    fn a_report_replaces_the_one_before_and_nothing_else() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let fresh = with_report(&page, "new\n").unwrap();
        assert_eq!(fresh, format!("above\n{BEGIN}\nnew\n{END}\nbelow\n"));
        assert_eq!(with_report(&fresh, "new\n").unwrap(), fresh);
        assert!(with_report("no place", "new\n").is_err());
    }

    #[test]
    fn what_failed_is_said_and_numbers_are_passed_on() {
        let args = Line::parse_from(["report", "--pulls", "7", "--seed", "9"]).args;
        let chapters = chapters(&args);
        let pulls = chapters.iter().find(|chapter| chapter.title == "Pulls").unwrap();
        assert!(pulls.words.join(" ").contains("--pulls 7 --seed 9"));
        let kernel = chapters.iter().find(|chapter| chapter.title.contains("kernel")).unwrap().words.join(" ");
        assert!(kernel.contains("key-exfat.rec") && kernel.ends_with("--kernel 30 --dir target/lab"), "{kernel}");
        let mut report = heading(&args, "6.1");
        assert!(report.contains("--pulls 7 --kills 60 --seed 9") && report.contains("Linux 6.1"));
        let ended = Ended { printed: "a row".into(), held: false, took: Duration::from_secs(90) };
        add_chapter(&mut report, pulls, &ended);
        assert!(report.contains("**did not hold**, in 1.5 minutes") && report.contains("```text\na row\n```"));
    }
}
