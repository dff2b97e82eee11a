//! Floor 5: the agent, which syncs a known key when it is plugged in, says so, and does nothing else.
//!
//! ```text
//! volumes ----\                                    /--> read a marker, sync, gc, verify: a thread each
//! clock -------+--> events --> step (pure) --> actions --> timer
//! workers ----/                                    \--> notifications, log
//! ```
//!
//! [`step`] decides everything and does nothing: it has no clock, no file and no socket, so what an agent does follows from its
//! events and one seed. [`volumes`] is the one boundary to the system; what comes from there may be late, doubled and out of order.
//!
//! What the agent promises: a volume that is not known is read as far as its marker and never written; a volume has one run at a
//! time, however often its arrival was told; while nothing is plugged in nothing happens, and no timer runs.

pub mod courtesy;
pub mod document;
pub mod event;
#[cfg(windows)]
pub mod event_log;
pub mod now;
pub mod pace;
#[cfg(windows)]
pub mod registry;
pub mod rules;
pub mod run;
#[cfg(windows)]
pub mod service;
pub mod step;
pub mod supervisor;
#[cfg(not(windows))]
pub mod unit;
pub mod volumes;
pub mod windows;
pub mod words;
pub mod work;
