//! How nodes are shown: who owns them, with which permissions, whether case counts.
//! The one place of such policy; formats record, adapters show, this decides.

use super::{Attr, Device, DirEntry, Facts, FileKind};

/// Which permissions to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Permissions {
    /// Everything readable and owned by whoever mounts; no set-id bits, no device numbers.
    #[default]
    Safe,
    /// As the image records them.
    Image,
}

/// Whether names that differ in case alone are one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// As the file system on the disc means it.
    #[default]
    Auto,
    /// Exact names only.
    Sensitive,
    /// A name in another case is found if the exact one is absent.
    Insensitive,
}

/// Whether files that the disc marks as hidden are listed. They are found by name either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Hidden {
    /// Like all others.
    #[default]
    Show,
    /// Not at all.
    Hide,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// Choices of the person who mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Presentation {
    /// Whose permissions are shown.
    pub permissions: Permissions,
    /// The owner of what has none, and of everything under `Permissions::Safe`.
    pub owner: Owner,
    /// A user id for everything.
    pub uid: Option<u32>,
    /// A group id for everything.
    pub gid: Option<u32>,
    /// Permissions for all files.
    pub file_mode: Option<u16>,
    /// Permissions for all directories.
    pub directory_mode: Option<u16>,
    /// Whether case counts.
    pub case: Case,
    /// Whether hidden files are listed.
    pub hidden: Hidden,
}

/// What a file's `stat` says beyond size and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// The twelve low bits of the mode.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// How many names it has; 1 for a directory, whatever the disc records.
    pub links: u32,
    /// Device number; 0:0 unless the image's permissions are shown.
    pub device: Device,
}

impl Presentation {
    /// Whether a name in another case is found.
    #[must_use]
    pub fn folds_case(&self, facts: &Facts) -> bool {
        match self.case {
            Case::Auto => facts.ignores_case,
            Case::Sensitive => false,
            Case::Insensitive => true,
        }
    }

    /// Whether an entry of a directory is listed.
    #[must_use]
    pub fn lists(&self, entry: &DirEntry<'_>) -> bool {
        self.hidden == Hidden::Show || !entry.is_hidden
    }

    /// How a node is shown.
    #[must_use]
    pub fn stat(&self, attr: &Attr) -> Stat {
        let recorded = attr.posix.filter(|_| self.permissions == Permissions::Image);
        let forced = match attr.kind {
            FileKind::Directory => self.directory_mode,
            FileKind::Symlink => None,
            FileKind::Regular
            | FileKind::BlockDevice
            | FileKind::CharDevice
            | FileKind::Fifo
            | FileKind::Socket => self.file_mode,
        };
        let permissions = recorded.map_or_else(|| safe_permissions(attr), |p| p.permissions);
        Stat {
            permissions: forced.unwrap_or(permissions) & 0o7777,
            uid: self.uid.or(recorded.and_then(|p| p.uid)).unwrap_or(self.owner.uid),
            gid: self.gid.or(recorded.and_then(|p| p.gid)).unwrap_or(self.owner.gid),
            links: match attr.kind {
                // Programs take more than 1 for two and the number of directories within, and look
                // for no more of them than that (`fts` of the GNU C library). Discs count other
                // things here: UDF the entries that lead to a directory (ECMA-167 4/14.9.6).
                FileKind::Directory => 1,
                FileKind::Regular
                | FileKind::Symlink
                | FileKind::BlockDevice
                | FileKind::CharDevice
                | FileKind::Fifo
                | FileKind::Socket => attr.links.max(1),
            },
            device: match self.permissions {
                Permissions::Safe => Device::default(),
                Permissions::Image => attr.device.unwrap_or_default(),
            },
        }
    }
}

/// The namespace of attributes that mean nothing to a system.
const USER: &[u8] = b"user.";

/// Namespaces that a system or its security modules act on: a stranger's disc has no say there.
const WITHHELD: [&[u8]; 2] = [b"security.", b"trusted."];

/// The name of an extended attribute where names have namespaces: those without one become
/// `user.`. Nothing for those that are not shown: they could act on the system, or no system takes
/// them for a name.
#[must_use]
pub fn xattr_name(recorded: &[u8]) -> Option<Vec<u8>> {
    let is_known = [USER, b"system."].iter().chain(&WITHHELD).any(|n| recorded.starts_with(n));
    let name = if is_known { recorded.to_vec() } else { [USER, recorded].concat() };
    let is_withheld = WITHHELD.iter().any(|namespace| name.starts_with(namespace));
    (!is_withheld && name.len() <= 255 && !name.contains(&0)).then_some(name)
}

/// Readable by all; executable where the disc says so, or where it says nothing at all, since a
/// disc without permissions may hold programs.
fn safe_permissions(attr: &Attr) -> u16 {
    match attr.kind {
        FileKind::Directory => 0o555,
        FileKind::Symlink => 0o777,
        FileKind::Regular
        | FileKind::BlockDevice
        | FileKind::CharDevice
        | FileKind::Fifo
        | FileKind::Socket => match attr.posix {
            Some(posix) if posix.permissions & 0o111 == 0 => 0o444,
            _ => 0o555,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NodeId, Posix};
    use super::*;
    use crate::Timestamp;

    fn attr(kind: FileKind, posix: Option<(u16, Option<u32>)>) -> Attr {
        Attr {
            node: NodeId::at(64),
            kind,
            size: 0,
            links: 1,
            posix: posix.map(|(permissions, uid)| Posix { permissions, uid, gid: uid }),
            device: Some(Device { major: 8, minor: 0 }),
            modified: Timestamp::default(),
            accessed: Timestamp::default(),
            changed: Timestamp::default(),
            created: None,
        }
    }

    const ME: Owner = Owner { uid: 1000, gid: 100 };

    #[test]
    fn by_default_everything_is_mine_readable_and_harmless() {
        let show = Presentation { owner: ME, ..Presentation::default() };
        for (kind, posix, want) in [
            (FileKind::Directory, Some((0o700, Some(0))), 0o555),
            (FileKind::Regular, Some((0o600, Some(0))), 0o444),
            (FileKind::Regular, Some((0o4755, Some(0))), 0o555),
            (FileKind::Regular, None, 0o555),
            (FileKind::BlockDevice, Some((0o660, Some(0))), 0o444),
        ] {
            let stat = show.stat(&attr(kind, posix));
            assert_eq!((stat.permissions, stat.uid, stat.gid), (want, 1000, 100), "{kind:?}");
            assert_eq!(stat.device, Device::default());
        }
    }

    #[test]
    fn the_image_can_be_shown_as_recorded_and_ids_it_lacks_are_mine() {
        let show =
            Presentation { owner: ME, permissions: Permissions::Image, ..Presentation::default() };
        let stat = show.stat(&attr(FileKind::Regular, Some((0o4750, Some(7)))));
        assert_eq!((stat.permissions, stat.uid, stat.gid), (0o4750, 7, 7));
        assert_eq!(stat.device, Device { major: 8, minor: 0 });
        let stat = show.stat(&attr(FileKind::Regular, Some((0o600, None))));
        assert_eq!((stat.permissions, stat.uid), (0o600, 1000));
    }

    #[test]
    fn given_ids_and_modes_win() {
        let show = Presentation {
            uid: Some(5),
            gid: Some(6),
            file_mode: Some(0o640),
            directory_mode: Some(0o750),
            ..Presentation::default()
        };
        let stat = show.stat(&attr(FileKind::Regular, Some((0o777, Some(1)))));
        assert_eq!((stat.permissions, stat.uid, stat.gid), (0o640, 5, 6));
        let stat = show.stat(&attr(FileKind::Directory, None));
        assert_eq!(stat.permissions, 0o750);
    }

    #[test]
    fn a_directory_has_one_link_and_a_file_as_many_as_recorded() {
        let show = Presentation::default();
        for (kind, recorded, want) in [
            (FileKind::Directory, 5, 1),
            (FileKind::Directory, 0, 1),
            (FileKind::Regular, 3, 3),
            (FileKind::Symlink, 0, 1),
        ] {
            let stat = show.stat(&Attr { links: recorded, ..attr(kind, None) });
            assert_eq!(stat.links, want, "{kind:?} {recorded}");
        }
    }

    #[test]
    fn attributes_without_a_namespace_belong_to_the_user() {
        for (recorded, want) in [
            (&b"com.apple.FinderInfo"[..], Some(&b"user.com.apple.FinderInfo"[..])),
            (b"user.note", Some(b"user.note")),
            (b"system.posix_acl_access", Some(b"system.posix_acl_access")),
            (b"security.capability", None),
            (b"trusted.x", None),
            (b"a\0b", None),
            (&[b'x'; 251], None),
        ] {
            assert_eq!(xattr_name(recorded).as_deref(), want);
        }
    }
}
