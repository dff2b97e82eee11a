//! What cannot pass under wine because wine is not Windows: skipped, counted and shown by every run.

/// A test that wine cannot pass.
pub struct Exception {
    /// The test binary.
    pub binary: &'static str,
    /// The test's whole name.
    pub test: &'static str,
    /// What wine does otherwise.
    pub reason: &'static str,
}

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    Exception {
        binary: "lib",
        test: "disk::os_folder::tests::a_name_changes_its_case_in_place",
        reason: "a rename of a file to its own name in other letters does nothing",
    },
    Exception {
        binary: "conform",
        test: "folder::os::an_open_file_tells_its_own_state",
        reason: "nothing is renamed over a file that is open (Windows 10 does, on NTFS)",
    },
    Exception {
        binary: "conform",
        test: "remote::faults::a_server_that_shuts_down_is_unreachable",
        reason: "a thread that waits for bytes of a socket does not hear when another one shuts it down",
    },
    Exception {
        binary: "conform",
        test: "remote::proxied::whatever_a_proxy_does_ends_soon_and_names_it",
        reason: "8,192 reads of one byte take longer than the test's 400 ms: each asks another process",
    },
    Exception {
        binary: "it",
        test: "windows::a_store_lies_where_paths_are_long_and_names_are_anything",
        reason: "the real path of an open directory is not told where it has more than 260 units (error 234)",
    },
];
