//! Moments as people write them: a date, a time, `yesterday`, or how long ago.
//!
//! Without an offset all are UTC, as all times that the program shows are: what stands in a listing can be typed again, and
//! means the same on every machine.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan, Zoned};

use super::clock::Timestamp;

/// Reports a text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date: 2026-11-21, 2026-11, 2026-11-21T07:35:00Z, yesterday, or how long ago, as 2w, 3d or 12h")]
pub struct MomentError(pub String);

/// Returns the last nanosecond of what a text names, seen from `now`: of a month, a day, a minute, a second.
///
/// Takes `2026-11`, `2026-11-21`, `2026-11-21T07:35` with or without seconds and offset (a space may stand for the `T`),
/// `now`, `today`, `yesterday`, and spans of time before now such as `2w`, `3 days` or `1y2mo` (`m` is minutes). Moments outside
/// the years that a [`Timestamp`] covers count as its ends.
///
/// # Errors
/// [`MomentError`].
pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, MomentError> {
    let wrong = || MomentError(text.to_owned());
    let present = jiff::Timestamp::from_nanosecond(i128::from(now.0)).map_err(|_| wrong())?.to_zoned(TimeZone::UTC);
    let trimmed = text.trim();
    let last = |after: Option<Zoned>| after.and_then(|after| after.checked_sub(1.nanosecond()).ok());
    let day = |date: Date| last(date.to_zoned(TimeZone::UTC).ok()?.checked_add(1.day()).ok());
    let found = match trimmed {
        "now" => Some(present),
        "today" => day(present.date()),
        "yesterday" => present.date().yesterday().ok().and_then(day),
        _ => month(trimmed)
            .and_then(|first| last(first.to_zoned(TimeZone::UTC).ok()?.checked_add(1.month()).ok()))
            .or_else(|| trimmed.parse::<Date>().ok().filter(|_| trimmed.len() <= 10).and_then(day))
            .or_else(|| with_time(trimmed))
            .or_else(|| before(trimmed, &present)),
    };
    let nanos = found.ok_or_else(wrong)?.timestamp().as_nanosecond();
    Ok(Timestamp(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })))
}

/// Reads `2026-11` as its first day.
fn month(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-').filter(|(year, month)| year.len() == 4 && month.len() == 2)?;
    Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()
}

/// Reads a date with a time, and an offset that need not be there.
fn with_time(text: &str) -> Option<Zoned> {
    let (date, time) = text.split_once(['T', 't', ' ']).filter(|(date, _)| date.parse::<Date>().is_ok())?;
    let clock_end = time.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(time.len());
    let (clock, offset) = time.split_at(clock_end);
    let civil = DateTime::from_parts(date.parse().ok()?, clock.parse::<Time>().ok()?);
    let zoned = match offset {
        "" => civil.to_zoned(TimeZone::UTC).ok()?,
        _ => format!("{civil}{offset}").parse::<jiff::Timestamp>().ok()?.to_zoned(TimeZone::UTC),
    };
    let unit = match (clock.matches(':').count(), clock.contains('.')) {
        (_, true) => return Some(zoned),
        (0, _) => 1.hour(),
        (1, _) => 1.minute(),
        _ => 1.second(),
    };
    zoned.checked_add(unit).ok()?.checked_sub(1.nanosecond()).ok()
}

/// Reads how long ago, with or without the word `ago`.
fn before(text: &str, now: &Zoned) -> Option<Zoned> {
    let span: Span = text.parse().ok()?;
    now.checked_sub(span.abs()).ok()
}

#[cfg(test)]
mod tests;
