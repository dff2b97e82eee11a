//! Public cards: one line with the public keys of a new writer or root, to be handed to whoever holds the root keys. The last
//! word tells a line that was cut short or mistyped.

use std::fmt;
use std::str::FromStr;

use crate::base::{PublicKey, StoreId};
use crate::crypto::wrap::Recipient;

const WRITER: &str = "chunkstore-writer";
const ROOT: &str = "chunkstore-root";
/// Hex digits of the check word.
const CHECK_DIGITS: usize = 8;

/// The public half of a key that somebody made for a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// Of one who wants to write.
    Writer {
        /// Which store.
        store: StoreId,
        /// Signs HEADs.
        key: PublicKey,
        /// Is handed the writers' secrets.
        recipient: Recipient,
    },
    /// Of one who is to change trust.
    Root {
        /// Which store.
        store: StoreId,
        /// Signs trust files.
        key: PublicKey,
    },
}

/// Reports text that is no card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a card of this program, or one that was cut short or mistyped")]
pub struct ParseCardError;

impl Card {
    fn body(&self) -> String {
        match self {
            Self::Writer { store, key, recipient } => format!("{WRITER} {store} {key} {}", recipient.as_str()),
            Self::Root { store, key } => format!("{ROOT} {store} {key}"),
        }
    }

    /// Returns which store it is for.
    #[must_use]
    pub fn store(&self) -> StoreId {
        match self {
            Self::Writer { store, .. } | Self::Root { store, .. } => *store,
        }
    }
}

fn check_word(body: &str) -> String {
    let mut word = blake3::hash(body.as_bytes()).to_hex().to_string();
    word.truncate(CHECK_DIGITS);
    word
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body();
        write!(f, "{body} {}", check_word(&body))
    }
}

impl FromStr for Card {
    type Err = ParseCardError;

    fn from_str(text: &str) -> Result<Self, ParseCardError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let store = |word: &str| word.parse::<StoreId>().map_err(|_| ParseCardError);
        let key = |word: &str| word.parse::<PublicKey>().map_err(|_| ParseCardError);
        let (card, check) = match words[..] {
            [WRITER, id, public, recipient, check] => {
                let recipient = Recipient::parse(recipient).map_err(|_| ParseCardError)?;
                (Self::Writer { store: store(id)?, key: key(public)?, recipient }, check)
            }
            [ROOT, id, public, check] => (Self::Root { store: store(id)?, key: key(public)? }, check),
            _ => return Err(ParseCardError),
        };
        if check == check_word(&card.body()) { Ok(card) } else { Err(ParseCardError) }
    }
}

#[cfg(test)]
mod tests;
