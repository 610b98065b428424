//! The mounts that are there now, from the kernel's own table.
//! The table is the truth; what isodrive itself remembers of a mount is `state`'s business.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use mount_fuse::FS_TYPE;

/// What tells our mounts by the kernel's EROFS driver from those of others.
const EROFS_MARK: &str = mount_erofs::MARK;

/// One isodrive mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it is mounted.
    pub(crate) at: PathBuf,
    /// The image's path as it stands in the table.
    pub(crate) source: OsString,
    /// `major:minor` of its device, which no other mount has at the same time.
    pub(crate) device: String,
    /// Its type, as in `fuse.isodrive`.
    pub(crate) kind: String,
    /// The user it was mounted for, where the table tells.
    pub(crate) user: Option<u32>,
    /// That user's group, where the table tells.
    pub(crate) group: Option<u32>,
    /// Whether a FUSE mount lets other users in.
    pub(crate) allows_others: bool,
}

impl Entry {
    /// Whether the table alone proves that it shows this image. In the source of a FUSE mount an
    /// underscore may stand for what an option cannot hold, so a name with one proves nothing.
    pub(crate) fn shows(&self, image: &Path) -> bool {
        if self.is_kernels() {
            return self.source == mount_erofs::source_name(image);
        }
        let is_as_written = |text: &str| !text.contains(['_', char::REPLACEMENT_CHARACTER]);
        self.source.to_str().is_some_and(is_as_written) && self.source == image
    }

    /// The image's path as the table tells it.
    pub(crate) fn image(&self) -> &[u8] {
        let source = self.source.as_bytes();
        source.strip_prefix(EROFS_MARK.as_bytes()).unwrap_or(source)
    }

    /// Whether the table says that this user made it. What tells no user was mounted by root.
    pub(crate) fn is_own(&self) -> bool {
        self.user.unwrap_or(0) == rustix::process::geteuid().as_raw()
    }

    /// Whether this user may take it away.
    pub(crate) fn is_mine(&self) -> bool {
        rustix::process::geteuid().is_root() || self.is_own()
    }

    /// Whether the kernel's EROFS driver serves it.
    pub(crate) fn is_kernels(&self) -> bool {
        self.kind == mount_erofs::FS_TYPE
    }

    /// Whether it waits for somebody to mount on it, as autofs and systemd's automount units do.
    pub(crate) fn is_trigger(&self) -> bool {
        self.kind == "autofs"
    }

    /// Whether isodrive made it.
    pub(crate) fn is_ours(&self) -> bool {
        self.kind == FS_TYPE
            || (self.is_kernels() && self.source.as_bytes().starts_with(EROFS_MARK.as_bytes()))
    }
}

/// All isodrive mounts, the latest last.
pub(crate) fn list() -> io::Result<Vec<Entry>> {
    let mut entries = parse(&std::fs::read("/proc/self/mountinfo")?);
    entries.retain(Entry::is_ours);
    Ok(entries)
}

/// Everything that is mounted, whoever did it; nothing where the table cannot be read.
pub(crate) fn all() -> Vec<Entry> {
    parse(&table_of(Path::new("/proc/self")))
}

/// What is mounted exactly there, whoever did it; the topmost where several lie over each other.
pub(crate) fn top_at(path: &Path) -> Option<Entry> {
    all().into_iter().rfind(|entry| entry.at == path)
}

/// Whether the mount namespace of a process, which is given by its folder in `/proc`, has a mount
/// that is gone here. The kernel may have given the number of its device again since, so its image
/// counts too.
pub(crate) fn has_copy(process: &Path, gone: &Entry) -> bool {
    let is_copy = |entry: &Entry| {
        entry.is_ours() && entry.device == gone.device && entry.source == gone.source
    };
    parse(&table_of(process)).iter().any(is_copy)
}

/// The numbers of the mounts that a process sees, each given to one mount of one namespace at a
/// time.
pub(crate) fn numbers_of(process: &Path) -> HashSet<Vec<u8>> {
    let table = table_of(process);
    let lines = table.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.filter_map(|line| line.split(|b| *b == b' ').next()).map(<[u8]>::to_vec).collect()
}

fn table_of(process: &Path) -> Vec<u8> {
    std::fs::read(process.join("mountinfo")).unwrap_or_default()
}

/// What is mounted below a directory, whoever did it; the latest last.
pub(crate) fn below(path: &Path) -> Vec<Entry> {
    let is_below = |entry: &Entry| entry.at != path && entry.at.starts_with(path);
    all().into_iter().filter(is_below).collect()
}

/// The mounts in a `mountinfo` table (proc_pid_mountinfo(5)).
fn parse(table: &[u8]) -> Vec<Entry> {
    table.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Entry> {
    let mut fields = line.split(|b| *b == b' ');
    let device = fields.nth(2)?;
    let at = fields.nth(1)?;
    // Optional fields follow, up to a lone dash.
    fields.find(|field| *field == b"-")?;
    let kind = fields.next()?;
    let source = fields.next()?;
    let options = fields.next().unwrap_or_default();
    let mut options = options.split(|b| *b == b',');
    let number = |name: &[u8]| {
        let digits = options.clone().find_map(|option| option.strip_prefix(name))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let (user, group) = (number(b"user_id="), number(b"group_id="));
    Some(Entry {
        at: PathBuf::from(unescape(at)),
        source: unescape(source),
        device: String::from_utf8_lossy(device).into_owned(),
        kind: String::from_utf8_lossy(kind).into_owned(),
        user,
        group,
        allows_others: options.any(|option| option == b"allow_other"),
    })
}

/// A field of the table with its `\040`-like escapes undone.
fn unescape(field: &[u8]) -> OsString {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, escaped) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_mounts_are_found_with_their_escapes_undone() {
        let table = b"36 35 98:0 / /mnt rw shared:1 - ext4 /dev/sda rw\n\
            99 35 0:50 / /home/a\\040b/X ro shared:2 master:1 - fuse.isodrive /srv/a\\040b.iso \
            ro,user_id=7,group_id=8,allow_other\n\
            100 35 0:51 / /home/y ro - fuse.isodrive /srv/c_d.iso ro\n";
        let mut entries = parse(table);
        assert_eq!(entries.len(), 3);
        entries.retain(Entry::is_ours);
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[0].user, entries[1].user), (Some(7), None));
        assert_eq!((entries[0].group, entries[1].group), (Some(8), None));
        assert_eq!((entries[0].allows_others, entries[1].allows_others), (true, false));
        assert_eq!(entries[0].at, Path::new("/home/a b/X"));
        assert_eq!(entries[0].device, "0:50");
        assert!(entries[0].shows(Path::new("/srv/a b.iso")));
        for image in ["/srv/c,d.iso", "/srv/c_d.iso"] {
            assert!(!entries[1].shows(Path::new(image)), "a comma stands there as _ too");
        }
    }
}
