//! Whole verbs over real and scripted parts: a module for each verb, over one harness or the other.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, set their own scene, and say what they cannot check here"
)]

#[cfg(target_os = "linux")]
mod agent;
mod attacks;
mod browse;
mod carried;
mod cli;
mod clone;
mod commit;
mod costs;
mod damaged_stores;
mod env;
mod far;
mod fixture;
mod fleet;
mod forget;
mod gc;
mod handmade;
mod heal;
mod keyless;
mod known_losses;
mod last_generation;
#[cfg(target_os = "linux")]
mod mounted;
mod observer;
mod planted;
#[path = "../crash/publisher.rs"]
mod publisher;
mod purge;
mod push;
mod readers;
mod reading;
mod receipts;
mod recipes;
#[path = "../crash/repack.rs"]
mod repack;
mod repair;
mod restore;
mod rollout;
#[cfg(unix)]
mod roundtrip;
mod scene;
#[path = "../conform/remote/scripted_proxy.rs"]
#[expect(dead_code, reason = "what a proxy does wrong is the business of the suite for remotes")]
mod scripted_proxy;
mod stats;
mod sync;
mod tight;
mod trust;
mod verify;
mod view;
mod web_server;
#[cfg(windows)]
mod windows;
