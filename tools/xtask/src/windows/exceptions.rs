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
pub const EXCEPTIONS: &[Exception] = &[];
