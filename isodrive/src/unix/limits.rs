//! Limits that whoever started this program set for it (setrlimit(2)).
//! Changes how this process hears of one; sets none.

use std::sync::Arc;

/// Has a write past the limit of a file's size (`ulimit -f`) fail, and not end the program.
pub(crate) fn bear_the_size_of_files() {
    // What it handles is ignored here, and not in the programs that it starts.
    let handled = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default());
    if let Err(error) = handled {
        tracing::debug!(%error, "a file that grows too large ends the program");
    }
}
