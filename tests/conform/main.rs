//! One suite per boundary, run by every implementation of it.

mod disk;
