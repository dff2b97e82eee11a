//! What each word keeps, that words only add to each other, and that the newest stays.

use proptest::prelude::*;

use super::*;
use crate::base::{Epoch, Generation, ObjectId};

const FAR: Timestamp = Timestamp(i64::MAX);

/// Snapshots of these times, `2026-11-21T07:35` or a date alone, and tags behind a space.
fn snapshots(list: &[&str]) -> Vec<SnapshotRef> {
    let snapshot = |(at, text): (usize, &&str)| {
        let mut words = text.split(' ');
        let time = words.next().unwrap();
        let time = if time.contains('T') { format!("{time}:00Z") } else { format!("{time}T12:00:00Z") };
        made(at, time.parse().unwrap(), words.map(str::to_owned).collect())
    };
    list.iter().enumerate().map(snapshot).collect()
}

fn made(at: usize, time: Timestamp, tags: Vec<String>) -> SnapshotRef {
    let id = ObjectId([at as u8; 32]);
    SnapshotRef { id, epoch: Epoch(1), len_bytes: 1, generation: Generation(at as u64 + 2), time, tags }
}

fn some(count: u32) -> Option<Count> {
    Some(Count::AtMost(NonZeroU32::new(count).unwrap()))
}

fn keep(period: Period, count: Option<Count>) -> Policy {
    let mut policy = Policy::default();
    policy.periods[Period::ALL.iter().position(|other| *other == period).unwrap()] = count;
    policy
}

fn within(text: &str) -> Policy {
    Policy { within: Some(text.parse().unwrap()), ..Policy::default() }
}

fn tagged(tags: &[&str]) -> Policy {
    Policy { tags: tags.iter().map(|&tag| tag.to_owned()).collect(), ..Policy::default() }
}

/// The numbers of those that stay for another reason than being the newest.
fn kept(list: &[&str], policy: &Policy) -> Vec<usize> {
    let reasons = judge(&snapshots(list), policy, FAR);
    (0..list.len()).filter(|&at| reasons[at].iter().any(|reason| *reason != Reason::Newest)).collect()
}

fn said(list: &[&str], policy: &Policy) -> Vec<String> {
    let reasons = judge(&snapshots(list), policy, FAR);
    reasons.iter().map(|reasons| reasons.iter().map(Reason::to_string).collect::<Vec<_>>().join(", ")).collect()
}

#[test]
fn no_snapshots_give_no_reasons() {
    assert!(judge(&[], &keep(Period::Day, Some(Count::Unlimited)), FAR).is_empty());
}

#[test]
fn the_newest_stays_without_a_word() {
    let reasons = judge(&snapshots(&["2026-01-01", "2026-01-02"]), &Policy::default(), FAR);
    assert_eq!(reasons, [vec![], vec![Reason::Newest]]);
    assert!(Policy::default().is_empty() && !within("1d").is_empty());
}

#[test]
fn the_last_are_those_at_the_end_of_the_list() {
    // The clock went back before the last one was committed.
    let list = ["2026-01-01", "2026-01-03", "2026-01-02"];
    let last = |count| Policy { last: count, ..Policy::default() };
    assert_eq!(kept(&list, &last(some(1))), [2]);
    assert_eq!(kept(&list, &last(some(2))), [1, 2]);
    assert_eq!(kept(&list, &last(some(9))), [0, 1, 2]);
    assert_eq!(kept(&list, &last(Some(Count::Unlimited))), [0, 1, 2]);
}

#[test]
fn the_newest_of_each_hour_and_day_of_utc_stays() {
    let list = [
        "2026-01-01T09:05",
        "2026-01-01T23:10",
        "2026-01-01T23:59",
        "2026-01-02T00:00",
        "2026-01-05T10:00",
        "2026-01-05T10:30",
    ];
    assert_eq!(kept(&list, &keep(Period::Hour, some(1))), [5]);
    assert_eq!(kept(&list, &keep(Period::Hour, some(3))), [2, 3, 5]);
    assert_eq!(kept(&list, &keep(Period::Day, some(1))), [5]);
    // Days without a snapshot do not count.
    assert_eq!(kept(&list, &keep(Period::Day, some(2))), [3, 5]);
    assert_eq!(kept(&list, &keep(Period::Day, some(3))), [2, 3, 5]);
}

#[test]
fn the_same_hour_of_another_day_and_the_same_month_of_another_year_are_others() {
    assert_eq!(kept(&["2025-12-31T10:00", "2026-01-01T10:00"], &keep(Period::Hour, some(2))), [0, 1]);
    assert_eq!(kept(&["2024-03-01", "2025-03-01", "2026-03-01"], &keep(Period::Month, some(2))), [1, 2]);
    assert_eq!(kept(&["2024-03-01", "2025-03-01", "2026-03-01"], &keep(Period::Day, some(2))), [1, 2]);
}

#[test]
fn weeks_are_those_of_iso_and_go_over_the_turn_of_a_year() {
    // Monday 2025-12-29 to Sunday 2026-01-04 is week 1 of 2026.
    let list = ["2025-12-22", "2025-12-28", "2025-12-29", "2026-01-04", "2026-01-05"];
    assert_eq!(kept(&list, &keep(Period::Week, some(1))), [4]);
    assert_eq!(kept(&list, &keep(Period::Week, some(2))), [3, 4]);
    assert_eq!(kept(&list, &keep(Period::Week, some(3))), [1, 3, 4]);
}

#[test]
fn months_and_years_are_those_of_the_calendar() {
    let list = ["2024-02-29", "2025-01-31", "2025-12-31T23:59", "2026-01-01T00:00", "2026-02-01"];
    assert_eq!(kept(&list, &keep(Period::Month, some(2))), [3, 4]);
    assert_eq!(kept(&list, &keep(Period::Year, some(2))), [2, 4]);
    assert_eq!(kept(&list, &keep(Period::Year, some(3))), [0, 2, 4]);
}

#[test]
fn the_oldest_stays_where_there_are_fewer_than_were_asked_for() {
    let list = ["2026-01-01T01:00", "2026-01-01T02:00", "2026-01-02"];
    assert_eq!(kept(&list, &keep(Period::Day, some(2))), [1, 2]);
    let oldest = ["oldest daily snapshot", "daily snapshot", "newest, daily snapshot"];
    assert_eq!(said(&list, &keep(Period::Day, some(3))), oldest);
    assert_eq!(said(&list, &keep(Period::Day, Some(Count::Unlimited))), oldest);
}

#[test]
fn tags_are_taken_alone_together_and_none_at_all() {
    let list = ["2026-01-01 a", "2026-01-02 a b", "2026-01-03", "2026-01-04 c,d", "2026-01-05 b"];
    assert_eq!(kept(&list, &tagged(&["a"])), [0, 1]);
    assert_eq!(kept(&list, &tagged(&["a", "b"])), [0, 1, 4]);
    assert_eq!(kept(&list, &tagged(&["a,b"])), [1]);
    assert_eq!(kept(&list, &tagged(&[""])), [2]);
    assert_eq!(kept(&list, &tagged(&["c,d"])), [3]);
    assert_eq!(kept(&list, &tagged(&["A", "nonesuch", "a,"])), Vec::<usize>::new());
}

#[test]
fn within_counts_back_from_the_youngest() {
    let list = ["2025-01-31", "2025-08-31", "2026-01-30T12:00", "2026-01-31T11:00", "2026-01-31T12:00"];
    assert_eq!(kept(&list, &within("1h")), [4]);
    assert_eq!(kept(&list, &within("2h")), [3, 4]);
    assert_eq!(kept(&list, &within("1d")), [3, 4]);
    assert_eq!(kept(&list, &within("1d1h")), [2, 3, 4]);
    assert_eq!(kept(&list, &within("6mo")), [1, 2, 3, 4]);
    assert_eq!(kept(&list, &within("1y")), [1, 2, 3, 4]);
    assert_eq!(kept(&list, &within("1y1d")), [0, 1, 2, 3, 4]);
    assert_eq!(kept(&list, &within("60000y")), [0, 1, 2, 3, 4]);
    assert_eq!(said(&list, &within("1y2m1w"))[4], "newest, within 1y2mo7d");
}

#[test]
fn what_is_younger_than_now_stays_and_is_not_counted_from() {
    let list = snapshots(&["2026-01-01", "2026-01-10", "2099-01-01", "2026-01-11"]);
    let now = "2026-01-12T00:00:00Z".parse().unwrap();
    let reasons = judge(&list, &within("5d"), now);
    assert_eq!(reasons.iter().map(|reasons| reasons.is_empty()).collect::<Vec<_>>(), [true, false, false, false]);
    // Where all are, there is nothing to count from.
    assert!(judge(&list, &within("5d"), Timestamp(0)).iter().all(|reasons| !reasons.is_empty()));
}

#[test]
fn spans_are_read_with_all_their_units_and_nothing_else() {
    for (text, shown) in
        [("30d", "30d"), ("2y6mo", "2y6mo"), ("2y5m7d3h", "2y5mo7d3h"), ("2w", "14d"), ("1d1d", "2d"), (" 1h ", "1h")]
    {
        assert_eq!(text.parse::<Within>().unwrap().to_string(), shown, "{text}");
    }
    for wrong in [
        "",
        " ",
        "d",
        "30",
        "0d",
        "0y0h",
        "-1d",
        "1.5d",
        "1x",
        "1d 2h",
        "5min",
        "99999999999d",
        "70000y",
        "4294967295w",
    ] {
        assert_eq!(wrong.parse::<Within>(), Err(WithinError), "{wrong:?}");
    }
}

#[test]
fn the_ends_of_time_are_no_trouble() {
    let list =
        [made(0, Timestamp(i64::MIN), vec![]), made(1, Timestamp(0), vec![]), made(2, Timestamp(i64::MAX), vec![])];
    for policy in [keep(Period::Hour, some(9)), keep(Period::Week, some(9)), within("65535y"), within("4000000000d")] {
        assert!(judge(&list, &policy, FAR).iter().all(|reasons| !reasons.is_empty()), "{policy:?}");
    }
}

fn counts() -> impl Strategy<Value = Option<Count>> {
    prop_oneof![Just(None), Just(Some(Count::Unlimited)), (1..9_u32).prop_map(some)]
}

fn policies() -> impl Strategy<Value = Policy> {
    let tag = prop_oneof![Just("a"), Just("b"), Just("a,b"), Just("")].prop_map(str::to_owned);
    let spans = (0..4_u16, 0..14_u16, 0..60_u32, 1..30_u32);
    let spans = spans.prop_map(|(years, months, days, hours)| Within { years, months, days, hours });
    let periods = prop::array::uniform5(counts());
    (counts(), periods, prop::collection::vec(tag, 0..3), prop::option::of(spans))
        .prop_map(|(last, periods, tags, within)| Policy { last, periods, tags, within })
}

fn histories() -> impl Strategy<Value = Vec<SnapshotRef>> {
    let tags = prop_oneof![Just(vec![]), Just(vec!["a"]), Just(vec!["b"]), Just(vec!["a", "b"])];
    // Minutes over some years, in no order at all.
    let one = (0..3_000_000_i64, tags);
    prop::collection::vec(one, 1..40).prop_map(|list| {
        let snapshot = |(at, (minute, tags)): (usize, (i64, Vec<&str>))| {
            made(at, Timestamp(minute * 60_000_000_000), tags.into_iter().map(str::to_owned).collect())
        };
        list.into_iter().enumerate().map(snapshot).collect()
    })
}

/// The policy that says what either says; where both count, the one that counts more.
fn either(one: &Policy, other: &Policy) -> Policy {
    let size = |count: &Option<Count>| match count {
        None => 0,
        Some(Count::AtMost(count)) => u64::from(count.get()),
        Some(Count::Unlimited) => u64::MAX,
    };
    let more = |a: Option<Count>, b: Option<Count>| if size(&a) >= size(&b) { a } else { b };
    let mut periods = one.periods;
    periods.iter_mut().zip(other.periods).for_each(|(own, other)| *own = more(*own, other));
    let tags = [&one.tags[..], &other.tags].concat();
    Policy { last: more(one.last, other.last), periods, tags, within: one.within.or(other.within) }
}

proptest! {
    #[test]
    fn a_word_more_never_forgets_more_and_the_newest_stays(
        history in histories(),
        policy in policies(),
        more in policies(),
        now in 0..3_000_000_i64,
    ) {
        let now = Timestamp(now * 60_000_000_000);
        let (few, many) = (judge(&history, &policy, now), judge(&history, &either(&policy, &more), now));
        prop_assert_eq!(few.len(), history.len());
        prop_assert!(few.last().unwrap().contains(&Reason::Newest));
        for (at, reasons) in few.iter().enumerate() {
            prop_assert!(reasons.is_empty() || !many[at].is_empty(), "{at} went");
        }
        if !policy.is_empty() && policy.tags.is_empty() {
            prop_assert!(few.iter().flatten().any(|reason| *reason != Reason::Newest), "a policy that fits nothing");
        }
    }

    #[test]
    fn so_many_hours_days_and_so_on_keep_at_most_one_each(history in histories(), count in 1..9_u32) {
        for period in Period::ALL {
            let reasons = judge(&history, &keep(period, some(count)), FAR);
            let (mut kept, mut all) = (Vec::new(), Vec::new());
            for (snapshot, reasons) in history.iter().zip(&reasons) {
                all.push(period.of(&in_utc(snapshot.time)));
                if reasons.contains(&Reason::Of(period)) {
                    kept.push(period.of(&in_utc(snapshot.time)));
                }
            }
            all.sort_unstable();
            all.dedup();
            kept.sort_unstable();
            // The last so many that there are, each once.
            prop_assert_eq!(&kept[..], &all[all.len().saturating_sub(count as usize)..]);
        }
    }
}
