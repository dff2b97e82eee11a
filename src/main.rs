//! The command `chunkstore`.

fn main() {}
