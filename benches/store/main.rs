//! How fast the parts and the verbs are: `cut`, `seal`, `commit`, `restore`, `sync`.
//!
//! All content follows from a seed, and disks, folders and the remote are in memory, so that what is measured is this
//! program alone. `cargo bench -- commit` runs those of that name.
#![allow(clippy::unwrap_used, reason = "a bench sets its own scene")]

mod parts;
mod scene;
mod verbs;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let criterion = Criterion::default().sample_size(20);
    let criterion = criterion.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    let mut criterion = criterion.configure_from_args();
    parts::cut(&mut criterion);
    parts::seal(&mut criterion);
    verbs::commit(&mut criterion);
    verbs::restore(&mut criterion);
    verbs::sync(&mut criterion);
    criterion.final_summary();
}
