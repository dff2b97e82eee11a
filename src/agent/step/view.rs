//! How things stand, for a person: what is plugged in and what is going on with it, and which keys were seen before.

use std::path::PathBuf;

use super::{Record, Stage, State, Volume, Why};
use crate::agent::event::{Notice, Progress, VolumeKey, Work};
use crate::agent::now::Now;
use crate::base::{ReplicaId, StoreId, Timestamp};

/// How things stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// What is plugged in, by key.
    pub volumes: Vec<VolumeView>,
    /// Every key that was seen.
    pub records: Vec<Record>,
}

/// How a volume stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeView {
    /// Which volume.
    pub key: VolumeKey,
    /// Where it can be read.
    pub path: Option<PathBuf>,
    /// Which store stands there, as far as that is known.
    pub store: Option<StoreId>,
    /// Which replica of it.
    pub replica: Option<ReplicaId>,
    /// What is going on: one of `arrived settling reading left-alone waiting queued syncing collecting verifying healing resting`.
    pub stage: &'static str,
    /// Why it waits: one of `spread window metered unreachable later locked gone refused`.
    pub why: Option<&'static str>,
    /// When it is looked at again.
    pub next: Option<Timestamp>,
    /// How far a run came.
    pub progress: Option<Progress>,
    /// What was last told of it.
    pub told: Option<Notice>,
}

impl State {
    /// Returns how things stand.
    #[must_use]
    pub fn view(&self, now: &Now) -> View {
        let volumes = self.volumes.iter().map(|(key, volume)| view_of(key, volume, now)).collect();
        View { volumes, records: self.records.iter().cloned().collect() }
    }
}

fn view_of(key: &VolumeKey, volume: &Volume, now: &Now) -> VolumeView {
    let secs_left = |until: std::time::Duration| until.saturating_sub(now.monotonic).as_secs();
    let next = volume.timer().map(|until| now.wall.plus_secs(i64::try_from(secs_left(until)).unwrap_or(i64::MAX)));
    let progress = match volume.stage {
        Stage::Working { progress, .. } => Some(progress),
        _ => None,
    };
    VolumeView {
        key: key.clone(),
        path: volume.path.clone(),
        store: volume.marked.map(|marked| marked.store),
        replica: volume.replica(),
        stage: stage_word(&volume.stage),
        why: match volume.stage {
            Stage::Waiting { why, .. } => Some(why_word(why)),
            _ => None,
        },
        next,
        progress,
        told: volume.told.clone(),
    }
}

fn stage_word(stage: &Stage) -> &'static str {
    match stage {
        Stage::Arrived => "arrived",
        Stage::Settling { .. } => "settling",
        Stage::Reading { .. } => "reading",
        Stage::LeftAlone => "left-alone",
        Stage::Waiting { .. } => "waiting",
        Stage::Queued { .. } => "queued",
        Stage::Working { work: Work::Sync, .. } => "syncing",
        Stage::Working { work: Work::Collect, .. } => "collecting",
        Stage::Working { work: Work::Sample, .. } => "verifying",
        Stage::Working { work: Work::Heal, .. } => "healing",
        Stage::Resting { .. } => "resting",
    }
}

fn why_word(why: Why) -> &'static str {
    match why {
        Why::Spread => "spread",
        Why::Window => "window",
        Why::Metered => "metered",
        Why::Unreachable => "unreachable",
        Why::Later => "later",
        Why::Locked => "locked",
        Why::Gone => "gone",
        Why::Refused => "refused",
    }
}
