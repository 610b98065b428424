//! Which of a disc's file systems to show, and why (the view rule).
//! A pure rule over what the roots hold; `open` finds out what they hold.

use std::fmt;

mod contents;

pub(crate) use contents::{Below, Contents, STUB_BYTES};

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
    /// The boot images of El Torito, read by firmware only.
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

    /// Whether it has the files and folders of `plain` under longer names.
    fn names_better(&self, plain: &Self) -> bool {
        self.contents.longest_name > plain.contents.longest_name
            && self.contents.directories >= plain.contents.directories
            && plain.contents.shares_all_with(&self.contents)
            && plain.contents.bytes_beyond_in_all(&self.contents) == 0
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
        // Rock Ridge and the plain tree are one tree, and are named once.
        let is_named = c.view == shown.view || (c.view == View::Iso9660 && has_rock_ridge);
        !is_named && !c.is_stub_among(candidates)
    };
    let others = candidates.iter().filter(is_tree);
    let differs = |other: &Candidate| {
        if other.view == View::Hfs {
            macintosh_alone(shown, other)
        } else {
            difference(shown, other)
        }
    };
    others.filter_map(|other| Some((other.view, differs(other)?))).collect()
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
    let is_unclear = own.is_unclear || its.is_unclear;
    // Most trees are equal, and comparing two maps at once is cheap.
    if own.files == its.files && own.folders == its.folders {
        return (is_other_number && is_unclear).then(by_number);
    }
    let more = [lacking(its, own), lacking(own, its)];
    let describe = |what: &Option<String>, holder: View, lacks: View| {
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
        describe(theirs, other.view, shown.view),
        describe(ours, shown.view, other.view),
        shorter(own, its, other.view, shown.view),
        shorter(its, own, shown.view, other.view),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if !parts.is_empty() {
        return Some(parts.join(", "));
    }
    (is_other_number && is_unclear).then(by_number)
}

/// What the root of the Macintosh side holds and the tree that is shown lacks. That it holds less
/// is the rule: programs for other systems are hidden from it.
fn macintosh_alone(shown: &Candidate, other: &Candidate) -> Option<String> {
    let (ours, theirs) = (&shown.contents, &other.contents);
    if let (Some(own), Some(its)) = (&ours.below, &theirs.below)
        && let Some(what) = lacking(its, own)
    {
        return Some(format!("{} holds {what} that {} lacks", other.view, shown.view));
    }
    let folders = theirs.directories.saturating_sub(ours.directories);
    let has_places = ours.files == 0 || !ours.places.is_empty();
    let is_weighed = ours.unweighed == 0 && theirs.unweighed == 0 && has_places;
    let is_alone = |at: &&u64| is_weighed && !ours.places.contains_key(at);
    let files = theirs.places.keys().filter(is_alone).count();
    let what = counted(files, folders)?;
    Some(format!("the root of {} holds {what} that {} lacks", other.view, shown.view))
}

/// What one tree holds and another lacks, for people.
fn lacking(holder: &Below, other: &Below) -> Option<String> {
    let files = holder.files.keys().filter(|at| !other.files.contains_key(at)).count();
    counted(files, holder.folders.difference(&other.folders).count())
}

fn counted(files: usize, folders: usize) -> Option<String> {
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
