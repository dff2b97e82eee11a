//! Whole verbs over real and scripted parts, a module for each verb.

mod clone;
mod env;
mod push;
mod sync;
mod tight;
