//! Asking a disc everything that can be asked of it, and keeping the answers as one digest: two
//! ways to the same bytes must give the same answers, and asking twice changes nothing.

use iso_core::volume::{FileKind, NodeId, Volume, Walk};
use iso_core::{Error, Image, Options, SessionChoice, View};
use sha2::{Digest, Sha256};

/// How much is asked at most: a disc of a few bytes can describe a tree without end.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Files and directories of one view.
    pub nodes: usize,
    /// Bytes read from the beginning of one file, and from its end.
    pub file_bytes: usize,
    /// Bytes read of one view.
    pub view_bytes: u64,
}

/// All answers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answers {
    /// Everything that was said, digested.
    pub digest: [u8; 32],
    /// Files and directories met.
    pub nodes: usize,
    /// Bytes read from files.
    pub bytes: u64,
    /// Errors met below the root.
    pub errors: usize,
}

struct Asking {
    digest: Sha256,
    effort: Effort,
    nodes: usize,
    bytes: u64,
    errors: usize,
}

/// Asks everything: each file system, the boot images, all views, the partitions and sessions.
pub fn ask(image: &Image, effort: Effort) -> Answers {
    let mut asking = Asking { digest: Sha256::new(), effort, nodes: 0, bytes: 0, errors: 0 };
    asking.reported(format!("{:?}", image.partitions()));
    asking.reported(format!("{:?} {:?}", image.sessions(), image.truncation()));
    for (view, error) in image.refused() {
        asking.reported(format!("{view:?} {error}"));
    }
    match image.choose(None) {
        Ok(shown) => asking.reported(format!("{:?} {}", shown.view, shown.reason)),
        Err(error) => asking.reported(error.to_string()),
    }
    for system in image.systems() {
        asking.reported(format!("{:?} {}", system.view, system.root_entries));
        asking.volume(&*system.volume);
    }
    match image.boot_files() {
        Ok(files) => asking.reported(format!("{files:?}")),
        Err(error) => asking.reported(error.to_string()),
    }
    for special in [image.choose(Some(View::Boot)).map(|s| s.volume), image.all_views(Vec::new())] {
        match special {
            Ok(volume) => asking.volume(&*volume),
            Err(error) => asking.reported(error.to_string()),
        }
    }
    Answers {
        digest: asking.digest.finalize().into(),
        nodes: asking.nodes,
        bytes: asking.bytes,
        errors: asking.errors,
    }
}

/// The sessions to open beside the last.
pub fn other_sessions(image: &Image) -> impl Iterator<Item = Options> {
    let count = u32::try_from(image.sessions().len()).unwrap_or(u32::MAX);
    (1..count)
        .map(|number| Options { session: SessionChoice::Number(number), ..Options::default() })
}

impl Asking {
    fn reported(&mut self, text: impl AsRef<[u8]>) {
        self.digest.update((text.as_ref().len() as u64).to_le_bytes());
        self.digest.update(text);
    }

    fn answer<T>(&mut self, answer: Result<T, Error>, tell: impl FnOnce(&mut Self, T)) {
        match answer {
            Ok(value) => tell(self, value),
            Err(error) => {
                self.errors += 1;
                self.reported(error.to_string());
            }
        }
    }

    fn volume(&mut self, volume: &dyn Volume) {
        self.reported(format!("{:?}", volume.facts()));
        let (node_limit, byte_limit) =
            (self.nodes + self.effort.nodes, self.bytes + self.effort.view_bytes);
        self.node(volume, volume.root(), FileKind::Directory, byte_limit);
        let walk = match Walk::new(volume, volume.root()) {
            Ok(walk) => walk,
            Err(error) => return self.reported(error.to_string()),
        };
        for step in walk {
            if self.nodes >= node_limit {
                break;
            }
            self.reported(&step.path);
            self.reported(format!("{:?} {:?} {}", step.node, step.kind, step.last));
            if let Some(error) = step.error {
                self.errors += 1;
                self.reported(error.to_string());
            }
            self.node(volume, step.node, step.kind, byte_limit);
        }
    }

    fn node(&mut self, volume: &dyn Volume, node: NodeId, kind: FileKind, byte_limit: u64) {
        self.nodes += 1;
        self.answer(volume.attr(node), |asking, attr| asking.reported(format!("{attr:?}")));
        self.answer(volume.read_link(node), |asking, target| asking.reported(target));
        self.answer(volume.xattrs(node), |asking, attributes| {
            for attribute in attributes.iter().take(16) {
                asking.reported(&attribute.name);
                asking.answer(volume.xattr(node, &attribute.name), Self::reported);
            }
        });
        if kind == FileKind::Directory {
            self.answer(volume.read_dir(node), |asking, dir| {
                asking.reported(format!("{:?} {}", dir.parent(), dir.len()));
                for entry in dir.iter().take(64) {
                    let found = volume.lookup(node, entry.name, false);
                    // Names are unique in a directory, so each leads to its own entry.
                    assert_eq!(found.ok(), Some(entry.node), "{}", entry.name.escape_ascii());
                    assert!(!entry.name.is_empty() && !entry.name.contains(&b'/'));
                    assert!(!entry.name.contains(&0) && entry.name != b"." && entry.name != b"..");
                }
            });
            self.answer(volume.lookup(node, b"NO such \xFF name", true), |_, _| {});
        }
        if self.bytes < byte_limit {
            self.bytes_of(volume, node);
        }
    }

    /// The first bytes and the last ones, and what stands behind the end.
    fn bytes_of(&mut self, volume: &dyn Volume, node: NodeId) {
        let data = match volume.data(node) {
            Ok(data) => data,
            Err(error) => return self.reported(error.to_string()),
        };
        self.reported(data.len().to_le_bytes());
        let mut buf = vec![0; self.effort.file_bytes];
        let from_end = data.len().saturating_sub(buf.len() as u64);
        for offset in [0, from_end.saturating_sub(1), data.len(), u64::MAX] {
            let answer = volume.read_into(node, offset, &mut buf);
            self.answer(answer, |asking, len| {
                let wanted = data.len().saturating_sub(offset).min(buf.len() as u64);
                assert_eq!(len as u64, wanted, "a short read");
                asking.bytes += len as u64;
                asking.reported(&buf[..len]);
            });
        }
    }
}
