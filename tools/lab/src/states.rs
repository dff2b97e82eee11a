//! The states that a power cut may leave of a recording, each with a name that rebuilds it.
//!
//! | name | what happened |
//! | --- | --- |
//! | `prefix:N` | the first N requests are done, in order, and nothing else |
//! | `torn:N:S` | as `prefix:N`, and the first S sectors of request N |
//! | `subset:N:SEED` | power went during request N; of the writes since the last flush only a drawn part is there |
//! | `lying:N:W:SEED` | the same of a medium that acknowledges flushes and does not do them: of the writes within the last W flushes, too |
//!
//! Requests are counted from 0. A subset draws for the whole state whether each write survives with probability
//! 0.2, 0.5 or 0.8; a write with FUA that returned always does, but for a medium that lies.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::blocklog::{BlockLog, Entry};
use crate::error::{LabError, Result};
use crate::image::{Image, SECTOR_BYTES};
use crate::recording::Recording;

/// The name of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateId {
    /// The first requests, in order.
    Prefix {
        /// How many.
        count: usize,
    },
    /// All requests before one, and the first sectors of it.
    Torn {
        /// The request.
        at: usize,
        /// How many of its sectors.
        sectors: u64,
    },
    /// Everything up to the last flush, and a part of what followed.
    Subset {
        /// The request during which power went.
        at: usize,
        /// What the part is drawn from.
        seed: u32,
    },
    /// A part of everything within the last flushes.
    Lying {
        /// The request during which power went.
        at: usize,
        /// How many flushes were not done.
        window: u32,
        /// What the part is drawn from.
        seed: u32,
    },
}

impl StateId {
    /// Returns how many requests were begun: the marks among them are acknowledged.
    #[must_use]
    pub fn begun(&self) -> usize {
        match self {
            Self::Prefix { count } => *count,
            Self::Torn { at, .. } | Self::Subset { at, .. } | Self::Lying { at, .. } => at.saturating_add(1),
        }
    }

    /// Returns the word that its name begins with.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Prefix { .. } => "prefix",
            Self::Torn { .. } => "torn",
            Self::Subset { .. } => "subset",
            Self::Lying { .. } => "lying",
        }
    }

    /// Returns whether it is among every `nth` state: always the same ones, whatever else is asked for.
    ///
    /// Source of the hash: FNV-1a, 64 bits (RFC 9923).
    #[must_use]
    pub fn is_every(&self, nth: u64) -> bool {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        let hash = self.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, step);
        Draw(hash).next().is_multiple_of(nth.max(1))
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix { count } => write!(f, "prefix:{count}"),
            Self::Torn { at, sectors } => write!(f, "torn:{at}:{sectors}"),
            Self::Subset { at, seed } => write!(f, "subset:{at}:{seed}"),
            Self::Lying { at, window, seed } => write!(f, "lying:{at}:{window}:{seed}"),
        }
    }
}

impl FromStr for StateId {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self> {
        fn number<T: FromStr>(word: &str) -> std::result::Result<T, ()> {
            word.parse().map_err(|_| ())
        }
        let words: Vec<&str> = text.split(':').collect();
        let parse = || {
            Ok(match words[..] {
                ["prefix", count] => Self::Prefix { count: number(count)? },
                ["torn", at, sectors] => Self::Torn { at: number(at)?, sectors: number(sectors)? },
                ["subset", at, seed] => Self::Subset { at: number(at)?, seed: number(seed)? },
                ["lying", at, window, seed] => {
                    Self::Lying { at: number(at)?, window: number(window)?, seed: number(seed)? }
                }
                _ => return Err(()),
            })
        };
        let forms = "prefix:N, torn:N:S, subset:N:SEED or lying:N:W:SEED";
        parse().map_err(|()| LabError::new(format!("`{text}` names no state: write {forms}")))
    }
}

/// Which writes are cut inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Torn {
    /// No write.
    None,
    /// Each write after its first sector, before its last, and at one drawn place.
    Few,
    /// Each write after each sector.
    All,
}

/// Which states are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Which writes are cut inside.
    pub torn: Torn,
    /// They are cut at multiples of so many sectors.
    pub torn_unit: u64,
    /// How many subsets of the writes between two flushes.
    pub subsets: u32,
    /// What everything that is drawn follows from.
    pub seed: u64,
    /// How many flushes a medium acknowledges and does not do; 0 is an honest one.
    pub window: u32,
}

/// Lists the states of a recording in the order of its requests.
///
/// With a window these are those of a medium that lies, and no others.
#[must_use]
pub fn states(recording: &Recording, choice: Choice) -> Vec<StateId> {
    if choice.window > 0 {
        return drawn_states(recording, choice);
    }
    let mut states = vec![StateId::Prefix { count: 0 }];
    for at in 0..recording.log.entries.len() {
        let sectors = recording.changed_sectors(at);
        let mut draw = Draw::new(choice.seed, at as u64);
        // A write of so many units can be cut after each but the last.
        let units = sectors.div_ceil(choice.torn_unit.max(1));
        let mut cuts: Vec<u64> = match choice.torn {
            Torn::All => (1..units).collect(),
            Torn::Few if units > 1 => vec![1, units - 1, 1 + draw.below(units - 1)],
            _ => Vec::new(),
        };
        cuts.sort_unstable();
        cuts.dedup();
        states.extend(cuts.into_iter().map(|units| StateId::Torn { at, sectors: units * choice.torn_unit }));
        if sectors > 0 || recording.is_mark(at) {
            states.push(StateId::Prefix { count: at + 1 });
        }
    }
    states.extend(drawn_states(recording, choice));
    states.sort_by_key(StateId::begun);
    states
}

/// Lists the subsets: for each stretch between two flushes as many as asked for, each cut off at a drawn request of it.
fn drawn_states(recording: &Recording, choice: Choice) -> Vec<StateId> {
    let mut states = Vec::new();
    let mut stretch = Vec::new();
    for (at, entry) in recording.log.entries.iter().map(Some).chain([None]).enumerate() {
        if recording.changed_sectors(at) > 0 || recording.is_mark(at) {
            stretch.push(at);
        }
        if matches!(entry, Some(Entry::Flush) | None) && !stretch.is_empty() {
            let mut draw = Draw::new(choice.seed ^ 0x5eed, at as u64);
            for _ in 0..choice.subsets {
                let at = stretch[draw.index(stretch.len())];
                let seed = draw.seed();
                let window = choice.window;
                states.push(if window > 0 {
                    StateId::Lying { at, window, seed }
                } else {
                    StateId::Subset { at, seed }
                });
            }
            stretch.clear();
        }
    }
    states.sort_by_key(StateId::begun);
    states.dedup();
    states
}

/// Draws a number of states, among them the wanted ones as far as there is room; they keep their order.
#[must_use]
pub fn draw_states(states: &[StateId], wanted: &[StateId], count: usize, seed: u64) -> Vec<StateId> {
    let (mut drawn, mut others): (Vec<usize>, Vec<usize>) =
        (0..states.len()).partition(|at| wanted.contains(&states[*at]));
    let mut draw = Draw::new(seed, states.len() as u64);
    while drawn.len() < count && !others.is_empty() {
        drawn.push(others.swap_remove(draw.index(others.len())));
    }
    while drawn.len() > count {
        drawn.swap_remove(draw.index(drawn.len()));
    }
    drawn.sort_unstable();
    drawn.into_iter().map(|at| states[at]).collect()
}

/// Numbers that follow from a seed alone. Source: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
struct Draw(u64);

impl Draw {
    fn new(seed: u64, stream: u64) -> Self {
        let mut start = Self(seed);
        Self(start.next() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below a bound that is not 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    fn seed(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap_or(0)
    }
}

/// Shows states of one recording, each from where the last one was.
pub struct Player<'a> {
    recording: &'a Recording,
    /// The device with the first `live_count` requests done.
    live: Held,
    /// The device with all requests that a subset cannot lose.
    kept: Held,
}

/// A device with the first requests done, in order.
struct Held {
    image: Arc<Image>,
    count: usize,
}

impl Held {
    /// Brings the device to a number of requests; starts again where it is beyond that.
    fn bring_to(&mut self, recording: &Recording, count: usize) {
        if count < self.count {
            *self = Self { image: Arc::new(recording.base.clone()), count: 0 };
        }
        let image = Arc::make_mut(&mut self.image);
        for at in self.count..count {
            apply(recording, image, at, u64::MAX);
        }
        self.count = count;
    }
}

/// Does the first sectors of a request; a mark stays out of the device.
fn apply(recording: &Recording, image: &mut Image, at: usize, sectors: u64) {
    if recording.changed_sectors(at) > 0 {
        recording.log.entries[at].apply(image, sectors);
    }
}

impl<'a> Player<'a> {
    /// Starts before the first request.
    #[must_use]
    pub fn new(recording: &'a Recording) -> Self {
        let start = || Held { image: Arc::new(recording.base.clone()), count: 0 };
        Self { recording, live: start(), kept: start() }
    }

    /// Shows one state; cheapest in the order of [`states`].
    ///
    /// The image may be kept beyond the call, which then costs a copy.
    ///
    /// # Errors
    /// [`LabError`] for a state that the recording does not have.
    pub fn show<T>(&mut self, id: &StateId, look: impl FnOnce(&Arc<Image>) -> T) -> Result<T> {
        let recording = self.recording;
        let requests = recording.log.entries.len();
        if id.begun() > requests {
            return Err(LabError::new(format!("{id} is none of its states: it has {requests} requests")));
        }
        Ok(match *id {
            StateId::Prefix { count } => {
                self.live.bring_to(recording, count);
                look(&self.live.image)
            }
            StateId::Torn { at, sectors } => {
                self.live.bring_to(recording, at);
                look_with(&mut self.live.image, recording, &[(at, sectors)], look)
            }
            StateId::Subset { at, seed } => {
                let start = last_flush(&recording.log, at, 1);
                self.kept.bring_to(recording, start);
                let drawn = draw_subset(recording, start, at, seed, true);
                look_with(&mut self.kept.image, recording, &drawn, look)
            }
            StateId::Lying { at, window, seed } => {
                let start = last_flush(&recording.log, at, u64::from(window) + 1);
                self.kept.bring_to(recording, start);
                let drawn = draw_subset(recording, start, at, seed, false);
                look_with(&mut self.kept.image, recording, &drawn, look)
            }
        })
    }
}

/// Returns how many requests were done for good by the `nth` last flush before a request.
fn last_flush(log: &BlockLog, at: usize, nth: u64) -> usize {
    let flushes = (0..at).rev().filter(|at| log.entries[*at] == Entry::Flush);
    flushes
        .take(usize::try_from(nth).unwrap_or(usize::MAX))
        .enumerate()
        .last()
        .map_or(0, |(found, flush)| if found as u64 + 1 == nth { flush + 1 } else { 0 })
}

/// Draws which of the requests `start..=at` are there.
fn draw_subset(recording: &Recording, start: usize, at: usize, seed: u32, honest: bool) -> Vec<(usize, u64)> {
    let mut draw = Draw::new(u64::from(seed), at as u64);
    let tenths = [2, 5, 8][draw.index(3)];
    let mut drawn = Vec::new();
    for write in (start..=at).filter(|write| recording.changed_sectors(*write) > 0) {
        let survives = draw.below(10) < tenths;
        let is_durable = honest && write < at && matches!(recording.log.entries[write], Entry::Write { fua: true, .. });
        if survives || is_durable {
            drawn.push((write, u64::MAX));
        }
    }
    drawn
}

/// Does requests to a device, shows it, and takes them back.
fn look_with<T>(
    image: &mut Arc<Image>,
    recording: &Recording,
    requests: &[(usize, u64)],
    look: impl FnOnce(&Arc<Image>) -> T,
) -> T {
    let changed = Arc::make_mut(image);
    let mut undo = Vec::new();
    for &(at, sectors) in requests {
        let Some((first, all)) = recording.log.entries[at].reach() else { continue };
        let offset = crate::blocklog::offset_of(first);
        let count = usize::try_from(all.min(sectors)).unwrap_or(usize::MAX).saturating_mul(SECTOR_BYTES);
        let inside = usize::try_from(changed.len_bytes().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut before = vec![0; count.min(inside)];
        changed.read_at(offset, &mut before);
        undo.push((offset, before));
        apply(recording, changed, at, sectors);
    }
    let seen = look(image);
    let changed = Arc::make_mut(image);
    for (offset, before) in undo.into_iter().rev() {
        changed.write_at(offset, &before);
    }
    seen
}

#[cfg(test)]
mod tests;
