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
    let person = for_person(notice, now).map(|(title, body)| Person { title, body });
    Words { priority: priority_of(notice), line: line_of(notice), person }
}

fn priority_of(notice: &Notice) -> Priority {
    match notice {
        Notice::NoStore | Notice::NotOurs(_) => Priority::Info,
        Notice::Updating | Notice::Updated(_) | Notice::Unplugged(_) => Priority::Notice,
        Notice::Newer | Notice::Unread(_) | Notice::Healed | Notice::Stale | Notice::Twice => Priority::Warning,
        Notice::Unreachable { .. } => Priority::Warning,
        Notice::Full(_) | Notice::Damaged(_) | Notice::Refused(_) | Notice::NotTrusted(_) | Notice::Failed(_) => {
            Priority::Error
        }
    }
}

/// Says of a volume what there is to say, behind its path.
fn line_of(notice: &Notice) -> String {
    match notice {
        Notice::NoStore => "holds no store: left alone".to_owned(),
        Notice::NotOurs(store) => format!("holds the store {store}, which is not to be synced here: left alone"),
        Notice::Unread(why) => format!("does not read: left alone: {why}"),
        Notice::Newer => "holds a store of a newer format: left alone".to_owned(),
        Notice::Updating => "is being updated".to_owned(),
        Notice::Updated(generation) => format!("is up to date at generation {generation}"),
        Notice::Unplugged(percent) => format!("was unplugged at {percent} %"),
        Notice::Full(why) => format!("is full: {why}"),
        Notice::Healed => "was damaged and is whole again".to_owned(),
        Notice::Damaged(why) => format!("is damaged: {why}"),
        Notice::Unreachable { why, .. } => format!("cannot be synced now: {why}"),
        Notice::Refused(why) => format!("cannot be synced from here: {why}"),
        Notice::Stale => "holds a state that its publisher no longer vouches for".to_owned(),
        Notice::NotTrusted(why) => format!("was not synced: {why}"),
        Notice::Twice => "is plugged in twice under one replica id".to_owned(),
        Notice::Failed(why) => format!("could not be synced: {why}"),
    }
}

/// Says to a person what they need to know: a title, and what it means.
fn for_person(notice: &Notice, now: Timestamp) -> Option<(&'static str, String)> {
    let (title, body) = match notice {
        Notice::NoStore | Notice::NotOurs(_) | Notice::Unread(_) | Notice::Failed(_) => return None,
        Notice::Unreachable { last_good, .. } => ("Server cannot be reached", age_of(*last_good, now)),
        Notice::Unplugged(percent) => (
            "Update goes on next time",
            format!(
                "The key was unplugged at {percent} %. All that was on it can be read, and the update goes on next time."
            ),
        ),
        fixed => fixed_words(fixed).map(|(title, body)| (title, body.to_owned()))?,
    };
    Some((title, body))
}

fn fixed_words(notice: &Notice) -> Option<(&'static str, &'static str)> {
    Some(match notice {
        Notice::Newer => ("Key is too new", "Update chunkstore on this computer to sync this key."),
        Notice::Updating => {
            ("Updating your key", "You may unplug it at any time. What is not done yet goes on next time.")
        }
        Notice::Updated(_) => ("Your key is up to date", "You may unplug it at any time."),
        Notice::Full(_) => {
            ("Key is full", "There is no room on the key for the update. What it held can still be read.")
        }
        Notice::Healed => ("Key was mended", "Parts of the key were damaged and have been fetched again."),
        Notice::Damaged(_) => {
            ("Key is damaged", "Parts of the key are damaged and could not be fetched again. Ask for a new key.")
        }
        Notice::Refused(_) => {
            ("Server refuses this computer", "This computer has no login that the key's server takes.")
        }
        Notice::Stale => {
            ("Key is out of date", "Its publisher no longer vouches for what is on the key. Ask for a newer one.")
        }
        Notice::NotTrusted(_) => (
            "Server is not trusted",
            "The server shows something that this key does not trust. Nothing on the key was changed.",
        ),
        Notice::Twice => ("Key is there twice", "Two keys say that they are the same one. One of them is a copy."),
        _ => return None,
    })
}

fn age_of(last_good: Option<Timestamp>, now: Timestamp) -> String {
    match last_good {
        Some(time) => format!("It was last found up to date {} ago.", show_span(now.secs_since(time).max(0))),
        None => "It was never found up to date on this computer.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
