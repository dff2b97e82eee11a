//! One suite for each boundary, run by every implementation.

mod remote;
