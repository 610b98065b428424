//! The names under which a mount stands in the mount table.
//! What comes from outside is made harmless there: it ends up in an option string.

use std::path::Path;

/// The type of a mount as `mount`, `findmnt` and `/proc/self/mountinfo` show it.
pub const FS_TYPE: &str = "fuse.isodrive";

/// The image's path as the source of a mount. A comma would begin another option, so `a,rw.iso`
/// would be mounted writable; a backslash would be taken for an escape. The kernel refuses an
/// empty source, so an image without a path is called `isodrive`.
#[must_use]
pub fn source_name(image: &Path) -> String {
    let harmless = |c: char| if c == ',' || c == '\\' || c.is_control() { '_' } else { c };
    let name: String = image.to_string_lossy().chars().map(harmless).collect();
    if name.is_empty() { "isodrive".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_bring_in_an_option() {
        for (image, want) in [
            ("/srv/a,rw.iso", "/srv/a_rw.iso"),
            ("/srv/a\\,b.iso", "/srv/a__b.iso"),
            ("", "isodrive"),
            ("/srv/a\nb.iso", "/srv/a_b.iso"),
            ("/srv/caf\u{e9} #1%.iso", "/srv/caf\u{e9} #1%.iso"),
        ] {
            assert_eq!(source_name(Path::new(image)), want);
        }
    }
}
