//! Opening the files of an image, once: the first by its path, the further parts of a set beside
//! it. What may be joined is decided here, from what is known of the opened files.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::file;
use super::split::Numbering;

/// The opened files of an image. They were judged by their descriptors and are read by these.
#[derive(Debug)]
pub struct Parts {
    /// The files, in the order in which they are joined.
    pub files: Vec<File>,
    /// Their names, without folders.
    pub names: Vec<OsString>,
    /// The part at which the set was cut, if one was found that may not be joined.
    pub refused: Option<Refused>,
}

/// A file that is named like the next part of a set and does not become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name, without folders.
    pub name: OsString,
    /// Why it was not joined.
    pub why: String,
}

impl Refused {
    fn new(name: OsString, why: &str) -> Self {
        Self { name, why: why.to_owned() }
    }
}

/// Says of an opened file whether it may be joined to a set, or why not.
pub type Judge<'a> = &'a dyn Fn(&Metadata) -> Result<(), &'static str>;

/// The folder that the parts of a set lie in.
pub trait Folder {
    /// Whether it has an entry of this name, of whatever kind.
    fn has(&self, name: &OsStr) -> bool;

    /// What is known of the folder itself.
    ///
    /// # Errors
    /// What the system said.
    fn metadata(&self) -> io::Result<Metadata>;

    /// Opens the file of this name for reading, without following a link, if `judge` agrees to what
    /// is known of it. The inner error is why it does not.
    ///
    /// # Errors
    /// What opening said.
    fn open(&self, name: &OsStr, judge: Judge<'_>) -> io::Result<Result<File, &'static str>>;
}

/// Opens an image by the path of its first file, and the parts beside that.
///
/// The parts of a file that was named by a link are those beside the file that the link leads to.
/// This function goes by paths; a caller that opens images in folders of strangers brings a
/// [`Folder`] that goes by descriptors, and calls [`open_set`].
///
/// # Errors
/// What opening said, with the part's name where a part of a set is missing.
pub fn open_parts(path: &Path) -> io::Result<Parts> {
    let first = file::open(path)?;
    open_set(path, first, |folder| Ok(Box::new(ByPath(folder.to_path_buf()))))
}

/// Adds to the opened `first` file the further parts of the set that it begins, if any. `reach`
/// opens the folder that they lie in.
///
/// # Errors
/// A part is missing or cannot be opened; the message names it.
pub fn open_set(
    path: &Path,
    first: File,
    reach: impl FnOnce(&Path) -> io::Result<Box<dyn Folder>>,
) -> io::Result<Parts> {
    let metadata = first.metadata()?;
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let given = path.file_name().unwrap_or_default().to_owned();
    let alone = |first, name| Parts { files: vec![first], names: vec![name], refused: None };
    if !metadata.is_file() {
        return Ok(alone(first, given));
    }
    let target = if is_link { std::fs::canonicalize(path).ok() } else { Some(path.to_path_buf()) };
    let Some((folder, name)) = target.as_deref().and_then(folder_and_name) else {
        return Ok(alone(first, given));
    };
    // A third without a second shows that one is missing.
    let goes_on = |numbering: &Numbering| {
        let further = [numbering.next(), numbering.next().saturating_add(1)];
        further.iter().any(|number| is_there(&folder.join(numbering.name(*number))))
    };
    if let Some(numbering) = Numbering::of(name).filter(goes_on) {
        let folder = reach(folder)?;
        return joined(first, &metadata, &numbering, &*folder);
    }
    let mut parts = alone(first, name.to_owned());
    if is_link {
        parts.refused = beside_the_link(path);
    }
    Ok(parts)
}

/// Whether a path has an entry, be it a link that leads nowhere.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The folder of a file, which can be opened, and the file's name.
fn folder_and_name(path: &Path) -> Option<(&Path, &OsStr)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    Some((folder.unwrap_or(Path::new(".")), path.file_name()?))
}

/// What lies beside a link as the next part of the file that the link leads to does.
fn beside_the_link(link: &Path) -> Option<Refused> {
    let (folder, name) = folder_and_name(link)?;
    let numbering = Numbering::of(name)?;
    let second = numbering.name(numbering.next());
    is_there(&folder.join(&second)).then(|| {
        Refused::new(second, "it lies beside a link to the first part, not beside that part itself")
    })
}

/// Joins the parts that `folder` has to `first`, up to one that is not there or may not be joined.
fn joined(
    first: File,
    metadata: &Metadata,
    numbering: &Numbering,
    folder: &dyn Folder,
) -> io::Result<Parts> {
    let about_folder = folder.metadata()?;
    let judge = |part: &Metadata| may_join(metadata, part, &about_folder);
    let is_first = |part: &Metadata| {
        if is_same_file(metadata, part) { Ok(()) } else { Err("") }
    };
    let name = numbering.name(numbering.first);
    let named =
        |name: &OsStr, error: io::Error| io::Error::new(error.kind(), format!("{name:?}: {error}"));
    if folder.open(&name, &is_first).map_err(|error| named(&name, error))?.is_err() {
        return Err(named(&name, io::Error::other("it was replaced while it was opened")));
    }
    let mut parts = Parts { files: vec![first], names: vec![name], refused: None };
    let mut number = numbering.next();
    loop {
        let name = numbering.name(number);
        if !folder.has(&name) {
            break;
        }
        match folder.open(&name, &judge).map_err(|error| named(&name, error))? {
            Ok(file) => parts.files.push(file),
            Err(why) => {
                parts.refused = Some(Refused::new(name, why));
                return Ok(parts);
            }
        }
        parts.names.push(name);
        number = number.saturating_add(1);
    }
    // One that a stranger put there shows nothing.
    let would_join =
        |name: &OsString| folder.has(name) && matches!(folder.open(name, &judge), Ok(Ok(_)));
    let mut later = (1..=8).map(|n| numbering.name(number.saturating_add(n)));
    let Some(present) = later.find(would_join) else { return Ok(parts) };
    let missing = numbering.name(number);
    let what = format!("part {missing:?} is missing, while {present:?} is there");
    Err(io::Error::new(io::ErrorKind::NotFound, what))
}

/// Whether a file may become a part of a set that begins with `first`.
///
/// A set mixes what its parts hold, so that whoever made one part can show what stands in another.
/// Parts are joined only if that gives nothing away: all users may read both, or one user owns both
/// and nobody else can have put this name in the folder. A link with another name, be it a hard
/// one, to a private file of the person who opens the set passes neither.
#[cfg(unix)]
fn may_join(first: &Metadata, part: &Metadata, folder: &Metadata) -> Result<(), &'static str> {
    use std::os::unix::fs::MetadataExt;
    const READ_BY_ALL: u32 = 0o004;
    const WRITTEN_BY_OTHERS: u32 = 0o022;
    file::is_readable_kind(part)?;
    if first.mode() & part.mode() & READ_BY_ALL != 0 {
        return Ok(());
    }
    if first.uid() != part.uid() {
        return Err("it belongs to another user than the first part, and not everybody may read \
                    both");
    }
    let is_own_folder = folder.uid() == part.uid() || folder.uid() == 0;
    let is_closed_folder = folder.mode() & WRITTEN_BY_OTHERS == 0;
    if is_own_folder && (is_closed_folder || part.nlink() == 1) {
        return Ok(());
    }
    Err("not everybody may read it, and another user may have put it in this folder")
}

#[cfg(not(unix))]
fn may_join(_: &Metadata, part: &Metadata, _: &Metadata) -> Result<(), &'static str> {
    file::is_readable_kind(part)
}

#[cfg(unix)]
fn is_same_file(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Nothing tells files apart; nothing hangs on it where links take an administrator's rights.
#[cfg(not(unix))]
fn is_same_file(_: &Metadata, _: &Metadata) -> bool {
    true
}

/// A folder that is looked into by its path.
struct ByPath(PathBuf);

impl Folder for ByPath {
    fn has(&self, name: &OsStr) -> bool {
        is_there(&self.0.join(name))
    }

    fn metadata(&self) -> io::Result<Metadata> {
        self.0.metadata()
    }

    fn open(&self, name: &OsStr, judge: Judge<'_>) -> io::Result<Result<File, &'static str>> {
        let path = self.0.join(name);
        let before = path.symlink_metadata()?;
        if let Err(why) = judge(&before) {
            return Ok(Err(why));
        }
        let file = File::open(&path)?;
        let opened = file.metadata()?;
        if !is_same_file(&before, &opened) {
            return Err(io::Error::other("it was replaced while it was opened"));
        }
        Ok(judge(&opened).map(|()| file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("isodrive-parts-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_set_is_known_by_its_first_name_and_a_missing_part_is_named() {
        let folder = scratch("set");
        for (name, bytes) in [("a.iso.001", "one"), ("a.iso.002", "two"), ("a.iso.003", "three")] {
            std::fs::write(folder.join(name), bytes).unwrap();
        }
        let first = folder.join("a.iso.001");
        let set = open_parts(&first).unwrap();
        assert_eq!(set.names, ["a.iso.001", "a.iso.002", "a.iso.003"]);
        assert_eq!(set.refused, None);
        assert_eq!(crate::source::open_path(&first).unwrap().len(), 11);
        // Where an open file stays until it is closed, a removed one would too.
        drop(set);
        std::fs::remove_file(folder.join("a.iso.002")).unwrap();
        let error = open_parts(&first).expect_err("a gap").to_string();
        assert!(error.contains("a.iso.002") && error.contains("missing"), "{error}");
        std::fs::remove_file(folder.join("a.iso.003")).unwrap();
        assert_eq!(open_parts(&first).unwrap().names, ["a.iso.001"], "one part is a plain file");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    mod unix {
        use super::*;
        use std::os::unix::fs::{PermissionsExt, symlink};

        fn chmod(path: &Path, mode: u32) {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }

        #[test]
        fn a_link_is_no_part_and_the_parts_of_a_linked_file_lie_beside_that() {
            let folder = scratch("links");
            let real = folder.join("real");
            std::fs::create_dir(&real).unwrap();
            std::fs::write(real.join("x.001"), "one").unwrap();
            std::fs::write(folder.join("secret"), "secret").unwrap();
            symlink("real/x.001", folder.join("x.001")).unwrap();

            symlink("../secret", real.join("x.002")).unwrap();
            let cut = open_parts(&real.join("x.001")).unwrap();
            assert_eq!(cut.names, ["x.001"]);
            assert_eq!(
                cut.refused.unwrap().why,
                "it is a symbolic link, and those are not followed"
            );

            std::fs::remove_file(real.join("x.002")).unwrap();
            std::fs::write(folder.join("x.002"), "beside the link").unwrap();
            let refused = open_parts(&folder.join("x.001")).unwrap().refused.unwrap();
            assert!(
                refused.name == "x.002" && refused.why.contains("beside a link"),
                "{refused:?}"
            );

            std::fs::write(real.join("x.002"), "two").unwrap();
            let set = open_parts(&folder.join("x.001")).unwrap();
            assert_eq!(set.files[1].metadata().unwrap().len(), 3, "beside the file itself");
            std::fs::remove_dir_all(&folder).unwrap();
        }

        #[test]
        fn private_parts_are_joined_only_where_nobody_else_can_have_put_them() {
            let folder = scratch("private");
            let path = |name: &str| folder.join(name);
            for (name, bytes) in [("x.001", "one"), ("x.002", "two")] {
                std::fs::write(path(name), bytes).unwrap();
                chmod(&path(name), 0o600);
            }
            let joins = || open_parts(&path("x.001")).unwrap().files.len() == 2;
            chmod(&folder, 0o700);
            assert!(joins(), "one owner, and the folder is closed");
            chmod(&folder, 0o777);
            assert!(joins(), "it has no other name that it could be private under");
            std::fs::hard_link(path("x.002"), path("elsewhere")).unwrap();
            assert!(!joins(), "anybody may have linked it here");
            chmod(&folder, 0o755);
            assert!(joins());
            chmod(&folder, 0o777);
            chmod(&path("x.001"), 0o644);
            assert!(!joins(), "what the first part shows is no secret, the other is");
            chmod(&path("x.002"), 0o644);
            assert!(joins(), "everybody may read both");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
