//! What a file is that is no disc image, so that people know what to try.
//! Names only; `identify` looks.

use std::fmt;

/// What was found in place of a disc file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// A file of no bytes.
    Empty,
    /// A text file.
    Text,
    /// A web page, as a failed download leaves behind.
    WebPage,
    /// Nothing but zeros, wherever it was looked at.
    Zeros,
    /// A disc image that lacks this many bytes at its beginning.
    CutHead(u64),
    /// Volumes, none of which begins with the image.
    Inside(Places),
    /// A text that describes a disc and names the file with its sectors.
    Sheet,
    /// A compressed file or an archive, which may hold an image.
    Packed(&'static str),
    /// The image of a disk, not of a disc.
    Disk(&'static str),
    /// The image of a disk of a virtual machine, which is not stored sector by sector.
    VirtualDisk(&'static str),
    /// A disc of a game console or player with a file system of its own.
    Console(&'static str),
    /// A disc image in a wrapping that isodrive does not read.
    Wrapped(&'static str),
    /// A disc file system that isodrive does not read.
    OtherFileSystem(&'static str),
    /// Some other kind of file.
    Other(&'static str),
    /// Nothing that is known.
    Unknown,
}

/// Places in an image, in bytes: the first few of them, none at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Places([u64; 4]);

impl Places {
    /// Adds one, if there is room and it is not there yet.
    fn add(&mut self, at: u64) {
        if self.0.contains(&at) {
            return;
        }
        if let Some(free) = self.0.iter_mut().find(|place| **place == 0) {
            *free = at;
        }
    }

    /// Those that there are.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter().filter(|at| *at > 0)
    }
}

impl FromIterator<u64> for Places {
    fn from_iter<I: IntoIterator<Item = u64>>(all: I) -> Self {
        let mut places = Self::default();
        all.into_iter().for_each(|at| places.add(at));
        places
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CutHead(bytes) => {
                return write!(f, "an ISO 9660 disc without its first {bytes} bytes");
            }
            Self::Inside(places) => {
                let places: Vec<String> = places.iter().map(|at| at.to_string()).collect();
                if let [only] = places.as_slice() {
                    return write!(f, "a volume that begins at byte {only}");
                }
                return write!(f, "volumes that begin at the bytes {}", places.join(", "));
            }
            Self::WebPage => "a web page (HTML)",
            Self::Zeros => "zeros at its beginning, in its middle and at its end",
            Self::Empty => "an empty file",
            Self::Text => "a text file",
            Self::Sheet => "a cue sheet (an index; the data is in another file)",
            Self::Packed(kind)
            | Self::Disk(kind)
            | Self::VirtualDisk(kind)
            | Self::Console(kind)
            | Self::Wrapped(kind)
            | Self::OtherFileSystem(kind)
            | Self::Other(kind) => kind,
            Self::Unknown => "no ISO 9660, UDF or HFS file system; the format is not recognised",
        })
    }
}
