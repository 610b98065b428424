//! A drive: a volume that WinFsp serves at a letter or a directory, until it is dropped.
//! Chooses the looks of the volume; what it holds is the adapter's business.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use iso_core::serving::Activity;
use windows_view::{Tree, VolumeLook};
use winfsp::host::{FileSystemHost, FileSystemParams, FineGuard, VolumeParams};

use crate::adapter::Adapter;
use crate::mounting::{MountError, Mounting, refused, status};
use crate::placing::place;

/// Units of the name of a file system at most; crate `winfsp` breaks down at more than 16, and
/// loses the end of the name at 16.
const MAX_SYSTEM_UNITS: usize = 15;

/// Units of a network name at most.
const MAX_NETWORK_UNITS: usize = 190;

/// A volume that is being served. Dropping it takes the drive away and waits for the last request.
pub struct Drive {
    // Never forgotten: the driver would go on asking a context that is gone. When it is dropped the
    // crate frees its table of callbacks as a block of another size, which the allocator of
    // Windows does not mind: no other may be set in a program with drives.
    host: FileSystemHost<Adapter, FineGuard>,
    at: String,
    stopped: Arc<AtomicBool>,
    open_files: Arc<AtomicU64>,
}

impl Drive {
    /// Mounts a volume. WinFsp must have been loaded.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn mount(
        tree: Arc<Tree>,
        look: VolumeLook,
        activity: Arc<Activity>,
        mounting: &Mounting,
    ) -> Result<Self, MountError> {
        let params = params(&look, mounting)?;
        let adapter = Adapter::new(tree, look, activity);
        let (stopped, open_files) = (adapter.stopped(), adapter.open_files());
        let mut host = FileSystemHost::new_with_options(params, adapter)
            .map_err(|error| refused("make a volume", status(error.code().0)))?;
        let placed = place(&mut host, mounting)?;
        if let Err(error) = host.start_with_threads(mounting.threads) {
            placed.take_back(&mut host, mounting);
            return Err(refused("serve the volume", status(error.code().0)));
        }
        Ok(Self { host, at: placed.at, stopped, open_files })
    }

    /// Where the volume is to be seen: `X:` or a directory.
    #[must_use]
    pub fn at(&self) -> &Path {
        Path::new(&self.at)
    }

    /// Whether the driver asks for nothing any more: somebody took the drive away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// How many files are open: to programs where [`Mounting::counts_handles`] is set, else to
    /// Windows, which keeps some for its cache long after the programs that opened them.
    #[must_use]
    pub fn open_files(&self) -> u64 {
        self.open_files.load(Ordering::Relaxed)
    }

    /// Takes the drive away and ends its threads.
    pub fn end(mut self) {
        self.host.unmount();
        self.host.stop();
    }
}

fn params(look: &VolumeLook, mounting: &Mounting) -> Result<FileSystemParams, MountError> {
    if mounting.system.encode_utf16().count() > MAX_SYSTEM_UNITS {
        return Err(MountError::TooLong("name of the file system"));
    }
    let mut params = VolumeParams::new();
    params
        .sector_size(2048)
        .sectors_per_allocation_unit(1)
        .max_component_length(255)
        .volume_creation_time(look.created)
        .volume_serial_number(look.serial)
        // For ever: a disc does not change. Of all times that the crate sets this one alone
        // arrives: the others lack the bits that say that they are there.
        .file_info_timeout(u32::MAX)
        .case_sensitive_search(false)
        .case_preserved_names(true)
        .unicode_on_disk(true)
        // Off: the Security tab has nothing to show. Access is checked all the same.
        .persistent_acls(false)
        .reparse_points(true)
        .reparse_points_access_check(false)
        .named_streams(mounting.has_streams)
        // Enforces nothing: every call that would write is refused by the adapter.
        .read_only_volume(true)
        // Close alone comes too late to tell who uses the drive: see `Opened`.
        .post_cleanup_when_modified_only(!mounting.counts_handles)
        // Markers stay names: the crate reads them as text, whatever the driver would send.
        .pass_query_directory_filename(true)
        // So that Windows can mount an image that lies on this disc.
        .allow_open_in_kernel_mode(true)
        .filesystem_name(&mounting.system);
    if let Some(network) = &mounting.network {
        if network.encode_utf16().count() > MAX_NETWORK_UNITS {
            return Err(MountError::TooLong("network name"));
        }
        params.prefix(network);
    }
    Ok(FileSystemParams {
        use_dir_info_by_name: true,
        volume_params: params,
        debug_mode: winfsp::host::DebugMode::none(),
    })
}
