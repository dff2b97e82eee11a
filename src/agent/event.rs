//! What the agent hears, and what it answers: plain values between the pure [`step`](super::step) and the machinery around it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::now::Now;
use super::rules::Rules;
use crate::base::{Generation, ReplicaId, StoreId, Timestamp};

/// Names a volume from its arrival until it is gone, in the words of whatever source told of it: a device, a folder, a
/// volume's path. Nothing is read out of it; a source may give the same one to the next volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VolumeKey(pub String);

impl fmt::Display for VolumeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one piece of work from the action that asks for it to the event that ends it; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub now: Now,
    /// What.
    pub what: What,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// A volume is there; it may not be mounted yet.
    Arrived(VolumeKey),
    /// A volume can be read at a path. A source that tells of mounts alone never says that one arrived.
    Mounted(VolumeKey, PathBuf),
    /// A volume is not there any more.
    Gone(VolumeKey),
    /// What the marker of a volume says.
    MarkerRead(Ticket, Found),
    /// How far a run came.
    Progress(Ticket, Progress),
    /// A run ended; there is nothing of it left.
    Ended(Ticket, Ended),
    /// A timer went off, or nothing at all happened.
    Tick,
    /// The wall clock was set, or the machine slept.
    Jumped,
    /// The configuration was read again.
    Configured(Rules),
    /// The agent is to end.
    Stop,
}

/// What stands on a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A store.
    Store(Marked),
    /// None.
    NoStore,
    /// A store of a format that this program is too old for.
    Newer,
    /// Nobody can tell: reading failed.
    Unread(String),
}

/// What a store says of itself in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// Which store.
    pub store: StoreId,
    /// Which replica of it; nothing for a server's copy.
    pub replica: Option<ReplicaId>,
    /// Its first trust file is there.
    pub is_pinned: bool,
    /// It was cloned from somewhere, or the configuration names a remote for it.
    pub has_remote: bool,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// Bytes that are done.
    pub done_bytes: u64,
    /// Bytes of all.
    pub total_bytes: u64,
}

impl Progress {
    /// Returns it in whole percent; 100 only where all of it is done.
    #[must_use]
    pub fn percent(self) -> u8 {
        let percent = match self.total_bytes {
            0 => 0,
            total => u128::from(self.done_bytes.min(total)) * 100 / u128::from(total),
        };
        u8::try_from(percent).unwrap_or(100)
    }
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// Brings the store up to date.
    Sync,
    /// Gives back the room of what nothing needs.
    Collect,
    /// Hashes some packs, and fetches broken ones again.
    Sample,
    /// Checks everything, and fetches what is broken again.
    Heal,
}

impl Work {
    /// Returns the word for it in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Collect => "collect",
            Self::Sample => "sample",
            Self::Heal => "heal",
        }
    }
}

/// How a run ended, and what was seen at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Bytes that can still be written to the volume.
    pub free_bytes: Option<u64>,
    /// Why the publisher got no receipt of it; nothing where it got one or none was due.
    pub no_receipt: Option<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The store is as new as its remotes.
    Synced {
        /// The generation that it holds.
        generation: Generation,
        /// It moved to another generation.
        changed: bool,
        /// The publisher no longer vouches for it.
        stale: bool,
    },
    /// So many bytes were given back.
    Collected(u64),
    /// What was looked at is whole.
    Sound,
    /// What was broken is whole again.
    Healed,
    /// Something is broken.
    Damaged(String),
    /// It was told to stop.
    Interrupted,
    /// The medium went away.
    Gone,
    /// No remote could be reached.
    Unreachable(String),
    /// The remote has too many sessions, or asks to come later.
    Later(Asked),
    /// The remote refuses this login, or this machine has none that it may use.
    Refused(String),
    /// What the remote shows is not what this key trusts.
    NotTrusted(String),
    /// There is not enough room on the volume.
    Full(String),
    /// Another program works on the store.
    Locked,
    /// For another reason.
    Failed(String),
}

impl Outcome {
    /// Returns the word for it in documents.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Synced { stale: true, .. } => "stale",
            Self::Synced { changed: true, .. } => "updated",
            Self::Synced { .. } => "up-to-date",
            Self::Collected(_) => "collected",
            Self::Sound => "sound",
            Self::Healed => "healed",
            Self::Damaged(_) => "damaged",
            Self::Interrupted => "interrupted",
            Self::Gone => "gone",
            Self::Unreachable(_) => "unreachable",
            Self::Later(_) => "later",
            Self::Refused(_) => "refused",
            Self::NotTrusted(_) => "not-trusted",
            Self::Full(_) => "full",
            Self::Locked => "locked",
            Self::Failed(_) => "failed",
        }
    }
}

/// What a remote asks of those whom it turns away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Asked {
    /// To come again after so long.
    pub after: Option<Duration>,
    /// To spread the starts of all keys over so long.
    pub spread: Option<Duration>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Tick at this monotonic time, or not until something happens. The newest one counts.
    Wake(Option<Duration>),
    /// Read which store stands there; write nothing. Answered by [`What::MarkerRead`].
    ReadMarker {
        /// Names the answer.
        ticket: Ticket,
        /// Where.
        path: PathBuf,
    },
    /// Do this in a thread of its own. Answered by [`What::Progress`], and once by [`What::Ended`].
    Run {
        /// Names the answers.
        ticket: Ticket,
        /// What.
        work: Work,
        /// Where.
        path: PathBuf,
        /// What stood there when it was looked at.
        marked: Marked,
    },
    /// End a run soon; it answers all the same.
    Cancel(Ticket),
    /// Tell the person.
    Tell(VolumeKey, Notice),
    /// What is known of keys changed: keep it.
    Save,
    /// Everything has ended.
    Exit,
}

/// What there is to say about a volume, each once until something else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// It holds no store; for the log alone.
    NoStore,
    /// It holds a store that the configuration does not list, or that does not know its remote; for the log alone.
    NotOurs(StoreId),
    /// It holds a store of a newer format.
    Newer,
    /// It does not read.
    Unread(String),
    /// It is being brought up to date, and may be unplugged at any time.
    Updating,
    /// It is up to date now.
    Updated(Generation),
    /// It was unplugged at so many percent, and goes on from there next time.
    Unplugged(u8),
    /// It is full.
    Full(String),
    /// It was damaged, and is whole again.
    Healed,
    /// It is damaged, and could not be mended.
    Damaged(String),
    /// No remote could be reached; when the key was last found up to date.
    Unreachable {
        /// Why.
        why: String,
        /// When the key was last found up to date on this machine.
        last_good: Option<Timestamp>,
    },
    /// The remote refuses this machine's login.
    Refused(String),
    /// The publisher no longer vouches for what it holds.
    Stale,
    /// The remote shows something that the key does not trust.
    NotTrusted(String),
    /// The same replica is plugged in twice: one of the two is a copy.
    Twice,
    /// Something else.
    Failed(String),
}
