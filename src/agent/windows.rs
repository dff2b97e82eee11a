//! Windows of time in a week, in local time: `mon-fri 18:00-08:00`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::now::Now;

const DAY_MINUTES: u32 = 24 * 60;
const WEEK_MINUTES: u32 = 7 * DAY_MINUTES;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Most windows of a list.
const WINDOWS_MAX: usize = 100;

/// One window: days, and from when to when; one that ends before it begins ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// A bit for each day on which it begins, Monday the lowest.
    days: u8,
    from_minute: u32,
    len_minutes: u32,
}

/// Reports text that is no window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a window of time, as \"mon-fri 18:00-08:00\" or \"12:00-14:00\"")]
pub struct ParseWindowError;

impl FromStr for Window {
    type Err = ParseWindowError;

    fn from_str(text: &str) -> Result<Self, ParseWindowError> {
        let (days, hours) = match text.trim().rsplit_once(' ') {
            Some((days, hours)) => (parse_days(days)?, hours),
            None => (0x7f, text.trim()),
        };
        let (from, to) = hours.split_once('-').ok_or(ParseWindowError)?;
        let (from, to) = (parse_minute(from)?, parse_minute(to)?);
        if from >= DAY_MINUTES {
            return Err(ParseWindowError);
        }
        let len_minutes = if to > from { to - from } else { to + DAY_MINUTES - from };
        Ok(Self { days, from_minute: from, len_minutes })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<_> = (0..7).filter(|day| self.days & (1 << day) != 0).map(|day| DAYS[day]).collect();
        let (from, to) = (self.from_minute, self.from_minute + self.len_minutes);
        let to = if to > DAY_MINUTES { to - DAY_MINUTES } else { to };
        write!(f, "{} {:02}:{:02}-{:02}:{:02}", named.join(","), from / 60, from % 60, to / 60, to % 60)
    }
}

fn parse_days(text: &str) -> Result<u8, ParseWindowError> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name.trim()).ok_or(ParseWindowError);
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let span = (last + 7 - first) % 7;
        (0..=span).for_each(|step| days |= 1 << ((first + step) % 7));
    }
    Ok(days)
}

fn parse_minute(text: &str) -> Result<u32, ParseWindowError> {
    let (hour, minute) = text.trim().split_once(':').ok_or(ParseWindowError)?;
    let number = |text: &str| {
        let is_plain = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|_| is_plain).ok_or(ParseWindowError)
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    match (hour, minute) {
        (0..=23, 0..=59) | (24, 0) => Ok(hour * 60 + minute),
        _ => Err(ParseWindowError),
    }
}

impl Window {
    fn is_open(self, minute: u32) -> bool {
        let begins_on = |day: u32| self.days & (1 << day) != 0;
        (0..7).any(|day| {
            let since = (minute + WEEK_MINUTES - day * DAY_MINUTES - self.from_minute) % WEEK_MINUTES;
            begins_on(day) && since < self.len_minutes
        })
    }
}

/// A list of windows; an empty one is always open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Takes a list.
    ///
    /// # Errors
    /// [`ParseWindowError`] for more than a hundred.
    pub fn new(windows: Vec<Window>) -> Result<Self, ParseWindowError> {
        if windows.len() > WINDOWS_MAX { Err(ParseWindowError) } else { Ok(Self(windows)) }
    }

    /// Returns whether one is open.
    #[must_use]
    pub fn is_open(&self, now: &Now) -> bool {
        self.is_open_at(minute_of_week(now))
    }

    fn is_open_at(&self, minute: u32) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.is_open(minute))
    }

    /// Returns how long it stays as it is, open or closed; nothing where that is for ever. Costs a look at each minute until then.
    #[must_use]
    pub fn until_change(&self, now: &Now) -> Option<Duration> {
        if self.0.is_empty() {
            return None;
        }
        let minute = minute_of_week(now);
        let is_open = self.is_open_at(minute);
        let changes = |ahead: &u32| self.is_open_at((minute + ahead) % WEEK_MINUTES) != is_open;
        let ahead = (1..=WEEK_MINUTES).find(changes)?;
        let into_minute = local_secs(now).rem_euclid(60).unsigned_abs();
        Some(Duration::from_secs(u64::from(ahead) * 60 - into_minute))
    }
}

fn local_secs(now: &Now) -> i64 {
    now.wall.0.div_euclid(1_000_000_000) + i64::from(now.utc_offset_secs)
}

/// Returns the minutes since Monday, 00:00 local time.
fn minute_of_week(now: &Now) -> u32 {
    // 1970 began on a Thursday.
    let minutes = local_secs(now).div_euclid(60) + 3 * i64::from(DAY_MINUTES);
    u32::try_from(minutes.rem_euclid(i64::from(WEEK_MINUTES))).unwrap_or(0)
}

#[cfg(test)]
mod tests;
