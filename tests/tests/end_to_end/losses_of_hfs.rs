//! Damage to the catalogue of HFS or HFS+ that hides entries is reported: a folder records how many
//! it holds. `genisoimage` and `xorriso` make the discs; where one is missing, the test says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use isodrive_tests::program::Session;

/// A catalogue in the bytes of an image.
struct Catalog {
    image: Vec<u8>,
    /// Byte of its first node.
    start: usize,
    node_bytes: usize,
    is_plus: bool,
}

impl Catalog {
    /// The catalogue of a volume of HFS (Inside Macintosh: Files, 2-60) or HFS+ (TN1150).
    fn of(image: Vec<u8>, is_plus: bool) -> Self {
        let signature = if is_plus { b"H+" } else { b"BD" };
        let mut heads = (1024..image.len()).step_by(512);
        let head = heads.find(|at| image[*at..].starts_with(signature)).expect("a volume");
        let number = |at: usize, len: usize| number(&image[at..][..len]);
        let (first, block_bytes, block) = match is_plus {
            true => (head - 1024, number(head + 40, 4), number(head + 288, 4)),
            false => {
                let first = head - 1024 + 512 * number(head + 28, 2);
                (first, number(head + 20, 4), number(head + 150, 2))
            }
        };
        let start = first + block * block_bytes;
        let node_bytes = number(start + 32, 2);
        Self { image, start, node_bytes, is_plus }
    }

    fn number(&self, at: usize, len: usize) -> usize {
        number(&self.image[at..][..len])
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.image[at..][..bytes.len()].copy_from_slice(bytes);
    }

    /// The leaves in their order, each by its first byte.
    fn leaves(&self) -> Vec<usize> {
        let node = |number: usize| self.start + number * self.node_bytes;
        let next = |at: &usize| Some(self.number(*at, 4)).filter(|n| *n != 0).map(node);
        std::iter::successors(Some(node(self.number(self.start + 24, 4))), next).collect()
    }

    /// Where the offset of a record of a leaf stands.
    const fn offset_at(&self, leaf: usize, index: usize) -> usize {
        leaf + self.node_bytes - 2 * (index + 1)
    }

    /// Leaf, index, key and data of the record of a file or folder.
    fn record(&self, name: &str) -> (usize, usize, usize, usize) {
        let recorded: Vec<u8> = match self.is_plus {
            true => name.bytes().flat_map(|byte| [0, byte]).collect(),
            false => name.into(),
        };
        let name_at = if self.is_plus { 8 } else { 7 };
        for leaf in self.leaves() {
            for index in 0..self.number(leaf + 10, 2) {
                let key = leaf + self.number(self.offset_at(leaf, index), 2);
                let width = if self.is_plus { 2 } else { 1 };
                let data = (key + width + self.number(key, width)).next_multiple_of(2);
                if self.image[key + name_at..data].starts_with(&recorded) {
                    return (leaf, index, key, data);
                }
            }
        }
        panic!("no record of {name}");
    }
}

/// A big-endian number.
fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, byte| value << 8 | usize::from(*byte))
}

const FILES: usize = 40;

/// The image that a program makes of a folder with two files beside a folder of many, or nothing
/// where there is no such program.
fn made(session: &Session, command: &str, arguments: &[&str]) -> Result<Option<Vec<u8>>> {
    let (source, disc) = (session.path("put-in"), session.path("disc.iso"));
    fs::create_dir_all(source.join("sub folder"))?;
    for name in ["first file", "third file"] {
        fs::write(source.join(name), name)?;
    }
    for number in 0..FILES {
        fs::write(source.join(format!("sub folder/file number {number:02}")), b"x")?;
    }
    let mut making = Command::new(command);
    making.args(arguments).arg("-o").args([&disc, &source]);
    match making.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("not tested: there is no {command}");
            Ok(None)
        }
        outcome => {
            anyhow::ensure!(outcome?.status.success(), "{command}");
            Ok(Some(fs::read(disc)?))
        }
    }
}

/// One way of hiding entries.
type Damage = fn(&mut Catalog);

/// What is lost to damage of one file's record is that file.
const OF_A_FILE: [(&str, Damage); 5] = [
    ("the parent is wrong", |catalog| {
        let (_, _, key, _) = catalog.record("file number 20");
        catalog.put(key + if catalog.is_plus { 2 } else { 4 }, &[0x27]);
    }),
    ("it is a thread", |catalog| {
        let (_, _, _, data) = catalog.record("file number 20");
        let kind: &[u8] = if catalog.is_plus { &[0, 4] } else { &[4] };
        catalog.put(data, kind);
    }),
    ("its key has no length", |catalog| {
        let (_, _, key, _) = catalog.record("file number 20");
        let len: &[u8] = if catalog.is_plus { &[0, 0] } else { &[0] };
        catalog.put(key, len);
    }),
    ("its name is longer than its key", |catalog| {
        let (_, _, key, _) = catalog.record("file number 20");
        catalog.put(key + 6, &[0x60]);
    }),
    ("its offset is wrong", |catalog| {
        let (leaf, index, _, _) = catalog.record("file number 20");
        let at = catalog.offset_at(leaf, index);
        let wrong = catalog.number(at, 2) + 20;
        catalog.put(at, &u16::try_from(wrong).unwrap().to_be_bytes());
    }),
];

/// What is lost to other damage is more.
const OF_MORE: [(&str, Damage); 4] = [
    ("a leaf has no records", |catalog| {
        let (leaf, ..) = catalog.record("file number 20");
        catalog.put(leaf + 10, &[0, 0]);
    }),
    ("a leaf has no successor", |catalog| {
        let (leaf, ..) = catalog.record("file number 20");
        catalog.put(leaf, &[0; 4]);
    }),
    ("a leaf is skipped", |catalog| {
        let (leaf, ..) = catalog.record("file number 20");
        let leaves = catalog.leaves();
        let before = leaves.iter().position(|other| *other == leaf).unwrap() - 1;
        let next = catalog.image[leaf..][..4].to_vec();
        catalog.put(leaves[before], &next);
    }),
    ("the folder has another number", |catalog| {
        let (_, _, _, data) = catalog.record("sub folder");
        catalog.put(data + if catalog.is_plus { 8 } else { 6 }, &[0, 0, 0x27, 0x10]);
    }),
];

fn check(session: &Session, sound: &[u8], is_plus: bool) -> Result<()> {
    let listed = |image: &[u8], commands: &[&str]| -> Result<_> {
        fs::write(session.path("damaged.iso"), image)?;
        session.run(&[commands, &["--view", "hfs", "damaged.iso"]].concat())
    };
    let tree = listed(sound, &["tree"])?;
    assert_eq!((tree.code, tree.err.as_str()), (0, ""), "{}", tree.out);
    let files = |out: &str| out.matches("file number").count();
    assert_eq!(files(&tree.out), FILES);
    for (what, damage) in OF_A_FILE.iter().chain(&OF_MORE) {
        let mut catalog = Catalog::of(sound.to_vec(), is_plus);
        damage(&mut catalog);
        let tree = listed(&catalog.image, &["tree"])?;
        assert_eq!(tree.code, 5, "{what}: {}{}", tree.out, tree.err);
        assert!(tree.err.contains("damaged \""), "{what}: {}", tree.err);
        // The thread of a file tells where it belongs. HFS has none for files.
        if is_plus && *what == OF_A_FILE[0].0 {
            assert!(tree.err.contains("as the thread says"), "{what}: {}", tree.err);
            assert_eq!(files(&tree.out), FILES, "{what}: {}", tree.out);
            continue;
        }
        assert!(tree.err.contains("entries than it records"), "{what}: {}", tree.err);
        if OF_A_FILE.iter().any(|(other, _)| other == what) {
            assert_eq!(files(&tree.out), FILES - 1, "{what}: {}", tree.out);
        }
    }
    let copied = |image: &[u8], to: &Path| -> Result<_> {
        listed(image, &["extract", "-C", &to.to_string_lossy()])
    };
    let mut catalog = Catalog::of(sound.to_vec(), is_plus);
    OF_A_FILE[0].1(&mut catalog);
    let copy = copied(&catalog.image, Path::new("out"))?;
    assert_eq!(copy.code, 5, "{}", copy.err);
    let kept = session.path("out/sub folder");
    assert_eq!(fs::read_dir(&kept)?.count(), FILES - usize::from(!is_plus));
    if is_plus {
        assert_eq!(fs::read(kept.join("file number 20"))?, b"x");
    }
    Ok(())
}

#[test]
fn entries_that_a_catalogue_of_hfs_hides_are_reported() -> Result<()> {
    let session = Session::new()?;
    match made(&session, "genisoimage", &["-quiet", "-hfs"])? {
        Some(image) => check(&session, &image, false),
        None => Ok(()),
    }
}

#[test]
fn entries_that_a_catalogue_of_hfs_plus_hides_are_reported() -> Result<()> {
    let session = Session::new()?;
    match made(&session, "xorriso", &["-as", "mkisofs", "-quiet", "-hfsplus"])? {
        Some(image) => check(&session, &image, true),
        None => Ok(()),
    }
}
