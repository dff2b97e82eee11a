//! `lab reading`: a key is pulled while it is read: through a mount, by a restore, and under a browser. Whoever reads is told so at
//! once and nobody hangs; plugged in again, the same command works and all files are what they were.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chunkstore::base::Random;
use chunkstore::base::random::SeededRandom;

use crate::content::Size;
use crate::error::{LabError, Result};
use crate::kit::{DEFAULT_DIR, Kit};
use crate::media::Medium;
use crate::publisher::Publisher;
use crate::recovery::demand;

mod desk;
mod told;

use desk::Desk;
use told::{Finish, seconds};

/// The media that are tried unless some are named.
const MEDIA: [&str; 2] = ["vfat-flush", "exfat"];
/// The exit code of a medium that went away.
const GONE: i32 = 16;
/// How long after the pull everything may take to end, by the guest's own clock, in a machine that is emulated on a host that
/// is busy.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// What `lab reading` is asked for.
#[derive(Debug, clap::Args)]
pub struct ReadingArgs {
    /// A medium, repeatable [default: vfat-flush, exfat]
    #[arg(long, value_name = "M")]
    pub medium: Vec<String>,
    /// What is interrupted, repeatable [default: all]
    #[arg(long, value_enum, value_name = "WAY")]
    pub way: Vec<Way>,
    /// Pulls of each way on each medium
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub pulls: u64,
    /// The first pull's seed, from which its moment follows; each next one's is one more
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// The work directory
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIR)]
    pub dir: PathBuf,
}

/// A way to read a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Way {
    /// A mount, in which a program reads a long file.
    Mount,
    /// A mount that nobody reads in.
    IdleMount,
    /// A restore onto the machine's own disk.
    Restore,
    /// A download from `browse`.
    Browse,
}

impl Way {
    const ALL: [Self; 4] = [Self::Mount, Self::IdleMount, Self::Restore, Self::Browse];

    fn name(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::IdleMount => "idle-mount",
            Self::Restore => "restore",
            Self::Browse => "browse",
        }
    }
}

/// Pulls keys.
///
/// # Errors
/// The pull after which something was not as it should be, and what.
pub fn run(args: &ReadingArgs) -> Result<()> {
    let kit = Kit::open(&args.dir)?;
    let publisher = Publisher::start(Size::Large.unit_bytes())?;
    publisher.publish(1)?;
    publisher.publish(2)?;
    let named: Vec<&str> = args.medium.iter().map(String::as_str).collect();
    let ways = if args.way.is_empty() { &Way::ALL[..] } else { &args.way };
    for name in if named.is_empty() { &MEDIA[..] } else { &named } {
        let mut desk = Desk::open(&kit, Medium::named(name)?, &publisher)?;
        for way in ways {
            for seed in args.seed..args.seed.saturating_add(args.pulls) {
                let started = Instant::now();
                let saw = pull(&mut desk, *way, share(seed)).map_err(|error| {
                    let again =
                        format!("cargo xtask lab reading --medium {name} --way {} --pulls 1 --seed {seed}", way.name());
                    LabError::because(format!("{name}, {}: not as it should be (replay: {again})", way.name()), error)
                })?;
                println!("{name:<11} {:<10} {saw} ({:.0} s)", way.name(), started.elapsed().as_secs_f64());
            }
        }
    }
    Ok(())
}

/// Draws at which part of the reading the key is pulled.
fn share(seed: u64) -> f64 {
    let mut drawn = [0];
    SeededRandom::new(seed).fill(&mut drawn);
    0.1 + 0.75 * f64::from(drawn[0]) / 256.0
}

fn pull(desk: &mut Desk<'_>, way: Way, share: f64) -> Result<String> {
    desk.forget()?;
    match way {
        Way::Mount => mount(desk, share),
        Way::IdleMount => idle_mount(desk),
        Way::Restore => restore(desk, share),
        Way::Browse => browse(desk, share),
    }
}

fn mount(desk: &mut Desk<'_>, share: f64) -> Result<String> {
    let program = desk.mount()?;
    let reader = desk.read_film_through_the_mount()?;
    let sitter = desk.sit_in_the_mount()?;
    let watch = desk.watch_the_mount()?;
    desk.wait_for_film(share)?;
    let pulled = desk.pull()?;
    let reader = desk.end(reader)?;
    must_break(&reader, "the reader", pulled)?;
    let read_bytes = must_be_cut(desk)?;
    let [watch, program] = [desk.end(watch)?, desk.end(program)?];
    must_end_in_time(&watch, "the mount", pulled)?;
    must_be_gone(&program, pulled)?;
    // A program that stands in the mount, and one that has a file of it open, are told as well.
    desk.rise()?;
    let sitter = desk.end(sitter)?;
    demand(sitter.code != 0, || "a file that was open in the mount read to its end".to_owned())?;
    desk.must_be_free()?;
    desk.replug()?;
    see_through_a_mount(desk)?;
    Ok(format!(
        "reader {} (\"{}\", {:.1} of {:.1} MB), mount gone {}, exit 16 {}; then whole",
        seconds(reader.after(pulled)),
        reader.reason(),
        mb(read_bytes),
        mb(desk.film_bytes()),
        seconds(watch.after(pulled)),
        seconds(program.after(pulled))
    ))
}

fn idle_mount(desk: &mut Desk<'_>) -> Result<String> {
    let program = desk.mount()?;
    let watch = desk.watch_the_mount()?;
    let pulled = desk.pull()?;
    let [watch, program] = [desk.end(watch)?, desk.end(program)?];
    must_end_in_time(&watch, "the mount", pulled)?;
    must_be_gone(&program, pulled)?;
    desk.must_be_free()?;
    desk.replug()?;
    see_through_a_mount(desk)?;
    let [gone, ended] = [&watch, &program].map(|finish| seconds(finish.after(pulled)));
    Ok(format!("mount gone {gone}, exit 16 {ended}; then whole"))
}

/// Mounts as before, compares the whole tree, and unmounts.
fn see_through_a_mount(desk: &mut Desk<'_>) -> Result<()> {
    let program = desk.mount()?;
    desk.mount_must_be_whole()?;
    desk.unmount()?;
    must_succeed(&desk.end(program)?, "the mount that came after")?;
    desk.must_be_free()
}

fn restore(desk: &mut Desk<'_>, share: f64) -> Result<String> {
    let before = desk.read_off_key()?;
    let program = desk.restore()?;
    desk.wait_until_read_off_key(before + desk.share_of_tree(share))?;
    let pulled = desk.pull()?;
    let cut = desk.end(program)?;
    must_be_gone(&cut, pulled)?;
    desk.must_be_free()?;
    desk.replug()?;
    let before = desk.read_off_key()?;
    let program = desk.restore()?;
    let done = desk.end(program)?;
    must_succeed(&done, "the same restore again")?;
    let again_bytes = desk.read_off_key()? - before;
    desk.restored_must_be_whole()?;
    desk.clear_restored()?;
    Ok(format!(
        "exit 16 {} at {:.0} %; the same command read {:.1} of {:.1} MB more; then whole",
        seconds(cut.after(pulled)),
        share * 100.0,
        mb(again_bytes),
        mb(desk.share_of_tree(1.0))
    ))
}

fn browse(desk: &mut Desk<'_>, share: f64) -> Result<String> {
    let (program, address) = desk.browse()?;
    let download = desk.download_film(&address)?;
    desk.wait_for_film(share)?;
    let pulled = desk.pull()?;
    let download = desk.end(download)?;
    must_break(&download, "the download", pulled)?;
    let read_bytes = must_be_cut(desk)?;
    let program = desk.end(program)?;
    must_be_gone(&program, pulled)?;
    desk.must_be_free()?;
    desk.replug()?;
    let (again, address) = desk.browse()?;
    let whole = desk.download_film(&address)?;
    must_succeed(&desk.end(whole)?, "the download that came after")?;
    let whole_bytes = desk.must_be_part_of_the_film()?;
    demand(whole_bytes == desk.film_bytes(), || format!("the download that came after ended at {whole_bytes} bytes"))?;
    desk.stop_program()?;
    must_succeed(&desk.end(again)?, "browse, when asked to end,")?;
    Ok(format!(
        "download broken off {} (\"{}\", {:.1} of {:.1} MB), exit 16 {}; then whole",
        seconds(download.after(pulled)),
        download.reason(),
        mb(read_bytes),
        mb(desk.film_bytes()),
        seconds(program.after(pulled))
    ))
}

/// Demands that a program that reads was told of the pull, and soon.
fn must_break(finish: &Finish, who: &str, pulled: Duration) -> Result<()> {
    demand(finish.code != 0, || format!("{who} ended with 0 although the key was pulled"))?;
    must_end_in_time(finish, who, pulled)
}

/// Demands that a reader has a true beginning of the film and not all of it; returns how much.
fn must_be_cut(desk: &mut Desk<'_>) -> Result<u64> {
    let (read_bytes, film_bytes) = (desk.must_be_part_of_the_film()?, desk.film_bytes());
    demand(read_bytes < film_bytes, || "all of the film was read before the key was pulled".to_owned())?;
    Ok(read_bytes)
}

/// Demands that the program ended as one does whose medium went away, with one sentence.
fn must_be_gone(finish: &Finish, pulled: Duration) -> Result<()> {
    demand(finish.code == GONE, || format!("the program ended with {} and said: {}", finish.code, finish.said))?;
    demand(finish.said.contains("the medium went away"), || format!("the program said: {}", finish.said))?;
    must_end_in_time(finish, "the program", pulled)
}

fn must_end_in_time(finish: &Finish, who: &str, pulled: Duration) -> Result<()> {
    let took = finish.after(pulled);
    demand(took < ENDS_WITHIN, || format!("{who} ended {} after the pull", seconds(took)))
}

fn must_succeed(finish: &Finish, what: &str) -> Result<()> {
    demand(finish.code == 0, || format!("{what} ended with {}: {}", finish.code, finish.said))
}

fn mb(len_bytes: u64) -> f64 {
    len_bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finish(code: i32, at_ms: u64, said: &str) -> Finish {
        Finish { code, at: Duration::from_millis(at_ms), said: said.to_owned() }
    }

    #[test]
    fn a_moment_follows_from_its_seed_and_lies_in_the_middle() {
        assert!((1..100).all(|seed| (0.1..0.85).contains(&share(seed)) && share(seed) == share(seed)));
        assert!((2..100).any(|seed| share(seed) != share(1)));
    }

    #[test]
    fn a_program_has_to_say_that_its_medium_went_away_and_soon() {
        let pulled = Duration::from_secs(10);
        let told = "chunkstore: cannot restore: the medium went away";
        assert!(must_be_gone(&finish(16, 10_400, told), pulled).is_ok());
        assert!(must_be_gone(&finish(13, 10_400, told), pulled).is_err());
        assert!(must_be_gone(&finish(16, 10_400, "I/O error"), pulled).is_err());
        assert!(must_be_gone(&finish(16, 15_000, told), pulled).is_err());
        assert!(must_break(&finish(1, 10_100, ""), "dd", pulled).is_ok());
        assert!(must_break(&finish(0, 10_100, ""), "dd", pulled).is_err());
    }
}
