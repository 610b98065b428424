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
    /// Damaged directories, damaged files, and what the image does not hold; the first of all.
    damaged: u64,
    cut: u64,
    lacking: u64,
    named: Vec<(&'static str, String)>,
}

impl Losses {
    /// Counts an entry if it could not be read.
    pub(crate) fn unread(&mut self, is_unread: bool) {
        self.unread = self.unread.saturating_add(is_unread.into());
    }

    /// Counts a directory in which damage was met: the disc may hold more in it.
    pub(crate) fn damaged(&mut self, path: &[u8]) {
        self.damaged = self.damaged.saturating_add(1);
        self.name("damaged", path);
    }

    /// Counts a file that gives fewer bytes than the disc has of it, or should have.
    pub(crate) fn cut(&mut self, path: &[u8]) {
        self.cut = self.cut.saturating_add(1);
        self.name("damaged", path);
    }

    /// Counts a file or directory of which the image lacks bytes, so that reading it is an error.
    pub(crate) fn lacking(&mut self, path: &[u8]) {
        self.lacking = self.lacking.saturating_add(1);
        self.name("cut", path);
    }

    /// Whether the image lacks bytes of any file that was met.
    pub(crate) const fn has_lacking(&self) -> bool {
        self.lacking > 0
    }

    fn name(&mut self, label: &'static str, path: &[u8]) {
        if self.named.len() < MAX_NAMED {
            self.named.push((label, directory(path)));
        }
    }

    /// How many files and directories were named, or would have been.
    fn nameable(&self) -> u64 {
        self.damaged.saturating_add(self.cut).saturating_add(self.lacking)
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
        let lacking = match self.lacking {
            0 => None,
            1 => Some("1 file cannot be read whole: the image does not hold all of it".to_owned()),
            count => Some(format!(
                "{count} files cannot be read whole: the image does not hold all of them"
            )),
        };
        let parts = unread.into_iter().chain(damaged).chain(cut).chain(lacking);
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() {
            return Ok(());
        }
        let failure = Failure::new(Exit::Damaged, parts.join("; "));
        let named = self.named.iter();
        let failure = named.fold(failure, |failure, (label, name)| failure.line(*label, name));
        let named = u64::try_from(self.named.len()).unwrap_or(u64::MAX);
        Err(match self.nameable().saturating_sub(named) {
            0 => failure,
            more => failure.line("", format!("and {more} more")),
        })
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
        losses.lacking(b"film");
        let failure = losses.outcome("entry is marked", "entries are marked").unwrap_err();
        assert_eq!(failure.exit.number(), 5);
        let want = "1 entry is marked; 2 directories are damaged, and the disc may hold more in \
             them; 1 file is damaged, and does not hold all of its bytes; 1 file cannot be read \
             whole: the image does not hold all of it";
        assert_eq!(failure.message, want);
        let names: Vec<&str> = failure.lines.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(names, ["\"/\"", "\"a/b\\n\"", "\"file\"", "\"film\""]);
    }

    #[test]
    fn a_flood_of_losses_is_counted_to_its_end() {
        let mut losses = Losses::default();
        (0..MAX_NAMED + 2).for_each(|_| losses.lacking(b"film"));
        let failure = losses.outcome("entry", "entries").unwrap_err();
        assert!(failure.message.starts_with("22 files cannot be read whole"));
        assert_eq!(failure.lines.len(), MAX_NAMED + 1);
        assert_eq!(failure.lines.last().unwrap().1, "and 2 more");
    }
}
