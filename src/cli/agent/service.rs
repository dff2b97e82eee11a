//! `agent install` and `uninstall`: the agent as a service of the system that this is.

#[cfg(not(windows))]
mod systemd;
#[cfg(windows)]
mod windows;

#[cfg(not(windows))]
pub use systemd::{install, uninstall};
#[cfg(windows)]
pub use windows::{install, run, uninstall};
