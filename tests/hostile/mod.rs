//! Hostile discs, made on purpose: 49 classes of them, each with what has to be seen of it. What is
//! damaged is an error or left out with a finding; everything else stays readable.

mod boot;
mod containers;
mod directories;
mod files;
pub mod heavy;
mod labels;
pub mod large;
mod names;
mod rock_ridge;
mod udf_files;
mod udf_volumes;

use iso_core::View;

use crate::make::craft::{Craft, FILES, Record, SECTOR};

/// One disc of a class, and what has to be seen of it.
#[derive(Debug)]
pub struct Case {
    /// The class in the catalogue of faults, as in `H17`.
    pub class: &'static str,
    /// What is wrong with it.
    pub name: &'static str,
    /// The disc.
    pub image: Vec<u8>,
    /// Which file system is looked at; nothing for the one that is chosen.
    pub view: Option<View>,
    /// What has to come of it.
    pub expect: Expect,
    /// What must stand among the findings.
    pub reported: &'static [&'static str],
}

/// What has to come of a disc.
#[derive(Debug)]
pub enum Expect {
    /// It is refused with this exit code and a message with this in it.
    Refused(i32, &'static str),
    /// Exactly this is seen, by path.
    Tree(Vec<(Vec<u8>, Seen)>),
}

/// How something on a disc is seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// A directory whose entries are seen too.
    Directory,
    /// A directory that cannot be listed.
    Closed,
    /// A directory that holds the one in which it is: walks end there, the kernel does not enter.
    Circle,
    /// A file with these bytes.
    File(Vec<u8>),
    /// A file of this size that cannot be read to its end.
    Unreadable(u64),
    /// A symbolic link.
    Link(Vec<u8>),
    /// A device, pipe or socket, by its letter.
    Special(char),
    /// Something that not even its attributes can be had of.
    Nothing,
}

/// The file that stays readable whatever is wrong beside it.
pub const HEALTHY: &[u8] = b"nothing is wrong with this file\n";

/// All cases of all classes.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        directories::cases(),
        files::cases(),
        heavy::cases(),
        labels::cases(),
        names::cases(),
        rock_ridge::cases(),
        udf_volumes::cases(),
        udf_files::cases(),
        containers::cases(),
        boot::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Case {
    fn new(class: &'static str, name: &'static str, image: Vec<u8>) -> Self {
        let expect = Expect::Tree(Vec::new());
        Self { class, name, image, view: None, expect, reported: &[] }
    }

    fn view(mut self, view: View) -> Self {
        self.view = Some(view);
        self
    }

    /// What is seen beside the healthy file.
    fn shows<P: AsRef<[u8]>>(self, seen: impl IntoIterator<Item = (P, Seen)>) -> Self {
        let healthy = (b"OK.TXT".to_vec(), Seen::File(HEALTHY.to_vec()));
        let seen = seen.into_iter().map(|(path, seen)| (path.as_ref().to_vec(), seen));
        self.shows_only(seen.chain([healthy]))
    }

    /// What is seen, all of it.
    fn shows_only<P: AsRef<[u8]>>(mut self, seen: impl IntoIterator<Item = (P, Seen)>) -> Self {
        let seen = seen.into_iter().map(|(path, seen)| (path.as_ref().to_vec(), seen));
        self.expect = Expect::Tree(seen.collect());
        self
    }

    /// Nothing is seen but the healthy file.
    fn shows_no_more(self) -> Self {
        self.shows::<&[u8]>([])
    }

    fn refused(mut self, code: i32, message: &'static str) -> Self {
        self.expect = Expect::Refused(code, message);
        self
    }

    fn reported(mut self, reported: &'static [&'static str]) -> Self {
        self.reported = reported;
        self
    }
}

/// A disc whose root holds the healthy file behind these records.
fn disc(records: &[Record]) -> Craft {
    rooted(&[], records)
}

/// As `disc`, with system use entries in the root's own record.
fn rooted(own_entries: &[Vec<u8>], records: &[Record]) -> Craft {
    let mut craft = Craft::new();
    craft.put(FILES, HEALTHY);
    craft.root_with(own_entries, &[records, &[healthy()]].concat());
    craft
}

/// The record of the healthy file.
fn healthy() -> Record {
    Record::file("OK.TXT;1", FILES, HEALTHY.len())
}

/// A file's whole sector.
fn sector(byte: u8) -> Vec<u8> {
    vec![byte; SECTOR]
}
