//! What commands do where discs become drives through WinFsp: mounting, drive letters, what
//! Explorer shows, and what a mount leaves for other commands to find.

pub(crate) mod arguments;
pub(crate) mod confined;
pub(crate) mod doctor;
pub(crate) mod eject;
mod explorer;
pub(crate) mod list;
pub(crate) mod machine_log;
pub(crate) mod mount;
mod native;
pub(crate) mod open;
mod place;
mod refusal;
mod registry;
mod server;
pub(crate) mod setup;
mod state;
pub(crate) mod zone;

/// What stands below the help: WinFsp's licence asks for it.
pub(crate) const NOTICE: &str = mount_winfsp::NOTICE;

/// What `--version` says, the same notice among it.
pub(crate) const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\n\nThis program for Windows is free software under the GNU General Public License, \
     version 3.\nIt uses WinFsp - Windows File System Proxy, Copyright (C) Bill Zissimopoulos, \
     https://github.com/winfsp/winfsp"
);

/// The one path of an image, however it was named, in the form that people write.
fn one_path(path: &std::path::Path) -> std::path::PathBuf {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let text = whole.to_str().unwrap_or_default();
    // Windows gives such a path a beginning that says that it is taken as it stands.
    match (text.strip_prefix("\\\\?\\UNC\\"), text.strip_prefix("\\\\?\\")) {
        (Some(share), _) => format!("\\\\{share}").into(),
        (None, Some(local)) => local.into(),
        (None, None) => whole,
    }
}

/// How the image of a mount is mentioned in places that take text.
fn text(path: &std::path::Path) -> crate::json::Name {
    crate::json::Name::new(path.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_carries_the_notice_of_winfsp() {
        assert!(super::LONG_VERSION.contains(mount_winfsp::NOTICE));
    }
}
