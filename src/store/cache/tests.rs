//! One load for ten threads, bounds that hold, failures that are not kept, and plaintext that is wiped.

use std::cell::Cell;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::base::lru::ENTRY_BYTES;

thread_local! {
    /// Bytes that this thread saw wiped, and those of them that were not zero.
    static WIPED: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Called with what is left of a plaintext, before its memory is given back.
pub fn wiped(bytes: &[u8]) {
    WIPED.with(|wiped| {
        let (len, left) = wiped.get();
        wiped.set((len + bytes.len(), left + bytes.iter().filter(|&&byte| byte != 0).count()));
    });
}

fn named(number: u8) -> ObjectName {
    (ObjectId([number; 32]), DedupGeneration(1))
}

fn load(number: u8, len: usize) -> Result<Plaintext, String> {
    Ok(Plaintext::new(vec![number; len]))
}

fn held(cache: &ObjectCache, number: u8) -> bool {
    cache.get(named(number), || Err(())).is_ok()
}

#[test]
fn ten_threads_that_ask_for_one_object_load_it_once() {
    let (cache, loads, start) = (ObjectCache::new(1 << 20), AtomicUsize::new(0), Barrier::new(10));
    let waiting = || Arc::strong_count(&lock(&cache.state).loading[&named(1)]) - 2;
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                start.wait();
                let read = cache.get(named(1), || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    // One reference is the table's and one the loader's: all others have to be waiting.
                    while waiting() < 9 {
                        thread::yield_now();
                    }
                    load(1, 1000)
                });
                assert_eq!(read.unwrap()[..], [1; 1000]);
            });
        }
    });
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert!(lock(&cache.state).loading.is_empty());
}

#[test]
fn different_objects_load_at_the_same_time() {
    let (cache, both) = (ObjectCache::new(1 << 20), Barrier::new(2));
    thread::scope(|scope| {
        for number in 1..=2 {
            let (cache, both) = (&cache, &both);
            scope.spawn(move || {
                cache.get(named(number), || {
                    both.wait();
                    load(number, 1)
                })
            });
        }
    });
    assert!(held(&cache, 1) && held(&cache, 2));
}

#[test]
fn a_load_that_fails_is_not_kept_and_the_next_one_is_asked() {
    let cache = ObjectCache::new(1 << 20);
    assert_eq!(cache.get(named(1), || Err("no")).unwrap_err(), "no");
    assert_eq!(cache.get(named(1), || Err("still no")).unwrap_err(), "still no");
    assert_eq!(cache.get(named(1), || load(1, 3)).unwrap()[..], [1; 3]);
    assert!(held(&cache, 1));
}

#[test]
fn who_waited_for_a_load_that_failed_or_panicked_loads_alone() {
    for panics in [false, true] {
        let (cache, loads) = (ObjectCache::new(1 << 20), AtomicUsize::new(0));
        let waiting = || Arc::strong_count(&lock(&cache.state).loading[&named(1)]) - 2;
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                cache.get(named(1), || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    while waiting() < 1 {
                        thread::yield_now();
                    }
                    assert!(!panics, "as the test wants it");
                    Err::<Plaintext, _>("no")
                })
            });
            while loads.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            assert_eq!(cache.get(named(1), || load(1, 5)).unwrap()[..], [1; 5]);
            assert_eq!(first.join().is_err(), panics);
        });
        assert!(held(&cache, 1), "what was loaded in the end is kept");
    }
}

#[test]
fn memory_is_bounded_and_what_was_asked_for_longest_ago_goes() {
    let cache = ObjectCache::new(3 * (100 + ENTRY_BYTES));
    for number in 1..=3 {
        cache.get(named(number), || load(number, 100)).unwrap();
    }
    assert!(held(&cache, 1));
    cache.get(named(4), || load(4, 100)).unwrap();
    assert_eq!([1, 2, 3, 4].map(|number| held(&cache, number)), [true, false, true, true]);
    cache.get(named(5), || load(5, 10_000)).unwrap();
    assert!(!held(&cache, 5), "what is longer than all of it is handed on and not kept");
    assert_eq!(cache.len_bytes(), 3 * (100 + ENTRY_BYTES));
    cache.bound(0);
    assert_eq!(cache.len_bytes(), 0);
    cache.get(named(6), || load(6, 0)).unwrap();
    assert!(!held(&cache, 6));
}

#[test]
fn what_goes_is_wiped_as_soon_as_nobody_holds_it() {
    WIPED.set((0, 0));
    let cache = ObjectCache::new(100 + ENTRY_BYTES);
    let in_hand = cache.get(named(1), || load(1, 100)).unwrap();
    cache.get(named(2), || load(2, 60)).unwrap();
    assert_eq!(WIPED.get(), (0, 0), "a reader still holds the first");
    assert_eq!(in_hand[..], [1; 100]);
    drop(in_hand);
    assert_eq!(WIPED.get(), (100, 0));
    drop(cache);
    assert_eq!(WIPED.get(), (160, 0));
}
