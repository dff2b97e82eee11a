//! `lab report`: the long form. Runs every part one after the other and writes what they printed into the lab's README, each
//! part as a chapter of its own with its day and command, so that one can be run again without the others.

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
    /// A chapter by the beginning of its title, repeatable; the others stay as they are [default: all]
    #[arg(long, value_name = "TITLE")]
    pub only: Vec<String>,
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
    let is_wanted = |title: &str| args.only.is_empty() || args.only.iter().any(|begin| title.starts_with(begin));
    let mut report = parts(&page)?.1.to_owned();
    let mut held = true;
    let wanted: Vec<Chapter> = chapters(args).into_iter().filter(|chapter| is_wanted(chapter.title)).collect();
    if wanted.is_empty() {
        return Err(LabError::new("no chapter's title begins so"));
    }
    for chapter in &wanted {
        eprintln!("lab report: {}: {}", chapter.title, chapter.words.join(" "));
        let ended = run_chapter(&program, chapter)?;
        held &= ended.held;
        report = with_chapter(&report, chapter.title, &told(chapter, &ended, kernel.trim()), &titles(args));
        // What has been found is on the page even where a later part cannot be run.
        let written = std::fs::write(&args.readme, with_report(&page, &report)?);
        written.map_err(|error| LabError::because(format!("cannot write {}", args.readme.display()), error))?;
    }
    Ok(held)
}

fn titles(args: &ReportArgs) -> Vec<&'static str> {
    chapters(args).iter().map(|chapter| chapter.title).collect()
}

/// Puts a chapter's text into a report in place of the one of its title; chapters stand in the order of `titles`, and what
/// has none of these titles goes.
fn with_chapter(report: &str, title: &str, text: &str, titles: &[&str]) -> String {
    let old = |wanted: &str| {
        let mut found = report.split("\n### ").skip(1).filter(|chapter| chapter.lines().next() == Some(wanted));
        found.next().map(|chapter| format!("\n### {}\n", chapter.trim_end()))
    };
    let chapter = |wanted: &&str| if *wanted == title { Some(text.to_owned()) } else { old(wanted) };
    titles.iter().filter_map(chapter).collect()
}

/// The stories of the first chapters; those of the others keep a store in order.
const STORIES: [&str; 2] = ["key", "publisher"];
const UPKEEP: [&str; 4] = ["gc-key", "gc-publisher", "heal", "repair"];
/// The media on which the latter are recorded.
const UPKEEP_MEDIA: [&str; 4] = ["vfat", "exfat", "ext4", "ntfs"];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// Returns the recordings of stories on media.
fn files(args: &ReportArgs, media: &[&str], stories: &[&str]) -> Vec<String> {
    let recordings = args.dir.join("recordings");
    let file = |medium: &str, story: &str| recordings.join(format!("{story}-{medium}.rec")).display().to_string();
    media.iter().flat_map(|medium| stories.iter().map(move |story| file(medium, story))).collect()
}

fn replay(args: &ReportArgs, files: &[String], more: &[&str]) -> Vec<String> {
    [&words(&["replay", "--brief", "--seed", &args.seed.to_string()]), files, &words(more)].concat()
}

/// Returns `--name value` for each value.
fn options(name: &str, values: &[&str]) -> Vec<String> {
    values.iter().flat_map(|value| words(&[name, value])).collect()
}

/// Returns the parts in their order; what one records the next ones replay.
fn chapters(args: &ReportArgs) -> Vec<Chapter> {
    let dir = args.dir.display().to_string();
    let own = files(args, &["vfat", "vfat-flush", "vfat-4k", "exfat"], &STORIES);
    let mounted = files(args, &["ext4", "ntfs"], &STORIES);
    let (subsets, seed) = (args.subsets.to_string(), args.seed.to_string());
    let replay = |files: &[String], more: &[&str]| replay(args, files, more);
    let (pulls, kills) = (args.pulls.to_string(), args.kills.to_string());
    let mut chapters = vec![
        Chapter {
            title: "Recording",
            words: [words(&["record", "--dir", &dir]), options("--story", &STORIES)].concat(),
        },
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
            title: "A sample of those after fsck",
            words: replay(&mounted, &["--subsets", "3", "--after", "fsck", "--sample", "8"]),
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
        Chapter {
            title: "More pulls on NTFS-3G",
            words: words(&["unplug", "--medium", "ntfs", "--pulls", "40", "--seed", "1000", "--dir", &dir]),
        },
        Chapter { title: "Kills", words: words(&["kill", "--kills", &kills, "--seed", &seed, "--dir", &dir]) },
        Chapter { title: "Worn keys", words: words(&["worn", "--dir", &dir]) },
    ];
    chapters.extend(upkeep_chapters(args, &dir, &seed));
    chapters
}

/// Returns the parts about collecting garbage, healing and repairing.
fn upkeep_chapters(args: &ReportArgs, dir: &str, seed: &str) -> Vec<Chapter> {
    let own = files(args, &UPKEEP_MEDIA[..2], &UPKEEP);
    let mounted = files(args, &UPKEEP_MEDIA[2..], &UPKEEP);
    let subsets = args.subsets.to_string();
    // Fewer of each than for syncs, as there are two verbs and both are short.
    let [pulls, kills] = [args.pulls.div_ceil(8), args.kills.div_ceil(5)].map(|count| count.to_string());
    let chore = |verb: &str, chore: &str, count: &[&str]| {
        words(&[&[verb, "--chore", chore], count, &["--seed", seed, "--dir", dir]].concat())
    };
    vec![
        Chapter {
            title: "Upkeep: recording",
            words: [words(&["record", "--dir", dir]), options("--story", &UPKEEP), options("--medium", &UPKEEP_MEDIA)]
                .concat(),
        },
        Chapter {
            title: "Upkeep: every state, by the lab's own readers",
            words: replay(args, &own, &["--subsets", &subsets, "--torn", "all"]),
        },
        Chapter {
            title: "Upkeep: a sample, by the kernel's own drivers",
            words: replay(args, &own, &["--kernel", "8", "--dir", dir]),
        },
        Chapter {
            title: "Upkeep: states mounted by ext4 and NTFS-3G",
            words: replay(args, &mounted, &["--subsets", "3", "--sample", "2"]),
        },
        Chapter { title: "Upkeep: pulls out of a gc", words: chore("unplug", "gc", &["--pulls", &pulls]) },
        Chapter { title: "Upkeep: pulls out of a heal", words: chore("unplug", "heal", &["--pulls", &pulls]) },
        Chapter { title: "Upkeep: kills of a gc", words: chore("kill", "gc", &["--kills", &kills]) },
        Chapter { title: "Upkeep: kills of a heal", words: chore("kill", "heal", &["--kills", &kills]) },
    ]
}

fn run_chapter(program: &Path, chapter: &Chapter) -> Result<Ended> {
    let start = Instant::now();
    let child = Command::new(program).args(&chapter.words).stderr(Stdio::inherit()).output();
    let output = child.map_err(|error| LabError::because(format!("cannot start {}", chapter.title), error))?;
    let printed = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    Ok(Ended { printed, held: output.status.success(), took: start.elapsed() })
}

/// Returns a chapter as it stands on the page.
fn told(chapter: &Chapter, ended: &Ended, kernel: &str) -> String {
    let verdict = if ended.held { "held" } else { "**did not hold**" };
    let minutes = ended.took.as_secs_f64() / 60.0;
    let now = SystemClock.now().to_string();
    let day = now.split('T').next().unwrap_or(&now);
    let command = chapter.words.join(" ");
    let mut text = format!(
        "\n### {}\n\nIt {verdict}, in {minutes:.1} minutes, on {day} with Linux {kernel} in the machine:\n`cargo xtask lab {command}`\n",
        chapter.title
    );
    if !ended.printed.is_empty() {
        text.push_str(&format!("\n```text\n{}\n```\n", ended.printed));
    }
    text
}

fn read_page(path: &Path) -> Result<String> {
    let page = std::fs::read_to_string(path);
    let page = page.map_err(|error| LabError::because(format!("cannot read {}", path.display()), error))?;
    // A page without the place is told before the hours of work, not after.
    with_report(&page, "").map(|_| page)
}

/// Puts a report between its two lines.
fn with_report(page: &str, report: &str) -> Result<String> {
    let (before, _, after) = parts(page)?;
    Ok(format!("{before}{BEGIN}\n{report}{END}{after}"))
}

/// Returns what stands before, between and after the two lines.
fn parts(page: &str) -> Result<(&str, &str, &str)> {
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (report, after) = rest.split_once(END)?;
        Some((before, report, after))
    });
    parts.ok_or_else(|| LabError::new(format!("the page has no lines `{BEGIN}` and `{END}` for the report")))
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
    fn one_chapter_is_replaced_and_the_others_stay_in_their_order() {
        let [first, second] = [("One", "a"), ("Two", "b")].map(|(title, text)| format!("\n### {title}\n\n{text}\n"));
        let titles = ["One", "Two", "Three"];
        let report = with_chapter("\nThere is none yet.\n", "Two", &second, &titles);
        assert_eq!(report, second);
        assert_eq!(with_chapter(&report, "One", &first, &titles), format!("{first}{second}"));
        let again = with_chapter(&format!("{first}{second}\n### Gone\n\nc\n"), "Two", "\n### Two\n\nnew\n", &titles);
        assert_eq!(again, format!("{first}\n### Two\n\nnew\n"));
    }

    #[test]
    fn what_failed_is_said_and_numbers_are_passed_on() {
        let args = Line::parse_from(["report", "--pulls", "7", "--seed", "9"]).args;
        let chapters = chapters(&args);
        let pulls = chapters.iter().find(|chapter| chapter.title == "Pulls").unwrap();
        assert!(pulls.words.join(" ").contains("--pulls 7 --seed 9"));
        let kernel = chapters.iter().find(|chapter| chapter.title.contains("kernel")).unwrap().words.join(" ");
        assert!(kernel.contains("key-exfat.rec") && kernel.ends_with("--kernel 30 --dir target/lab"), "{kernel}");
        let chores: Vec<_> = chapters.iter().map(|chapter| chapter.words.join(" ")).collect();
        assert!(chores.iter().any(|words| words.starts_with("unplug --chore heal --pulls 1 --seed 9")), "{chores:?}");
        let ended = Ended { printed: "a row".into(), held: false, took: Duration::from_secs(90) };
        let text = told(pulls, &ended, "6.1");
        assert!(text.contains("**did not hold**, in 1.5 minutes") && text.contains("```text\na row\n```"), "{text}");
        assert!(
            text.contains("with Linux 6.1") && text.contains("`cargo xtask lab unplug --pulls 7 --seed 9"),
            "{text}"
        );
    }
}
