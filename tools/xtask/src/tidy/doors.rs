//! Side doors: sockets, files, output and the environment are named only where they belong, and some calls
//! of the store stand in one file alone.
//!
//! Holds in `src/`; code that is compiled only for tests is free.

use super::Finding;
use super::source::{Form, Named, Source};

/// Names that only some places in `src/` may speak.
struct Door {
    /// What the names give.
    what: &'static str,
    /// Paths: each matches wherever its segments stand in a row.
    paths: &'static [&'static str],
    /// Macros by their last segment.
    macros: &'static [&'static str],
    /// Methods that are called.
    methods: &'static [&'static str],
    /// Where the rule holds: beginnings of file paths.
    within: &'static str,
    /// Where the names may stand all the same: beginnings of file paths.
    open_to: &'static [&'static str],
    /// What to do instead.
    fix: &'static str,
}

const DOORS: &[Door] = &[
    Door {
        what: "sockets",
        paths: &[
            "std::net",
            "std::os::unix::net",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "UnixStream",
            "UnixListener",
        ],
        macros: &[],
        methods: &[],
        within: "src/",
        open_to: &["src/remote", "src/serve", "src/web", "src/agent"],
        fix: "go through `remote::Remote`, or move the code to remote, serve, web or agent",
    },
    Door {
        what: "files",
        paths: &["std::fs", "rustix::fs"],
        macros: &[],
        methods: &[],
        within: "src/",
        open_to: &["src/disk"],
        fix: "go through `disk::Disk` or `disk::Folder`",
    },
    Door {
        what: "output, the environment and the exit",
        paths: &["std::env", "process::exit"],
        macros: &["println", "eprintln", "print", "eprint", "dbg"],
        methods: &[],
        within: "src/",
        open_to: &["src/cli", "src/main.rs"],
        fix: "tell a `base::Monitor`, take the value as an argument, or return it to cli",
    },
    Door {
        what: "renaming inside a store",
        paths: &["Disk::rename"],
        macros: &[],
        methods: &["rename"],
        within: "src/store",
        open_to: &["src/store/head.rs"],
        fix: "only `store::head` replaces a file: write under a new name",
    },
    Door {
        what: "making names inside a store",
        paths: &["StorePath::new"],
        macros: &[],
        methods: &[],
        within: "src/store",
        open_to: &["src/store/layout.rs"],
        fix: "ask `store::layout` for the name",
    },
];

/// Checks that no name stands outside its door.
pub fn check(source: &Source, found: &mut Vec<Finding>) {
    let starts = |begin: &&str| source.path.starts_with(*begin);
    for door in DOORS.iter().filter(|door| starts(&door.within) && !door.open_to.iter().any(starts)) {
        for named in source.named.iter().filter(|named| !named.in_test) {
            if let Some(name) = door.name_spoken(named) {
                let wrong = format!("`{name}` gives {}, which this file may not have", door.what);
                found.push(Finding::new(&source.path, named.line, wrong, door.fix));
            }
        }
    }
}

impl Door {
    /// Returns the name of this door that is spoken, if any.
    fn name_spoken(&self, named: &Named) -> Option<&'static str> {
        let last = named.segments.last()?;
        match named.form {
            Form::Method => self.methods.iter().find(|method| *method == last).copied(),
            Form::Macro => self.macros.iter().find(|name| *name == last).copied(),
            Form::Path | Form::Glob | Form::Leaf => self.paths.iter().find(|path| has(&named.segments, path)).copied(),
        }
    }
}

/// Returns whether the segments of `path` stand in a row.
fn has(segments: &[String], path: &str) -> bool {
    let wanted: Vec<&str> = path.split("::").collect();
    segments.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests;
