//! `push`: publishes.
