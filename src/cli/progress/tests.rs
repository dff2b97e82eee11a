//! Lines in a log and the gaps between events, by a clock that stands still.

use super::*;
use crate::base::Timestamp;
use crate::base::clock::FixedClock;

fn progress(look: Look) -> (Progress, Arc<FixedClock>, Arc<Mutex<Vec<String>>>) {
    let clock = Arc::new(FixedClock::new(Timestamp(0)));
    let kept = Arc::new(Mutex::new(Vec::new()));
    let notices = Notices { kept: Some(Arc::clone(&kept)), ..Notices::default() };
    let output = Arc::new(Output::stdout(true, true, false));
    let time: Arc<dyn Clock> = clock.clone();
    (Progress::new(look, output, notices, time, Arc::default()), clock, kept)
}

fn amount(files: u64, bytes: u64) -> Amount {
    Amount { files, bytes }
}

#[test]
fn a_log_gets_a_line_now_and_then() {
    let look = Look { style: ProgressStyle::Lines, events: false, verbosity: 0 };
    let (progress, clock, kept) = progress(look);
    progress.begin(Task::Fetch, Some(amount(4, 4096)));
    for _ in 0..3 {
        clock.advance(Duration::from_secs(2));
        progress.advance(Task::Fetch, amount(1, 1024));
    }
    progress.end(Task::Fetch);
    let lines = kept.lock().unwrap().clone();
    assert_eq!(lines.len(), 2, "{lines:?}");
    // U23
    assert!(
        lines[0].starts_with("fetching (you may unplug at any time): 3.0 KiB of 4.0 KiB, 3 of 4 files"),
        "{lines:?}"
    );
    assert!(lines[0].ends_with("512 B/s, 2 s left"), "{lines:?}");
}

#[test]
fn events_keep_their_distance() {
    let look = Look { style: ProgressStyle::Silent, events: true, verbosity: 0 };
    let (progress, clock, _) = progress(look);
    let mut running = Running {
        task: Task::Send,
        done: amount(0, 0),
        total: None,
        began: Duration::ZERO,
        shown: Duration::ZERO,
        bar: None,
    };
    progress.show(&mut running, false);
    clock.advance(Duration::from_millis(499));
    progress.show(&mut running, false);
    assert_eq!(running.shown, Duration::ZERO);
    clock.advance(Duration::from_millis(1));
    progress.show(&mut running, false);
    assert_eq!(running.shown, EVENT_GAP);
}

#[test]
fn problems_are_shown_and_counted_and_notes_wait_for_v() {
    let (quiet, _, kept) = progress(Look { style: ProgressStyle::Silent, events: false, verbosity: 0 });
    for _ in 0..PROBLEMS_KEPT + 1 {
        quiet.problem(Problem { subject: "/a\x1b[m".to_owned(), reason: "why".to_owned() });
    }
    quiet.note("nobody hears this");
    let (problems, count) = quiet.problems();
    assert_eq!((problems.len(), count), (PROBLEMS_KEPT, PROBLEMS_KEPT as u64 + 1));
    assert_eq!(kept.lock().unwrap().len(), PROBLEMS_KEPT + 1);
    assert_eq!(kept.lock().unwrap()[0], "chunkstore: /a\\u{1b}[m: why");
    let (loud, _, kept) = progress(Look { style: ProgressStyle::Silent, events: false, verbosity: 1 });
    loud.note("heard");
    assert_eq!(*kept.lock().unwrap(), ["heard"]);
}
