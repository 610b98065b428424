//! Which of a disc's file systems to show, and why (the view rule).
//! A pure rule over what the roots hold; `open` finds out what they hold.

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

/// What the root of a view holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) view: View,
    /// Files and directories in the root.
    pub(crate) entries: usize,
    /// Directories among them.
    pub(crate) directories: usize,
    /// Whether it has names of its own. Rock Ridge without `NM` shows the plain ones.
    pub(crate) has_names: bool,
}

/// Files that a root may hold and still be a mere stub: a note that says where the rest is.
const STUB_FILES: usize = 3;

impl Candidate {
    /// Whether the root holds a few files and no directory, as the ISO 9660 side of a Windows
    /// setup disc does ("use UDF to read this disc").
    pub(crate) fn is_stub(&self) -> bool {
        self.directories == 0 && self.entries <= STUB_FILES
    }
}

/// The view to show and why. Nothing if there is none at all.
///
/// Views that are empty or a stub yield to one that holds more. Of the ISO 9660 family the richest
/// names win: Rock Ridge, Joliet, ISO 9660:1999, plain. UDF is shown before them unless its root
/// holds less.
pub(crate) fn choose(candidates: &[Candidate]) -> Option<(View, String)> {
    let most = candidates.iter().map(|c| c.entries).max()?;
    let is_worth = |c: &&Candidate| c.entries == most || !(c.entries == 0 || c.is_stub());
    let worth: Vec<&Candidate> = candidates.iter().filter(is_worth).collect();
    let find = |view: View| worth.iter().copied().find(|c| c.view == view);
    let family = find(View::RockRidge)
        .filter(|c| c.has_names)
        .or(find(View::Joliet))
        .or(find(View::Enhanced))
        .or(find(View::RockRidge))
        .or(find(View::Iso9660))
        .or(find(View::HighSierra))
        // The Macintosh side of a hybrid disc has what the other side has, in the ways of
        // another system: shown by itself only where there is nothing else.
        .or(find(View::Hfs));
    let chosen = match (find(View::Udf), family) {
        (Some(udf), Some(iso)) if iso.entries > udf.entries => iso,
        (Some(udf), _) => udf,
        (None, Some(iso)) => iso,
        (None, None) => return None,
    };
    Some((chosen.view, reason(chosen, candidates)))
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
    others.join("; ")
}

/// Why `chosen` is shown and not `other`.
fn describe(chosen: &Candidate, other: &Candidate) -> String {
    let name = other.view;
    if name == View::Hfs {
        format!("{name} is the Macintosh side")
    } else if other.entries == 0 && chosen.entries > 0 {
        format!("{name} is empty")
    } else if other.is_stub() && other.entries < chosen.entries {
        format!("{name} is a stub of {} against {}", count(other.entries), count(chosen.entries))
    } else if !other.has_names {
        format!("{name} gives no names of its own")
    } else if other.entries < chosen.entries {
        format!("{name} holds less ({} against {})", other.entries, chosen.entries)
    } else if chosen.view == View::Udf {
        format!("{name} holds no more than UDF")
    } else {
        format!("{name} has poorer names")
    }
}

fn count(entries: usize) -> String {
    if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(view: View, entries: usize, directories: usize) -> Candidate {
        Candidate { view, entries, directories, has_names: true }
    }

    #[test]
    fn the_fullest_view_is_shown_and_the_reason_says_why() {
        use View::{Iso9660, Joliet, RockRidge, Udf};
        let nameless = Candidate { has_names: false, ..candidate(RockRidge, 5, 1) };
        for (candidates, want, why) in [
            (vec![candidate(Iso9660, 5, 2)], Iso9660, "the only file system on the disc"),
            (
                vec![candidate(Udf, 9, 4), candidate(Iso9660, 1, 0)],
                Udf,
                "ISO 9660 is a stub of 1 entry against 9 entries",
            ),
            (
                vec![candidate(Udf, 5, 2), candidate(RockRidge, 7, 2), candidate(Iso9660, 7, 2)],
                RockRidge,
                "UDF holds less (5 against 7); ISO 9660 has poorer names",
            ),
            (
                vec![candidate(Udf, 5, 2), candidate(Joliet, 5, 2)],
                Udf,
                "Joliet holds no more than UDF",
            ),
            (
                vec![candidate(RockRidge, 5, 1), candidate(Joliet, 6, 2), candidate(Iso9660, 5, 1)],
                RockRidge,
                "Joliet has poorer names; ISO 9660 has poorer names",
            ),
            (
                vec![nameless, candidate(Joliet, 5, 1), candidate(Iso9660, 5, 1)],
                Joliet,
                "Rock Ridge gives no names of its own; ISO 9660 has poorer names",
            ),
            (vec![candidate(Udf, 0, 0), candidate(Joliet, 3, 1)], Joliet, "UDF is empty"),
            (
                vec![candidate(Iso9660, 0, 0), candidate(Joliet, 0, 0)],
                Joliet,
                "ISO 9660 has poorer names",
            ),
            (
                vec![candidate(RockRidge, 1, 0), candidate(Iso9660, 1, 0)],
                RockRidge,
                "ISO 9660 has poorer names",
            ),
        ] {
            let (view, reason) = choose(&candidates).unwrap();
            assert_eq!((view, reason.as_str()), (want, why), "{candidates:?}");
        }
        assert_eq!(choose(&[]), None);
    }
}
