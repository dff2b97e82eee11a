//! One suite per boundary, run by every implementation of it, the simulated twins among them.

#![cfg_attr(not(unix), allow(missing_docs))]

#[cfg(unix)]
mod folder;
