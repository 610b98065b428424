//! What an extraction leaves out on purpose: what it cannot make here, and links that would lead
//! out of the directory. Counts and words only.

use iso_core::volume::FileKind;

use crate::terminal::{Terminal, shown};

/// Devices, pipes and sockets that are named at the end.
const MAX_NAMED: usize = 5;

/// What was left out so far.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Files that this command does not make, and the first of them with their kinds.
    unmade: u64,
    named: Vec<String>,
    /// Links that lead out of the directory; each was named where it was met.
    links_out: u64,
}

impl LeftOut {
    /// Counts a file of a kind that is not made here.
    pub(super) fn unmade(&mut self, path: &[u8], kind: FileKind) {
        self.unmade = self.unmade.saturating_add(1);
        if self.named.len() < MAX_NAMED {
            self.named.push(format!("\"{}\", {}", shown(path), word(kind)));
        }
    }

    /// Counts a link that leads out of the directory.
    pub(super) fn link_out(&mut self) {
        self.links_out = self.links_out.saturating_add(1);
    }

    /// Names what was left out, and says what makes it.
    pub(super) fn tell(&self, terminal: &mut Terminal) {
        if self.unmade > 0 {
            terminal.warn(&self.message(), &self.lines());
        }
        if self.links_out > 0 {
            let message = match self.links_out {
                1 => "1 link is not copied: it leads out of the directory".to_owned(),
                count => format!("{count} links are not copied: they lead out of the directory"),
            };
            terminal.warn(&message, &["to copy them all the same:  --unsafe-links".to_owned()]);
        }
    }

    fn message(&self) -> String {
        let kinds = if cfg!(windows) {
            "symbolic links, devices, pipes or sockets"
        } else {
            "devices, pipes or sockets"
        };
        match self.unmade {
            1 => format!("1 file is not copied, since extract makes no {kinds}"),
            count => format!("{count} files are not copied, since extract makes no {kinds}"),
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = self.named.clone();
        let named = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        if let more @ 1.. = self.unmade.saturating_sub(named) {
            lines.push(format!("and {more} more"));
        }
        if !cfg!(windows) {
            lines.push("root can copy them from a mount: isodrive mount, then sudo cp -a".into());
        }
        lines
    }
}

/// What a file is, for people.
const fn word(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "a file",
        FileKind::Directory => "a directory",
        FileKind::Symlink => "a symbolic link",
        FileKind::BlockDevice => "a block device",
        FileKind::CharDevice => "a character device",
        FileKind::Fifo => "a pipe",
        FileKind::Socket => "a socket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_files_that_are_not_made_are_named_and_the_others_counted() {
        let mut left_out = LeftOut::default();
        left_out.unmade(b"dev/null\n", FileKind::CharDevice);
        assert!(left_out.message().starts_with("1 file is not copied, since extract makes no "));
        assert_eq!(left_out.lines()[0], "\"dev/null\\n\", a character device");
        (0..6).for_each(|_| left_out.unmade(b"run/pipe", FileKind::Fifo));
        assert!(left_out.message().starts_with("7 files are not copied"));
        assert_eq!(left_out.lines()[4..6], ["\"run/pipe\", a pipe", "and 2 more"]);
    }
}
