//! What the agent says: a line for the log, and where a person should know, a title and a sentence.

use super::event::Notice;
use crate::base::Timestamp;
use crate::base::units::show_span;

/// How much a line matters, as syslog counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Something is broken or refused.
    Error = 3,
    /// Something needs a look.
    Warning = 4,
    /// Worth knowing.
    Notice = 5,
    /// For whoever reads logs.
    Info = 6,
}

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// How much it matters.
    pub priority: Priority,
    /// For the log: lower case, no full stop.
    pub line: String,
    /// For the person; nothing where nobody needs to know.
    pub person: Option<Person>,
}

/// What a person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// A few words.
    pub title: &'static str,
    /// A sentence or two.
    pub body: String,
}

/// Returns the one word for a notice in documents.
#[must_use]
pub fn name_of(notice: &Notice) -> &'static str {
    match notice {
        Notice::NoStore => "no-store",
        Notice::NotOurs(_) => "not-ours",
        Notice::Newer => "newer",
        Notice::Unread(_) => "unread",
        Notice::Updating => "updating",
        Notice::Updated(_) => "updated",
        Notice::Unplugged(_) => "unplugged",
        Notice::Full(_) => "full",
        Notice::Healed => "healed",
        Notice::Damaged(_) => "damaged",
        Notice::Unreachable { .. } => "unreachable",
        Notice::Refused(_) => "refused",
        Notice::Stale => "stale",
        Notice::NotTrusted(_) => "not-trusted",
        Notice::Twice => "twice",
        Notice::Failed(_) => "failed",
    }
}

/// Puts a notice into words; `now` is what ages count from.
#[must_use]
pub fn words_of(notice: &Notice, now: Timestamp) -> Words {
    use Priority::{Error, Info, Warning};
    let log = |priority, line: String| Words { priority, line, person: None };
    match notice {
        Notice::NoStore => log(Info, "holds no store: left alone".into()),
        Notice::NotOurs(store) => {
            log(Info, format!("holds the store {store}, which is not to be synced here: left alone"))
        }
        Notice::Unread(why) => log(Warning, format!("does not read: left alone: {why}")),
        Notice::Newer => {
            told(Warning, "Key is too new", "it holds a store of a newer format", "Update chunkstore to sync this key.")
        }
        Notice::Updating => told(
            Priority::Notice,
            "Updating your key",
            "is being updated",
            "You may unplug it at any time. What is not done yet goes on next time.",
        ),
        Notice::Updated(generation) => told(
            Priority::Notice,
            "Your key is up to date",
            &format!("is up to date at generation {generation}"),
            "You may unplug it at any time.",
        ),
        Notice::Unplugged(percent) => told(
            Priority::Notice,
            "Update goes on next time",
            &format!("was unplugged at {percent} %"),
            &format!(
                "The key was unplugged at {percent} %. Everything on it can be read, and the update goes on next time."
            ),
        ),
        Notice::Full(why) => told(
            Error,
            "Key is full",
            &format!("is full: {why}"),
            "There is no room on the key for the update. What it held can still be read.",
        ),
        Notice::Healed => told(
            Warning,
            "Key was mended",
            "was damaged and is whole again",
            "Parts of the key were damaged and have been fetched again.",
        ),
        Notice::Damaged(why) => told(
            Error,
            "Key is damaged",
            &format!("is damaged: {why}"),
            "Parts of the key are damaged and could not be fetched again. Ask for a new key.",
        ),
        Notice::Unreachable { why, last_good } => unreachable(why, *last_good, now),
        Notice::Refused(why) => told(
            Error,
            "Server refuses this computer",
            &format!("cannot be synced: {why}"),
            "The server did not accept the login that is configured here.",
        ),
        Notice::Stale => told(
            Warning,
            "Key is out of date",
            "holds a state that its publisher no longer vouches for",
            "Its publisher no longer vouches for what is on the key. Ask for a newer one.",
        ),
        Notice::NotTrusted(why) => told(
            Error,
            "Server is not trusted",
            &format!("was not synced: {why}"),
            "The server shows something that this key does not trust. Nothing on the key was changed.",
        ),
        Notice::Twice => told(
            Warning,
            "Key is there twice",
            "is plugged in twice under one replica id",
            "Two keys say that they are the same one. One of them is a copy.",
        ),
        Notice::Failed(why) => log(Error, format!("could not be synced: {why}")),
    }
}

fn told(priority: Priority, title: &'static str, line: &str, body: &str) -> Words {
    Words { priority, line: line.to_owned(), person: Some(Person { title, body: body.to_owned() }) }
}

fn unreachable(why: &str, last_good: Option<Timestamp>, now: Timestamp) -> Words {
    let age = match last_good {
        Some(time) => format!("It was last found up to date {} ago.", show_span(now.secs_since(time).max(0))),
        None => "It was never found up to date on this computer.".to_owned(),
    };
    told(Priority::Warning, "Server cannot be reached", &format!("its server cannot be reached: {why}"), &age)
}

#[cfg(test)]
mod tests;
