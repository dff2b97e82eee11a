//! Which snapshots stay and why: the words of a policy over the list of kept snapshots, as a pure function.
//!
//! The words are restic's and mean what they mean there. Each is judged alone and a snapshot stays if any of them keeps it, so
//! that a word more never drops a snapshot more. Hours, days, weeks (ISO, from Monday), months and years are those of UTC, as all
//! times that the program shows. The newest snapshot, which is what HEAD opens, stays whatever the policy says.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Zoned};

use crate::base::Timestamp;
use crate::format::sealed::SnapshotRef;

/// How many snapshots a word keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// So many.
    AtMost(NonZeroU32),
    /// All that there are.
    Unlimited,
}

/// What a word of the calendar keeps one snapshot of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month.
    Month,
    /// A year.
    Year,
}

impl Period {
    /// All of them, shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Returns the hour, day, week, month or year that a moment lies in, as numbers that differ for different ones.
    fn of(self, time: &Zoned) -> (i16, u32) {
        let day_and_hour = || u32::from(time.day_of_year().unsigned_abs()) * 24 + u32::from(time.hour().unsigned_abs());
        match self {
            Self::Hour => (time.year(), day_and_hour()),
            Self::Day => (time.year(), u32::from(time.day_of_year().unsigned_abs())),
            Self::Week => {
                let week = time.date().iso_week_date();
                (week.year(), u32::from(week.week().unsigned_abs()))
            }
            Self::Month => (time.year(), u32::from(time.month().unsigned_abs())),
            Self::Year => (time.year(), 0),
        }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Year => "yearly",
        })
    }
}

/// A span of the calendar before a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Within {
    years: u16,
    months: u16,
    days: u32,
    hours: u32,
}

/// Reports a text that is no span of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a span of years, months, weeks, days and hours")]
pub struct WithinError;

impl Within {
    /// Returns the moment that lies this span before another; nothing where no snapshot can be so old.
    fn before(self, time: Timestamp) -> Option<Timestamp> {
        let span = Span::new()
            .try_years(self.years)
            .and_then(|span| span.try_months(self.months))
            .and_then(|span| span.try_days(self.days))
            .and_then(|span| span.try_hours(self.hours));
        let found = span.ok().and_then(|span| in_utc(time).checked_sub(span).ok());
        found.and_then(|found| i64::try_from(found.timestamp().as_nanosecond()).ok()).map(Timestamp)
    }
}

impl FromStr for Within {
    type Err = WithinError;

    /// Reads numbers with their units, as `30d` or `2y6mo`: `y`, `mo` or as in restic `m`, `w`, `d`, `h`.
    fn from_str(text: &str) -> Result<Self, WithinError> {
        let mut within = Self::default();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
            let (unit, after) = split_where(after, |c| c.is_ascii_digit());
            let number: u32 = number.parse().map_err(|_| WithinError)?;
            let short = u16::try_from(number).map_err(|_| WithinError);
            match unit {
                "y" => within.years = within.years.checked_add(short?).ok_or(WithinError)?,
                "mo" | "m" => within.months = within.months.checked_add(short?).ok_or(WithinError)?,
                "w" => {
                    let days = number.checked_mul(7).ok_or(WithinError)?;
                    within.days = within.days.checked_add(days).ok_or(WithinError)?;
                }
                "d" => within.days = within.days.checked_add(number).ok_or(WithinError)?,
                "h" => within.hours = within.hours.checked_add(number).ok_or(WithinError)?,
                _ => return Err(WithinError),
            }
            rest = after;
        }
        if within == Self::default() { Err(WithinError) } else { Ok(within) }
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

impl fmt::Display for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(u32::from(self.years), "y"), (u32::from(self.months), "mo"), (self.days, "d"), (self.hours, "h")];
        parts.iter().filter(|(number, _)| *number > 0).try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

/// What to keep. Nothing of all says nothing: then only the newest snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The newest so many, in the order of the list.
    pub last: Option<Count>,
    /// The newest of each of the last so many hours, days, weeks, months and years that have one, as [`Period::ALL`].
    pub periods: [Option<Count>; 5],
    /// Those with one of these tags; `a,b` asks for both, and nothing for those without any.
    pub tags: Vec<String>,
    /// Those that are younger than so long before the youngest.
    pub within: Option<Within>,
}

impl Policy {
    /// Returns whether no word was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// HEAD opens it.
    Newest,
    /// It is one of the last.
    Last,
    /// It is the newest of its hour, day, week, month or year.
    Of(Period),
    /// It is the oldest, and there are fewer hours, days and so on than were asked for.
    Oldest(Period),
    /// It is young enough.
    Within(Within),
    /// It has the tags.
    Tagged(String),
    /// Others were named to be forgotten.
    NotNamed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("newest"),
            Self::Last => f.write_str("last snapshot"),
            Self::Of(period) => write!(f, "{period} snapshot"),
            Self::Oldest(period) => write!(f, "oldest {period} snapshot"),
            Self::Within(within) => write!(f, "within {within}"),
            Self::Tagged(tags) if tags.is_empty() => f.write_str("no tags"),
            Self::Tagged(tags) => write!(f, "tag {tags}"),
            Self::NotNamed => f.write_str("not named"),
        }
    }
}

/// Tells of each snapshot why it stays, in the order of the list, which is oldest first; one without a reason goes.
///
/// Snapshots of the same moment count in the order of the list. Those that are younger than `now`, which only a clock that went
/// wrong can make, are not what [`Policy::within`] counts from, and stay by it. Cost: a sort of the list.
#[must_use]
pub fn judge(snapshots: &[SnapshotRef], policy: &Policy, now: Timestamp) -> Vec<Vec<Reason>> {
    let mut reasons = vec![Vec::new(); snapshots.len()];
    if let Some(newest) = reasons.last_mut() {
        newest.push(Reason::Newest);
    }
    let last = match policy.last {
        None => 0,
        Some(Count::Unlimited) => snapshots.len(),
        Some(Count::AtMost(count)) => usize::try_from(count.get()).unwrap_or(usize::MAX),
    };
    reasons.iter_mut().rev().take(last).for_each(|reasons| reasons.push(Reason::Last));
    let mut youngest_first: Vec<usize> = (0..snapshots.len()).collect();
    youngest_first.sort_by_key(|&at| std::cmp::Reverse((snapshots[at].time, at)));
    for (period, count) in Period::ALL.into_iter().zip(policy.periods) {
        for (at, reason) in of_each(snapshots, &youngest_first, period, count) {
            reasons[at].push(reason);
        }
    }
    for (snapshot, reasons) in snapshots.iter().zip(&mut reasons) {
        let with = policy.tags.iter().filter(|wanted| has_all(&snapshot.tags, wanted));
        reasons.extend(with.map(|tags| Reason::Tagged(tags.clone())));
    }
    if let Some(within) = policy.within {
        let youngest = snapshots.iter().map(|snapshot| snapshot.time).filter(|time| *time <= now).max();
        let since = youngest.and_then(|youngest| within.before(youngest));
        for (snapshot, reasons) in snapshots.iter().zip(&mut reasons) {
            if since.is_none_or(|since| snapshot.time > since) {
                reasons.push(Reason::Within(within));
            }
        }
    }
    reasons
}

/// Picks the youngest snapshot of each of the last so many hours, days and so on that have one; and where there are not so
/// many, the oldest of all, so that the history does not get shorter by its end.
fn of_each(
    snapshots: &[SnapshotRef],
    youngest_first: &[usize],
    period: Period,
    count: Option<Count>,
) -> Vec<(usize, Reason)> {
    let mut left = match count {
        None => 0,
        Some(Count::Unlimited) => usize::MAX,
        Some(Count::AtMost(count)) => usize::try_from(count.get()).unwrap_or(usize::MAX),
    };
    let (mut picked, mut before) = (Vec::new(), None);
    for (nth, &at) in youngest_first.iter().enumerate() {
        if left == 0 {
            break;
        }
        let this = Some(period.of(&in_utc(snapshots[at].time)));
        let is_oldest = nth + 1 == youngest_first.len();
        if this != before || is_oldest {
            picked.push((at, if this == before { Reason::Oldest(period) } else { Reason::Of(period) }));
            (before, left) = (this, left - 1);
        }
    }
    picked
}

/// Returns whether a snapshot has a tag, or all that stand there with commas between them; an empty text asks for none at all.
fn has_all(tags: &[String], wanted: &str) -> bool {
    let has = |tag: &str| tags.iter().any(|own| own == tag);
    if wanted.is_empty() { tags.is_empty() } else { has(wanted) || wanted.split(',').all(has) }
}

fn in_utc(time: Timestamp) -> Zoned {
    // Every i64 of nanoseconds lies inside jiff's range, so the fall-back is never taken.
    let time = jiff::Timestamp::from_nanosecond(i128::from(time.0)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.to_zoned(TimeZone::UTC)
}

#[cfg(test)]
mod tests;
