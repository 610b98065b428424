//! Random trees mastered by several programs and mounted, against the folder they were made of: the
//! whole tree first, then random operations side by side.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use isodrive_tests::make::bytes;
use isodrive_tests::make::udf::{self, Entry, Layout};
use isodrive_tests::program::{self, Session, can_mount};
use isodrive_tests::{corpus, sample};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};

/// What a random tree is made of.
#[derive(Debug, Clone)]
enum Node {
    File { seed: u32, len: usize },
    Link(String),
    Directory(BTreeMap<String, Node>),
}

/// Something that a program does with a mount, of the things there are to do it with.
#[derive(Debug, Clone)]
enum Operation {
    Open(Index),
    Read { handle: Index, offset: u64, len: usize },
    Close(Index),
    List { directory: Index, from: Index },
    Stat(Index),
    Follow(Index),
    Miss(Index),
}

/// Who makes a disc of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Xorriso,
    Genisoimage,
    OwnUdf(Layout),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9_]{1,12}(\\.[a-z]{1,4})?",
        "[a-z]{60,110}",
        "[\u{e4}\u{f6}\u{fc}\u{3b1}-\u{3c9}\u{4e2d}\u{6587}a-f ]{2,20}x",
    ]
}

fn node(links: bool) -> impl Strategy<Value = Node> {
    let len = prop_oneof![0..4usize, 2040..2060usize, 0..70_000usize];
    let file = (any::<u32>(), len).prop_map(|(seed, len)| Node::File { seed, len });
    let leaf = match links {
        true => {
            prop_oneof![4 => file, 1 => "/?([a-z.]{1,10}/){0,5}[a-z]{1,10}".prop_map(Node::Link)]
                .boxed()
        }
        false => file.boxed(),
    };
    leaf.prop_recursive(4, 40, 8, |inner| {
        prop::collection::btree_map(name(), inner, 0..8).prop_map(Node::Directory)
    })
}

fn tree(links: bool) -> impl Strategy<Value = BTreeMap<String, Node>> {
    prop::collection::btree_map(name(), node(links), 1..10)
}

fn operation() -> impl Strategy<Value = Operation> {
    let index = any::<Index>;
    prop_oneof![
        index().prop_map(Operation::Open),
        (index(), 0..80_000u64, 0..9000usize).prop_map(|(handle, offset, len)| Operation::Read {
            handle,
            offset,
            len
        }),
        index().prop_map(Operation::Close),
        (index(), index()).prop_map(|(directory, from)| Operation::List { directory, from }),
        index().prop_map(Operation::Stat),
        index().prop_map(Operation::Follow),
        index().prop_map(Operation::Miss),
    ]
}

fn write(at: &Path, tree: &BTreeMap<String, Node>) -> Result<()> {
    fs::create_dir_all(at)?;
    for (name, node) in tree {
        let path = at.join(name);
        match node {
            Node::File { seed, len } => fs::write(path, bytes(*seed, *len))?,
            Node::Link(target) => std::os::unix::fs::symlink(target, path)?,
            Node::Directory(below) => write(&path, below)?,
        }
    }
    Ok(())
}

fn entries(tree: &BTreeMap<String, Node>) -> Vec<Entry> {
    let entry = |(name, node): (&String, &Node)| match node {
        Node::File { seed, len } => Entry::file(name, &bytes(*seed, (*len).min(9000))),
        Node::Link(_) => Entry::file(name, b""),
        Node::Directory(below) => Entry::directory(name, entries(below)),
    };
    tree.iter().map(entry).collect()
}

/// Makes the disc, and the folder that it must equal. Whether it could be made.
fn master(writer: Writer, tree: &BTreeMap<String, Node>, session: &Session) -> Result<bool> {
    let (folder, image) = (session.path("tree"), session.path("disc.iso"));
    write(&folder, tree)?;
    match writer {
        Writer::Xorriso => corpus::make_image(&folder, &image)?,
        Writer::Genisoimage => {
            let mut command = Command::new("genisoimage");
            command.args(["-quiet", "-R", "-J", "-joliet-long", "-input-charset", "utf-8", "-o"]);
            let output = command.args([&image, &folder]).output().context("genisoimage")?;
            // It refuses some names for the sake of Joliet; that is no fault of a reader's.
            return Ok(output.status.success());
        }
        Writer::OwnUdf(layout) => {
            let entries = entries(tree);
            let (blocks, most) = (udf::blocks_of(&entries), udf::MOST_BLOCKS);
            if blocks.0 > most.0 || blocks.1 > most.1 {
                return Ok(false);
            }
            fs::write(image, udf::write(layout, &entries))?;
            shorten(&folder)?;
        }
    }
    Ok(true)
}

/// Files as long as the small UDF discs hold them.
fn shorten(folder: &Path) -> Result<()> {
    let mut paths = Vec::new();
    sample::walk(folder, &mut paths)?;
    for path in paths.iter().filter(|path| path.is_file()) {
        let file = File::options().write(true).open(path)?;
        file.set_len(file.metadata()?.len().min(9000))?;
    }
    Ok(())
}

/// What `stat` says that both must say.
fn reported(path: &Path) -> std::result::Result<(bool, bool, u64), Option<i32>> {
    let metadata = path.symlink_metadata().map_err(|error| error.raw_os_error())?;
    let len = if metadata.is_dir() { 0 } else { metadata.len() };
    Ok((metadata.is_dir(), metadata.is_symlink(), len))
}

/// Names and cookies of a directory from a position on.
fn listed(directory: &File, position: u64) -> Result<Vec<(Vec<u8>, u64)>> {
    rustix::fs::seek(directory, SeekFrom::Start(position))?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(directory, &mut buffer);
    let mut found = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        found.push((entry.file_name().to_bytes().to_vec(), entry.next_entry_cookie()));
    }
    Ok(found)
}

/// Operations on a mount and on the folder that it must equal.
struct Pair<'a> {
    ours: &'a Path,
    theirs: &'a Path,
    paths: Vec<PathBuf>,
    handles: Vec<(File, File)>,
}

impl Pair<'_> {
    fn both(&self, index: &Index) -> (PathBuf, PathBuf) {
        let path = &self.paths[index.index(self.paths.len())];
        (self.ours.join(path), self.theirs.join(path))
    }

    fn run(&mut self, operation: &Operation) -> Result<()> {
        match operation {
            Operation::Open(path) => {
                let (ours, theirs) = self.both(path);
                if theirs.symlink_metadata()?.is_file() {
                    self.handles.push((File::open(ours)?, File::open(theirs)?));
                }
            }
            Operation::Close(handle) if !self.handles.is_empty() => {
                drop(self.handles.swap_remove(handle.index(self.handles.len())));
            }
            Operation::Read { handle, offset, len } if !self.handles.is_empty() => {
                let (ours, theirs) = &self.handles[handle.index(self.handles.len())];
                let (mut got, mut want) = (vec![0; *len], vec![0; *len]);
                let (read, wanted) =
                    (ours.read_at(&mut got, *offset)?, theirs.read_at(&mut want, *offset)?);
                ensure!(read == wanted && got == want, "{len} bytes at {offset}");
            }
            Operation::Close(_) | Operation::Read { .. } => {}
            Operation::List { directory, from } => self.list(directory, from)?,
            Operation::Stat(path) => {
                let (ours, theirs) = self.both(path);
                ensure!(reported(&ours) == reported(&theirs), "{ours:?}");
            }
            Operation::Follow(path) => {
                let (ours, theirs) = self.both(path);
                let target = |path: &Path| path.read_link().map_err(|error| error.raw_os_error());
                ensure!(target(&ours) == target(&theirs), "{ours:?}");
            }
            Operation::Miss(path) => {
                let (ours, theirs) = self.both(path);
                let (ours, theirs) = (ours.join("no such name"), theirs.join("no such name"));
                ensure!(reported(&ours) == reported(&theirs), "{ours:?}");
            }
        }
        Ok(())
    }

    /// All names once, and from any position on those that came behind it.
    fn list(&self, directory: &Index, from: &Index) -> Result<()> {
        let (ours, theirs) = self.both(directory);
        if !theirs.symlink_metadata()?.is_dir() {
            return Ok(());
        }
        let opened = rustix::fs::open(&ours, OFlags::DIRECTORY, Mode::empty())?;
        let opened = File::from(opened);
        let whole = listed(&opened, 0)?;
        let mut names: Vec<&Vec<u8>> = whole.iter().map(|(name, _)| name).collect();
        names.sort();
        let mut wanted: Vec<Vec<u8>> = vec![b".".to_vec(), b"..".to_vec()];
        for entry in theirs.read_dir()? {
            wanted.push(entry?.file_name().as_bytes().to_vec());
        }
        wanted.sort();
        ensure!(names == wanted.iter().collect::<Vec<_>>(), "{ours:?}");
        let (_, cookie) = &whole[from.index(whole.len())];
        let behind = whole.iter().position(|(_, other)| other == cookie).unwrap_or(0) + 1;
        ensure!(listed(&opened, *cookie)? == whole[behind..], "{ours:?} from {cookie}");
        Ok(())
    }
}

fn compare(writer: Writer, tree: &BTreeMap<String, Node>, operations: &[Operation]) -> Result<()> {
    let session = Session::new()?;
    if !master(writer, tree, &session)? {
        return Ok(());
    }
    program::drivers().iter().try_for_each(|driver| {
        compare_mount(&session, driver, operations).with_context(|| driver.join(" "))
    })
}

fn compare_mount(session: &Session, driver: &[&str], operations: &[Operation]) -> Result<()> {
    let theirs = session.path("tree");
    let asked = [driver, &["--case", "sensitive", "disc.iso", "here"]].concat();
    let mount = session.mount(&asked)?;
    ensure!(mount.is_kernels == driver.contains(&"erofs"), "served by another driver");
    let mut paths = Vec::new();
    sample::walk(&theirs, &mut paths)?;
    let mut shown = Vec::new();
    sample::walk(&mount.at, &mut shown)?;
    let relative = |root: &Path, paths: &[PathBuf]| -> Result<Vec<PathBuf>> {
        let mut relative: Vec<PathBuf> = paths
            .iter()
            .map(|path| Ok(path.strip_prefix(root)?.to_path_buf()))
            .collect::<Result<_>>()?;
        relative.sort();
        Ok(relative)
    };
    let paths = relative(&theirs, &paths)?;
    ensure!(relative(&mount.at, &shown)? == paths, "the tree");
    let mut pair = Pair { ours: &mount.at, theirs: &theirs, paths, handles: Vec::new() };
    for path in &pair.paths {
        let (ours, theirs) = (pair.ours.join(path), pair.theirs.join(path));
        ensure!(reported(&ours) == reported(&theirs), "{path:?}");
        if theirs.symlink_metadata()?.is_file() {
            ensure!(fs::read(&ours)? == fs::read(&theirs)?, "{path:?}");
        }
    }
    for operation in operations {
        pair.run(operation).with_context(|| format!("{operation:?}"))?;
    }
    drop(pair);
    let ended = session.run(&["eject", "here"])?;
    ensure!(ended.code == 0, "{}", ended.err);
    Ok(())
}

#[test]
fn random_trees_of_every_writer_equal_their_folders_whatever_is_done_with_them() -> Result<()> {
    if !can_mount() {
        return Ok(());
    }
    let has_genisoimage = Command::new("genisoimage").arg("--version").output().is_ok();
    let mut writers = vec![Writer::Xorriso, Writer::OwnUdf(Layout::Plain)];
    writers.extend([Layout::Metadata, Layout::Virtual].map(Writer::OwnUdf));
    match has_genisoimage {
        true => writers.push(Writer::Genisoimage),
        false => println!("genisoimage is not installed: its discs are not compared"),
    }
    for writer in writers {
        let config = Config { failure_persistence: None, ..Config::with_cases(cases()) };
        let is_udf = matches!(writer, Writer::OwnUdf(_));
        let input = (tree(!is_udf), vec(operation(), 0..60));
        let outcome = TestRunner::new(config).run(&input, |(tree, operations)| {
            compare(writer, &tree, &operations)
                .map_err(|error| TestCaseError::fail(format!("{error:#}")))
        });
        if let Err(error) = outcome {
            panic!("{writer:?}: {error}");
        }
    }
    Ok(())
}

/// Trees of each writer; `PROPTEST_CASES` asks for more.
fn cases() -> u32 {
    let reported = std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok());
    reported.unwrap_or(12)
}
