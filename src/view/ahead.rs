//! Reading ahead: where somebody reads a file from one end to the other, the chunks that come next are opened before they are asked for.
//!
//! Knows for the last few dozens of files where a read would go on. Memory: what is read ahead stands in the readers' cache, at most
//! [`AHEAD_BYTES`] and a chunk for each file that is read at a time.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crossbeam_channel::{Sender, bounded};

use super::nodes::Nodes;
use crate::base::lru::{ENTRY_BYTES, Lru};
use crate::format::Pointer;

/// How far is read ahead.
pub const AHEAD_BYTES: u64 = 4 << 20;
/// A kernel asks for several stretches at a time, which come in any order.
const DISORDER_BYTES: u64 = 512 << 10;
/// Files whose reads are known.
const FILES: usize = 64;
/// Threads that open chunks, and how many may wait for them; more are not read ahead.
const THREADS: usize = 2;
const WAITING: usize = 64;

/// How one file is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Course {
    /// Where the furthest read ended.
    end: u64,
    /// As far as everything was asked for.
    ahead: u64,
}

/// Reads ahead; shared by threads.
pub struct Ahead {
    courses: Mutex<Lru<u64, Course>>,
    wanted: OnceLock<Option<Sender<Pointer>>>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { courses: Mutex::new(Lru::new(FILES * ENTRY_BYTES)), wanted: OnceLock::new() }
    }
}

impl Ahead {
    /// Hears of a read; returns the stretch of the file that is worth opening now, where there is one.
    pub fn hear(&self, file: u64, offset: u64, end: u64) -> Option<(u64, u64)> {
        let mut courses = self.courses.lock().unwrap_or_else(PoisonError::into_inner);
        let course = courses.get(&file).unwrap_or(Course { end: 0, ahead: 0 });
        let goes_on = offset.abs_diff(course.end) <= DISORDER_BYTES && end > course.end && offset > 0;
        let (next, stretch) = step(course, goes_on, end);
        drop(courses.add(file, next, 0));
        stretch
    }

    /// Opens objects in the background. What does not read is told when somebody asks for it.
    pub fn open(&self, nodes: &Arc<Nodes>, objects: &[Pointer]) {
        let wanted = self.wanted.get_or_init(|| {
            let (sender, receiver) = bounded::<Pointer>(WAITING);
            let started = (0..THREADS).all(|_| {
                let (nodes, receiver) = (Arc::clone(nodes), receiver.clone());
                // They end when the view goes.
                let open = move || receiver.iter().for_each(|object| drop(nodes.reader().read(&object)));
                thread::Builder::new().name("read ahead".to_owned()).spawn(open).is_ok()
            });
            started.then_some(sender)
        });
        let Some(wanted) = wanted else { return };
        for object in objects {
            if wanted.try_send(*object).is_err() {
                return;
            }
        }
    }
}

/// Goes on with a course, or begins a new one; asks for the next stretch once half of the last one was read.
fn step(course: Course, goes_on: bool, end: u64) -> (Course, Option<(u64, u64)>) {
    if !goes_on {
        // A read into what is known already, of a file that is read from several places, changes nothing.
        let is_behind = end <= course.end && end.saturating_add(AHEAD_BYTES) > course.end;
        return (if is_behind { course } else { Course { end, ahead: end } }, None);
    }
    let from = course.ahead.max(end);
    if from > end.saturating_add(AHEAD_BYTES / 2) {
        return (Course { end, ..course }, None);
    }
    let to = end.saturating_add(AHEAD_BYTES);
    (Course { end, ahead: to }, Some((from, to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = 128 << 10;

    #[test]
    fn who_reads_on_is_read_ahead_for_without_a_gap_or_a_double() {
        let ahead = Ahead::default();
        let heard: Vec<_> = (0..200).map(|at| (at * STEP, ahead.hear(1, at * STEP, (at + 1) * STEP))).collect();
        assert_eq!(heard[0].1, None, "one read is no course");
        let stretches: Vec<_> = heard.iter().filter_map(|(_, stretch)| *stretch).collect();
        assert!(stretches.len() < 20, "{stretches:?}");
        assert!(stretches.windows(2).all(|pair| pair[0].1 == pair[1].0), "{stretches:?}");
        for (at, stretch) in &heard {
            assert!(stretch.is_none_or(|(from, to)| from >= at + STEP && to <= at + STEP + AHEAD_BYTES));
        }
    }

    #[test]
    fn stretches_in_disorder_are_a_course_and_pages_at_random_are_none() {
        let ahead = Ahead::default();
        ahead.hear(1, 0, STEP);
        assert!(ahead.hear(1, 2 * STEP, 3 * STEP).is_some());
        assert_eq!(ahead.hear(1, STEP, 2 * STEP), None);
        let mut place = 7u64;
        for _ in 0..1000 {
            place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) % (1 << 40);
            assert_eq!(ahead.hear(2, place, place + 4096), None);
        }
        assert_eq!(ahead.hear(3, u64::MAX - 10, u64::MAX), None);
    }
}
