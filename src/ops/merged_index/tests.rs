//! Which merged indexes are made anew.

use super::*;

fn merged(entries: usize, stale: usize) -> Length {
    Length { entries, live: entries - stale }
}

fn chosen(before: &[(usize, usize)], entries: usize) -> Vec<bool> {
    let before: Vec<Length> = before.iter().map(|&(entries, stale)| merged(entries, stale)).collect();
    choose(&before, entries)
}

#[test]
fn what_is_no_longer_than_what_is_merged_anyway_is_merged_with_it() {
    assert_eq!(chosen(&[(1_000_000, 0), (30, 0), (10, 0), (20, 0)], 10), [false, true, true, true]);
    assert_eq!(chosen(&[(1_000_000, 0), (50, 0)], 10), [false, false]);
}

#[test]
fn what_is_mostly_of_packs_that_are_gone_is_made_anew() {
    assert_eq!(chosen(&[(1000, 501), (1000, 499)], 1), [true, false]);
    assert_eq!(chosen(&[(1000, 1000)], 0), [true]);
}

// Each entry is written again as often as the store doubles, and not once for every so many packs.
#[test]
fn over_years_a_week_writes_few_entries_again() {
    let (mut all, mut written): (Vec<Length>, usize) = (Vec::new(), 0);
    for _ in 0..1000 {
        let chosen = choose(&all, 100);
        let (again, kept): (Vec<_>, Vec<_>) = all.into_iter().zip(chosen).partition(|(_, chosen)| *chosen);
        let entries = 100 + again.iter().map(|(merged, _)| merged.live).sum::<usize>();
        all = kept.into_iter().map(|(merged, _)| merged).collect();
        all.push(merged(entries, 0));
        written += entries;
        assert!(all.len() <= 11, "{} merged indexes", all.len());
    }
    assert!(written <= 11 * 1000 * 100, "{written} entries were written");
}
