//! Stretches of a chunk's plaintext: sorted, apart from each other.

/// Stretches from a first byte to the one after the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans(Vec<(u64, u64)>);

impl Spans {
    /// Adds a stretch; what it touches becomes one with it.
    pub fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let first = self.0.partition_point(|span| span.1 < start);
        let after = self.0.partition_point(|span| span.0 <= end);
        let (mut from, mut to) = (start, end);
        if let Some(joined) = self.0.get(first..after).filter(|joined| !joined.is_empty()) {
            (from, to) = (from.min(joined[0].0), to.max(joined[joined.len() - 1].1));
        }
        self.0.splice(first..after, [(from, to)]);
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the stretches, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Returns how many bytes there are.
    #[must_use]
    pub fn len_bytes(&self) -> u64 {
        self.iter().map(|(start, end)| end - start).sum()
    }

    /// Returns how many bytes of a stretch are among these.
    #[must_use]
    pub fn shared_bytes(&self, start: u64, end: u64) -> u64 {
        let first = self.0.partition_point(|span| span.1 <= start);
        let touching = self.0[first..].iter().take_while(|span| span.0 < end);
        touching.map(|span| span.1.min(end) - span.0.max(start)).sum()
    }

    /// Returns how many bytes are among both.
    #[must_use]
    pub fn common_bytes(&self, other: &Self) -> u64 {
        self.iter().map(|(start, end)| other.shared_bytes(start, end)).sum()
    }

    /// Returns where a byte stands when these stretches are put one after another; nothing for one of no stretch.
    #[must_use]
    pub fn place_of(&self, offset: u64) -> Option<u64> {
        let mut before = 0;
        for (start, end) in self.iter() {
            if (start..end).contains(&offset) {
                return Some(before + offset - start);
            }
            before += end - start;
        }
        None
    }
}

#[cfg(test)]
mod tests;
