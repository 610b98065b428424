//! Comparing a tree with a golden one, field by field.
//! Gives differences as lines; which of them are expected is for the test to say.

use crate::tree::{Entry, Tree};

/// Which fields are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fields {
    /// Mode and owner, for formats that record them and views that show them.
    pub permissions: bool,
    /// When bytes were last written.
    pub times: bool,
    /// The other two times, which not every driver keeps.
    pub other_times: bool,
    /// Sizes of directories, which only mean something to the driver that shows them.
    pub directory_sizes: bool,
}

/// The differences between what was shown and what should be, one line each.
pub fn differences(shown: &Tree, golden: &Tree, fields: Fields) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, want) in &golden.entries {
        let name = path.escape_ascii();
        match shown.entries.get(path) {
            None => lines.push(format!("{name}: missing")),
            Some(got) => compare(&name.to_string(), got, want, fields, &mut lines),
        }
    }
    for path in shown.entries.keys().filter(|path| !golden.entries.contains_key(*path)) {
        lines.push(format!("{}: not in the golden tree", path.escape_ascii()));
    }
    lines
}

fn compare(name: &str, got: &Entry, want: &Entry, fields: Fields, lines: &mut Vec<String>) {
    let mut check = |field: &str, got: String, want: String| {
        if got != want {
            lines.push(format!("{name}: {field} is {got}, should be {want}"));
        }
    };
    let text = |bytes: &Option<Vec<u8>>| {
        bytes.as_ref().map_or("none".to_owned(), |bytes| bytes.escape_ascii().to_string())
    };
    check("type", got.kind.to_string(), want.kind.to_string());
    if let (Some(_), Some(_)) = (&got.error, &want.error) {
        // Both say that it cannot be read; how much of it each had by then is no matter.
        return;
    }
    if want.kind != 'd' || fields.directory_sizes {
        check("size", got.size.to_string(), want.size.to_string());
    }
    check("target", text(&got.target), text(&want.target));
    check("sha256", format!("{:?}", got.sha256), format!("{:?}", want.sha256));
    check("error", format!("{:?}", got.error), format!("{:?}", want.error));
    if fields.permissions {
        check("mode", format!("{:o}", got.mode), format!("{:o}", want.mode));
        check("uid", got.uid.to_string(), want.uid.to_string());
        check("gid", got.gid.to_string(), want.gid.to_string());
        check("device", format!("{:?}", got.device), format!("{:?}", want.device));
    }
    if fields.times {
        check("mtime", format!("{:?}", got.modified), format!("{:?}", want.modified));
    }
    if fields.other_times {
        check("atime", format!("{:?}", got.accessed), format!("{:?}", want.accessed));
        check("ctime", format!("{:?}", got.changed), format!("{:?}", want.changed));
    }
}
