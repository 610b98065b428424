//! Every bound on hostile input, each with its reason.
//! Readers compare with a field of [`Limits`]; no bound is written anywhere else.

/// Bounds that keep a disc from costing more time or memory than it may.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Volume descriptors read after sector 16: a list need not end.
    pub volume_descriptors: u64,
    /// Descriptors read per UDF volume descriptor sequence: pointers may form a circle.
    pub sequence_descriptors: u64,
    /// Bytes of one directory that is held in memory while it is parsed (UDF).
    pub directory_bytes: u64,
    /// Bytes of one directory that is read in pieces (ISO 9660).
    pub pieced_directory_bytes: u64,
    /// Bytes of all names of one directory, as they are shown.
    pub directory_name_bytes: u64,
    /// System use bytes read for all records of one directory: they may share a long chain.
    pub directory_system_use_bytes: u64,
    /// Entries of one directory: each costs memory for as long as it is cached.
    pub directory_entries: u64,
    /// Bytes of one name: 255 characters of four bytes.
    pub name_bytes: usize,
    /// Continuation areas followed for one directory record: `CE` entries may form a circle.
    pub continuation_hops: u64,
    /// System use bytes gathered for one directory record.
    pub system_use_bytes: u64,
    /// Bytes of a symbolic link target, as in the kernel.
    pub symlink_bytes: usize,
    /// Extents of one file: each costs memory while the file is known.
    pub extents: u64,
    /// Allocation extents followed for one file: they may form a circle.
    pub allocation_extents: u64,
    /// Indirect entries followed for one ICB (strategy 4096): they may form a circle.
    pub indirections: u64,
    /// Bytes of allocation descriptors or extended attributes read for one ICB.
    pub icb_bytes: u64,
    /// Sessions of one disc.
    pub sessions: usize,
    /// Sectors searched for the next session behind the end of one.
    pub session_gap_sectors: u64,
    /// Partitions of one partition map.
    pub partitions: u64,
    /// Places at which a volume is tried to be opened in an image that begins with none.
    pub volume_places: usize,
    /// Sectors in which the beginning of a volume is looked for behind a pause before it. The usual
    /// pause of a CD is one of two seconds, 150 sectors (ECMA-130 20).
    pub pause_sectors: u64,
    /// Bytes in which the beginning of a volume is looked for in a file that is no disc image, to
    /// tell where it begins: a header, or more blank sectors than a pause has.
    pub sought_bytes: u64,
    /// Sectors in which the root directory of a track that was copied alone is looked for.
    pub track_root_sectors: u64,
    /// Named streams of one file, or attributes in its attribute list.
    pub streams: u64,
    /// Bytes of memory for all attributes of one file: where their values lie costs some too.
    pub attribute_bytes: u64,
    /// Partition maps of one logical volume.
    pub partition_maps: u64,
    /// Bytes of the tables that find the blocks of a volume's partitions: they are held in memory
    /// for as long as the volume is.
    pub partition_table_bytes: u64,
    /// Blocks looked at, from the end of the image back, for a virtual allocation table: writers
    /// pad the end of a track.
    pub padding_blocks: u64,
    /// Bytes of the value of one extended attribute, as in the kernel.
    pub xattr_bytes: u64,
    /// Depth to which walkers descend: directories may contain themselves.
    pub walk_depth: usize,
    /// Bytes of the path of anything that walkers descend to.
    pub walk_path_bytes: usize,
    /// Directories that a walker enters again under another path: a disc may tie its directories
    /// together so that each holds the next one twice.
    pub revisits: usize,
    /// Boot catalogue entries listed.
    pub boot_entries: u64,
    /// Bytes of blocks kept that hold descriptors, directories and ICBs.
    pub metadata_cache_bytes: u64,
    /// Bytes of blocks kept that hold file data (decoded and remote sources only).
    pub bulk_cache_bytes: u64,
    /// Bytes of blocks kept that were decompressed.
    pub decoded_cache_bytes: u64,
    /// Bytes of parsed directories kept, of all views of the disc together.
    pub parsed_cache_bytes: u64,
    /// Bytes kept of what is known of files whose bytes are read.
    pub file_cache_bytes: u64,
    /// Bytes kept of what leads back into large directories without parsing them again: places of
    /// records and hashes of names, of all directories together.
    pub kept_index_bytes: u64,
    /// Entries up to which a directory is parsed whole each time: that takes no longer than a
    /// read of the medium.
    pub whole_directory_entries: usize,
    /// Entries of a large directory that are parsed together: more would take longer for one that
    /// is looked up, fewer would make more places to keep.
    pub directory_part_entries: usize,
    /// Bytes read for entries of a large directory that are parsed together.
    pub directory_part_bytes: u64,
    /// Files with a serial number of Rock Ridge that are remembered by their first name, so that
    /// other names of them are found to be the same file: each costs 33 bytes.
    pub linked_files: usize,
    /// Findings kept; the rest is only counted.
    pub findings: usize,
    /// Names of a root up to which files are weighed for the view rule: a few reads do
    /// not distinguish more.
    pub weighed_names: usize,
    /// Blocks of the cache that may be read to weigh the files of one root.
    pub weighed_blocks: usize,
    /// Bytes of a file up to which all its pieces are worked out to learn where it begins, where
    /// its record alone does not tell.
    pub located_bytes: u64,
    /// Blocks of the cache that may be read to compare trees below their roots, where one of them
    /// is UDF: as many as looking for its anchor where discs have it saves.
    pub compared_blocks: usize,
    /// Names of all trees together that are compared below the roots: each costs time.
    pub compared_names: usize,
    /// Files of a root that are searched for a note that asks for a reader of UDF.
    pub note_files: usize,
    /// Bytes searched at the beginning of each of them.
    pub note_bytes: usize,
    /// Bytes of metadata made of a volume's directories for another file system driver.
    pub translated_bytes: u64,
    /// Bytes of files taken over into such metadata, since they lie where that driver cannot read.
    pub copied_bytes: u64,
}

impl Limits {
    /// The defaults with caches of so many bytes in all.
    #[must_use]
    pub fn caching(bytes: u64) -> Self {
        let part = bytes / 16;
        Self {
            parsed_cache_bytes: part.saturating_mul(4),
            file_cache_bytes: part,
            kept_index_bytes: part.saturating_mul(4),
            metadata_cache_bytes: part.saturating_mul(2),
            decoded_cache_bytes: part.saturating_mul(2),
            bulk_cache_bytes: part.saturating_mul(3),
            ..Self::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            volume_descriptors: 64,
            sequence_descriptors: 256,
            directory_bytes: 64 << 20,
            pieced_directory_bytes: 256 << 20,
            directory_name_bytes: 32 << 20,
            directory_system_use_bytes: 256 << 20,
            directory_entries: 1_000_000,
            name_bytes: 1020,
            continuation_hops: 64,
            system_use_bytes: 1 << 20,
            symlink_bytes: 4095,
            extents: 200_000,
            allocation_extents: 10_000,
            indirections: 16,
            icb_bytes: 1 << 20,
            sessions: 99,
            session_gap_sectors: 256,
            partitions: 64,
            volume_places: 16,
            pause_sectors: 450,
            sought_bytes: 4 << 20,
            track_root_sectors: 1024,
            streams: 1024,
            attribute_bytes: 4 << 20,
            partition_maps: 64,
            partition_table_bytes: 16 << 20,
            padding_blocks: 1024,
            xattr_bytes: 64 << 10,
            walk_depth: 8192,
            walk_path_bytes: 256 << 10,
            revisits: 1024,
            boot_entries: 256,
            metadata_cache_bytes: 8 << 20,
            bulk_cache_bytes: 64 << 20,
            decoded_cache_bytes: 16 << 20,
            parsed_cache_bytes: 16 << 20,
            file_cache_bytes: 4 << 20,
            kept_index_bytes: 16 << 20,
            whole_directory_entries: 4096,
            directory_part_entries: 512,
            directory_part_bytes: 256 << 10,
            linked_files: 200_000,
            findings: 256,
            weighed_names: 64,
            weighed_blocks: 2,
            located_bytes: 16 << 20,
            compared_blocks: 5,
            compared_names: 4096,
            note_files: 16,
            note_bytes: 4096,
            translated_bytes: 2 << 30,
            copied_bytes: 64 << 20,
        }
    }
}
