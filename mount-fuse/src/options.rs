//! How a volume is served: what its files look like, and for how long the kernel believes it.
//! Values only.

use std::time::Duration;

use iso_core::volume::Presentation;

/// How a volume is served.
#[derive(Debug, Clone, Default)]
pub struct Serve {
    /// Owners, permissions, case.
    pub presentation: Presentation,
    /// Threads that serve requests; by the number of processors if not given.
    pub threads: Option<usize>,
    /// How long the kernel may go without asking again; for ever if not given, since a disc never
    /// changes. A short time shows whether the mount is in use.
    pub keep: Option<Duration>,
}
