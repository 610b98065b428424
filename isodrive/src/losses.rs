//! What a command did not get from a disc, and how it ends because of that: nothing is lost without
//! an exit code and a name. Counts and words only; prints nothing.

use crate::exit::{Exit, Failure, Outcome};
use crate::terminal::shown;

/// Files and directories named at the end at most; each was named where it was met.
const MAX_NAMED: usize = 20;

/// What could not be read so far.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Entries that could not be read at all.
    unread: u64,
    /// Damaged directories and damaged files, and the first of both.
    damaged: u64,
    cut: u64,
    named: Vec<String>,
}

impl Losses {
    /// Counts an entry if it could not be read.
    pub(crate) fn unread(&mut self, is_unread: bool) {
        self.unread = self.unread.saturating_add(is_unread.into());
    }

    /// Counts a directory in which damage was met: the disc may hold more in it.
    pub(crate) fn damaged(&mut self, path: &[u8]) {
        self.damaged = self.damaged.saturating_add(1);
        self.name(path);
    }

    /// Counts a file that gives fewer bytes than the disc has of it, or should have.
    pub(crate) fn cut(&mut self, path: &[u8]) {
        self.cut = self.cut.saturating_add(1);
        self.name(path);
    }

    fn name(&mut self, path: &[u8]) {
        if self.named.len() < MAX_NAMED {
            self.named.push(directory(path));
        }
    }

    /// Fails if anything was lost; `one` and `many` say what became of entries that could not be
    /// read.
    pub(crate) fn outcome(&self, one: &str, many: &str) -> Outcome {
        let unread = match self.unread {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {many}")),
        };
        let damaged = match self.damaged {
            0 => None,
            1 => Some("1 directory is damaged, and the disc may hold more in it".to_owned()),
            count => {
                Some(format!("{count} directories are damaged, and the disc may hold more in them"))
            }
        };
        let cut = match self.cut {
            0 => None,
            1 => Some("1 file is damaged, and does not hold all of its bytes".to_owned()),
            count => Some(format!("{count} files are damaged, and do not hold all of their bytes")),
        };
        let parts: Vec<String> = unread.into_iter().chain(damaged).chain(cut).collect();
        if parts.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(Exit::Damaged, parts.join("; "));
        Err(self.named.iter().fold(failure, |failure, name| failure.line("damaged", name)))
    }
}

/// A directory of the image for people; the root has no other name.
pub(crate) fn directory(path: &[u8]) -> String {
    let path = if path.iter().all(|byte| *byte == b'/') { b"/" } else { path };
    format!("\"{}\"", shown(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_loss_is_an_exit_code_and_a_name() {
        assert!(Losses::default().outcome("entry", "entries").is_ok());
        let mut losses = Losses::default();
        losses.unread(false);
        assert!(losses.outcome("entry", "entries").is_ok());
        losses.unread(true);
        losses.damaged(b"");
        losses.damaged(b"a/b\n");
        losses.cut(b"file");
        let failure = losses.outcome("entry is marked", "entries are marked").unwrap_err();
        assert_eq!(failure.exit.number(), 5);
        let want = "1 entry is marked; 2 directories are damaged, and the disc may hold more in \
             them; 1 file is damaged, and does not hold all of its bytes";
        assert_eq!(failure.message, want);
        let names: Vec<&str> = failure.lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(names, ["\"/\"", "\"a/b\\n\"", "\"file\""]);
    }
}
