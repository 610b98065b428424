//! Which of a disc's file systems to show, and why (the view rule).
//! A pure rule over what the roots hold; `open` finds out what they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A file system that a disc may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum View {
    /// UDF.
    Udf,
    /// ISO 9660 with the names and attributes of Rock Ridge.
    RockRidge,
    /// ISO 9660 with the Unicode names of Joliet.
    Joliet,
    /// ISO 9660 with the long names of its edition of 1999.
    Enhanced,
    /// ISO 9660 as it is.
    Iso9660,
    /// High Sierra, the forerunner of ISO 9660.
    HighSierra,
    /// HFS or HFS+, the file systems of the Macintosh.
    Hfs,
    /// The boot images of El Torito, which no one but a computer's firmware looks for.
    Boot,
    /// All of them side by side.
    All,
}

impl View {
    /// Whether it is one of the trees of an ISO 9660 volume.
    pub(crate) const fn is_iso(self) -> bool {
        matches!(self, Self::RockRidge | Self::Joliet | Self::Enhanced | Self::Iso9660)
    }

    /// All views of one thing, the one that is preferred where nothing else decides first.
    pub const ALL: [Self; 8] = [
        Self::Udf,
        Self::RockRidge,
        Self::Joliet,
        Self::Enhanced,
        Self::Iso9660,
        Self::HighSierra,
        Self::Hfs,
        Self::Boot,
    ];

    /// The name by which `--view` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udf => "udf",
            Self::RockRidge => "rockridge",
            Self::Joliet => "joliet",
            Self::Enhanced => "iso9660-1999",
            Self::Iso9660 => "iso9660",
            Self::HighSierra => "highsierra",
            Self::Hfs => "hfs",
            Self::Boot => "boot",
            Self::All => "all",
        }
    }
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Udf => "UDF",
            Self::RockRidge => "Rock Ridge",
            Self::Joliet => "Joliet",
            Self::Enhanced => "ISO 9660:1999",
            Self::Iso9660 => "ISO 9660",
            Self::HighSierra => "High Sierra",
            Self::Hfs => "HFS",
            Self::Boot => "boot catalogue",
            Self::All => "all views",
        })
    }
}

/// Bytes of data up to which a root without directories may be a stub: a note in several languages
/// fits, and little else does.
pub(crate) const STUB_BYTES: u64 = 64 << 10;

/// What the root of a view holds. Names that other systems hide are not counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Contents {
    /// Regular files with data.
    pub(crate) files: usize,
    /// Regular files without.
    pub(crate) empty: usize,
    /// Links and devices, which most formats cannot hold.
    pub(crate) special: usize,
    /// Directories.
    pub(crate) directories: usize,
    /// Names whose nodes would have cost a read too many.
    pub(crate) unweighed: usize,
    /// Where the data of the weighed files lies: first byte and bytes, each place once.
    pub(crate) places: BTreeMap<u64, u64>,
    /// Bytes of the longest name.
    pub(crate) longest_name: usize,
    /// What was compared below the root, and in it by name.
    pub(crate) below: Option<Below>,
}

/// What a tree holds of what was compared in several. Nothing stands here of which it is not known
/// whether another tree has it too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Below {
    /// Bytes of files by a place that stands for the file in all trees.
    pub(crate) files: BTreeMap<u64, u64>,
    /// Numbers of folders that another tree lacks.
    pub(crate) folders: BTreeSet<usize>,
    /// Some names could not be matched with those of the others.
    pub(crate) is_unclear: bool,
}

impl Contents {
    fn names(&self) -> usize {
        [self.files, self.empty, self.special, self.directories, self.unweighed]
            .iter()
            .fold(0, |sum, n| sum.saturating_add(*n))
    }

    /// What every format can hold: directories and files with data.
    fn solid(&self) -> usize {
        self.files.saturating_add(self.directories)
    }

    fn bytes(&self) -> u64 {
        self.places.values().fold(0, |sum, len| sum.saturating_add(*len))
    }

    /// Bytes of data that the other does not hold.
    fn bytes_beyond(&self, other: &Self) -> u64 {
        self.places.iter().fold(0, |sum, (at, len)| {
            let shared = other.places.get(at).copied().unwrap_or(0);
            sum.saturating_add(len.saturating_sub(shared))
        })
    }

    /// Bytes of data that the other does not hold, as far as both were looked at.
    fn bytes_beyond_in_all(&self, other: &Self) -> u64 {
        let (Some(own), Some(its)) = (&self.below, &other.below) else {
            return self.bytes_beyond(other);
        };
        let held = |at: &u64| {
            let places = [other.places.get(at), its.files.get(at)];
            places.into_iter().flatten().copied().max().unwrap_or(0)
        };
        let root = self.places.iter();
        let below = own.files.iter().filter(|(at, _)| !self.places.contains_key(at));
        root.chain(below).fold(0, |sum, (at, len)| sum.saturating_add(len.saturating_sub(held(at))))
    }

    /// Whether all its data lies where data of the other lies, and there is some.
    fn shares_all_with(&self, other: &Self) -> bool {
        !self.places.is_empty() && self.bytes_beyond(other) == 0
    }

    /// Whether there is no directory and little data.
    pub(crate) fn is_little(&self) -> bool {
        self.directories == 0 && self.unweighed == 0 && self.bytes() <= STUB_BYTES
    }

    /// Whether it holds nothing, or little beside what the other holds: the ISO 9660 side of a
    /// Windows setup disc is a note ("use UDF to read this disc").
    fn is_stub_beside(&self, other: &Self) -> bool {
        if self.names() == 0 {
            return other.names() > 0;
        }
        // A tree that has the same files but hides a folder makes no stub of the other.
        let holds_more = (other.directories > 0 && !self.shares_all_with(other))
            || other.bytes_beyond(self) > self.bytes()
            || other.unweighed > self.names();
        self.is_little() && holds_more
    }

    /// Bytes of files that were compared by name and are shorter in the other, or missing there.
    fn longer_than(&self, other: &Self) -> u64 {
        let (Some(own), Some(its)) = (&self.below, &other.below) else { return 0 };
        own.files.iter().fold(0, |sum, (at, len)| {
            sum.saturating_add(len.saturating_sub(its.files.get(at).copied().unwrap_or(0)))
        })
    }

    /// Whether a person who is shown the other loses so much of this that names, links and modes
    /// do not make up for it.
    fn outweighs(&self, other: &Self) -> bool {
        let lacking = other.bytes_beyond_in_all(self);
        let beyond = self.bytes_beyond_in_all(other);
        if other.unweighed > 0 || self.unweighed > 0 {
            // Places of the roots are not all known: what was compared by name is.
            let (beyond, lacking) = (self.longer_than(other), other.longer_than(self));
            return (beyond > STUB_BYTES && beyond > lacking)
                || self.names() > other.names().saturating_mul(2);
        }
        // Not all that lies in directories is looked at.
        let usual = other.directories.saturating_mul(2).saturating_add(1);
        let has_more_folders = self.directories > usual;
        (beyond > STUB_BYTES && beyond > lacking) || (has_more_folders && lacking <= STUB_BYTES)
    }
}

/// A view that can be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) view: View,
    /// Whether it has names of its own. Rock Ridge without `NM` shows the plain ones.
    pub(crate) has_names: bool,
    /// Whether it records owners and permissions.
    pub(crate) has_modes: bool,
    pub(crate) contents: Contents,
}

impl Candidate {
    /// Whether another view holds what this one only points to.
    pub(crate) fn is_stub_among(&self, all: &[Self]) -> bool {
        all.iter().any(|o| o.view != self.view && self.contents.is_stub_beside(&o.contents))
    }

    /// The place in the order of those that record most about the same files.
    fn rank(&self, plain: Option<&Self>) -> u8 {
        match self.view {
            View::RockRidge if self.has_names && self.has_modes => 0,
            View::Udf => 1,
            View::RockRidge if self.has_names => 2,
            View::Joliet => 3,
            View::Enhanced => 4,
            View::RockRidge => 5,
            // The Macintosh side of a hybrid disc has the ways of another system: it is shown
            // where it names the files of a plain tree better.
            View::Hfs if plain.is_some_and(|plain| self.names_better(plain)) => 6,
            View::Iso9660 => 7,
            View::HighSierra => 8,
            View::Hfs | View::Boot | View::All => 9,
        }
    }

    /// Whether it has the files of `plain` under longer names.
    fn names_better(&self, plain: &Self) -> bool {
        self.contents.longest_name > plain.contents.longest_name
            && plain.contents.shares_all_with(&self.contents)
    }
}

/// The view to show and why. Nothing if there is none at all.
///
/// Views that are empty or a stub yield to one that holds more. Of the others the one that records
/// most about its files is shown, unless another holds much data that it lacks.
pub(crate) fn choose(candidates: &[Candidate]) -> Option<(View, String)> {
    let plain = candidates.iter().find(|c| c.view == View::Iso9660);
    let mut worth: Vec<&Candidate> =
        candidates.iter().filter(|c| !c.is_stub_among(candidates)).collect();
    if worth.is_empty() {
        worth = candidates.iter().collect();
    }
    worth.sort_by_key(|c| c.rank(plain));
    let mut ranked = worth.into_iter();
    let first = ranked.next()?;
    let chosen =
        ranked.fold(
            first,
            |best, other| {
                if other.contents.outweighs(&best.contents) { other } else { best }
            },
        );
    Some((chosen.view, reason(chosen, candidates)))
}

/// The views that hold other files than `shown`, and what differs, for people.
pub(crate) fn differing(shown: View, candidates: &[Candidate]) -> Vec<(View, String)> {
    let Some(shown) = candidates.iter().find(|c| c.view == shown) else { return Vec::new() };
    let has_rock_ridge = candidates.iter().any(|c| c.view == View::RockRidge);
    let is_tree = |c: &&Candidate| {
        // Rock Ridge and the plain tree are one, and are told of once.
        let is_told = c.view == shown.view || (c.view == View::Iso9660 && has_rock_ridge);
        !is_told && c.view != View::Hfs && !c.is_stub_among(candidates)
    };
    let others = candidates.iter().filter(is_tree);
    others.filter_map(|other| Some((other.view, difference(shown, other)?))).collect()
}

fn difference(shown: &Candidate, other: &Candidate) -> Option<String> {
    let (ours, theirs) = (&shown.contents, &other.contents);
    let is_weighed = ours.unweighed == 0 && theirs.unweighed == 0;
    let count = |c: &Contents| if is_weighed { c.solid() } else { c.names() };
    let by_number = || {
        format!(
            "the root of {} holds {}, that of {} holds {}",
            other.view,
            number(count(theirs), "file or folder", "files and folders"),
            shown.view,
            count(ours)
        )
    };
    let is_other_number = count(theirs) != count(ours);
    let (Some(own), Some(its)) = (&ours.below, &theirs.below) else {
        return is_other_number.then(by_number);
    };
    let more = [lacking(its, own), lacking(own, its)];
    let told = |what: &Option<String>, holder: View, lacks: View| {
        what.as_ref().map(|what| format!("{holder} holds {what} that {lacks} lacks"))
    };
    let [theirs, ours] = &more;
    let shorter = |a: &Below, b: &Below, cut: View, whole: View| {
        let longer = |(at, len): &(&u64, &u64)| b.files.get(at).is_some_and(|other| other < *len);
        let files = a.files.iter().filter(longer).count();
        (files > 0)
            .then(|| format!("{cut} has {} shorter than {whole}", number(files, "file", "files")))
    };
    let parts = [
        told(theirs, other.view, shown.view),
        told(ours, shown.view, other.view),
        shorter(own, its, other.view, shown.view),
        shorter(its, own, shown.view, other.view),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        return Some(parts.join(", "));
    }
    let is_unclear = own.is_unclear || its.is_unclear;
    (is_other_number && is_unclear).then(by_number)
}

/// What one tree holds and another lacks, for people.
fn lacking(holder: &Below, other: &Below) -> Option<String> {
    let files = holder.files.keys().filter(|at| !other.files.contains_key(at)).count();
    let folders = holder.folders.difference(&other.folders).count();
    match (files, folders) {
        (0, 0) => None,
        (0, folders) => Some(number(folders, "folder", "folders")),
        (files, 0) => Some(number(files, "file", "files")),
        (files, folders) => Some(format!(
            "{} and {}",
            number(files, "file", "files"),
            number(folders, "folder", "folders")
        )),
    }
}

fn bytes_for_people(bytes: u64) -> String {
    match bytes >> 20 {
        0..10 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        mib @ 10..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}

fn number(n: usize, one: &str, many: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        _ => format!("{n} {many}"),
    }
}

fn reason(chosen: &Candidate, candidates: &[Candidate]) -> String {
    let others: Vec<String> = candidates
        .iter()
        .filter(|other| other.view != chosen.view)
        .map(|other| describe(chosen, other))
        .collect();
    if others.is_empty() {
        return "the only file system on the disc".to_owned();
    }
    format!("its root holds {}; {}", held(&chosen.contents), others.join("; "))
}

/// Why `chosen` is shown and not `other`.
fn describe(chosen: &Candidate, other: &Candidate) -> String {
    let name = other.view;
    let (ours, theirs) = (&chosen.contents, &other.contents);
    if theirs.names() == 0 && ours.names() > 0 {
        format!("the {name} side is empty")
    } else if theirs.is_stub_beside(ours) {
        match theirs.names() {
            1 => format!("the {name} side holds only a note"),
            _ if theirs.directories == 0 => {
                format!("the {name} side holds only {}, all small", held(theirs))
            }
            _ => format!("the {name} side holds only {}", held(theirs)),
        }
    } else if ours.outweighs(theirs) {
        match ours.bytes_beyond_in_all(theirs) {
            0 => format!("the {name} side lacks some of them"),
            bytes => format!("the {name} side lacks {} of its data", bytes_for_people(bytes)),
        }
    } else if name == View::Hfs {
        "HFS is the Macintosh side".to_owned()
    } else if !other.has_names {
        format!("{name} gives no names of its own")
    } else if chosen.has_modes && !other.has_modes {
        format!("{name} records neither links nor permissions")
    } else if chosen.view == View::RockRidge && name == View::Udf {
        "Rock Ridge records links and permissions as they were".to_owned()
    } else {
        format!("{name} records less about its files")
    }
}

/// What a root holds, for people.
fn held(contents: &Contents) -> String {
    let files = contents.names().saturating_sub(contents.directories);
    match (files, contents.directories) {
        (0, 0) => "nothing".to_owned(),
        (0, folders) => number(folders, "folder", "folders"),
        (files, 0) => number(files, "file", "files"),
        (files, folders) => {
            format!(
                "{} and {}",
                number(files, "file", "files"),
                number(folders, "folder", "folders")
            )
        }
    }
}

#[cfg(test)]
mod tests;
