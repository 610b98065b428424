//! In which character set the names of an ISO 9660 directory are read. Looks at names as they are
//! recorded, of the directory and of the root; the sets themselves are in `text`.

use super::style::NameStyle;
use super::volume::IsoVolume;
use crate::text::{Charset, Coding};
use crate::volume::{DirBuilder, NodeId};

impl IsoVolume {
    /// The character set of a directory's names; nothing where they need none. What is found out
    /// rests on the directory and the root alone, so that it is the same each time.
    pub(super) fn coding(&self, dir: &DirBuilder, node: NodeId) -> Option<Coding> {
        let has_bytes = !matches!(self.style, NameStyle::Joliet);
        match self.charset {
            Charset::Named(coding) => has_bytes.then_some(coding),
            Charset::Detect
                if has_bytes && dir.names().any(|n| std::str::from_utf8(n).is_err()) =>
            {
                let root = match node == self.root {
                    true => Vec::new(),
                    false => self.root_names(),
                };
                let coding = Coding::detect(dir.names().chain(root.iter().map(Vec::as_slice)))?;
                self.disc
                    .findings()
                    .note_harmless(format!("names are not UTF-8, and are read as {coding}"));
                Some(coding)
            }
            Charset::Detect | Charset::Raw => None,
        }
    }

    /// The names of the root as they are recorded, as many as tell the character set.
    fn root_names(&self) -> Vec<Vec<u8>> {
        const ENOUGH: usize = 1000;
        let budget = self.budget();
        let mut names = Vec::new();
        let listed = self.dir_extent(self.root).and_then(|root| {
            self.find_in(&root, &mut |record| {
                if !record.is_self() && !record.is_parent() {
                    names.push(self.name(record, self.rock_ridge_within(record, &budget)));
                }
                (names.len() >= ENOUGH).then_some(())
            })
        });
        if let Err(error) = listed {
            tracing::debug!(%error, "the root tells no character set");
        }
        names
    }
}
