//! The names of a folder that is the same in several trees, and which of them mean one thing.
//! Reads nothing; `below` tells what the trees hold.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map, hash_map};
use std::rc::Rc;

use crate::text::Folded;
use crate::volume::NodeId;

/// One file or folder, as each tree names it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) is_dir: bool,
    /// Its node in each tree that names it.
    pub(super) nodes: Vec<Option<NodeId>>,
    /// First byte and bytes, where they are known.
    places: Vec<Option<(u64, u64)>>,
    /// No data: a link, a device, an empty file.
    pub(super) is_empty: bool,
    /// A tree has several names for which this one may stand, or a file where another has a folder.
    is_unclear: bool,
    /// Part of another group by now.
    is_gone: bool,
    /// A name, as `key` makes it.
    name: Rc<str>,
}

/// Whether a tree holds a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Yes,
    No,
    /// It may hold it under another name.
    Unclear,
}

/// A name as names are compared. Names that differ in case alone are one, since some trees have
/// capital letters only; bytes that are no UTF-8 stand as characters that hardly any name has.
pub(super) fn key(name: &[u8]) -> String {
    const STRAY: u32 = 0x10_FF00;
    if let Some(ascii) = std::str::from_utf8(name).ok().filter(|name| name.is_ascii()) {
        return ascii.to_ascii_lowercase();
    }
    let stray = |number: u32| char::from_u32(STRAY | (number & 0xFF));
    Folded(name).chars().filter_map(|c| char::from_u32(c).or(stray(c))).collect()
}

impl Group {
    /// What a tree says of the file.
    pub(super) fn set(&mut self, index: usize, place: (u64, u64)) {
        if let Some(known) = self.places.get_mut(index) {
            *known = Some(place);
        }
    }

    /// Place and bytes where the file is longest.
    pub(super) fn longest(&self) -> Option<(u64, u64)> {
        self.places.iter().flatten().copied().max_by_key(|(_, len)| *len)
    }

    /// A number for the file that all trees share, and its bytes where it is longest.
    pub(super) fn slot(&self) -> Option<(u64, u64)> {
        let first = self.places.iter().flatten().map(|(at, _)| *at).min()?;
        self.longest().map(|(_, len)| (first, len))
    }

    /// Bytes as one tree has them, if they are known.
    pub(super) fn len_in(&self, index: usize) -> Option<u64> {
        self.places.get(index).copied().flatten().map(|(_, len)| len)
    }

    fn has(&self, index: usize) -> bool {
        self.nodes.get(index).is_some_and(Option::is_some)
    }

    fn is_in_other_trees_than(&self, other: &Self) -> bool {
        !self.nodes.iter().zip(&other.nodes).any(|(a, b)| a.is_some() && b.is_some())
    }

    /// Whether its name is one that writers give in all trees: they change longer names, and those
    /// with other signs (ECMA-119 7.5, 10.1: eight letters and three).
    fn has_short_name(&self) -> bool {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut parts = self.name.split('.');
        let fits = |part: Option<&str>, most: usize| {
            part.is_none_or(|part| part.len() <= most && part.bytes().all(is_plain))
        };
        fits(parts.next(), 8) && fits(parts.next(), 3) && parts.next().is_none()
    }

    fn kind(&self) -> Kind {
        Kind {
            is_dir: self.is_dir,
            has_short_name: self.has_short_name(),
            is_empty: self.is_empty,
            is_unclear: self.is_unclear,
            holders: self.nodes.iter().map(Option::is_some).collect(),
        }
    }

    fn absorb(&mut self, other: &mut Self) {
        for (own, more) in self.nodes.iter_mut().zip(&other.nodes) {
            *own = own.or(*more);
        }
        for (own, more) in self.places.iter_mut().zip(&other.places) {
            *own = own.or(*more);
        }
        other.is_gone = true;
    }
}

/// All names of a folder.
#[derive(Debug)]
pub(super) struct Groups {
    /// Which trees have the folder.
    present: Vec<bool>,
    groups: Vec<Group>,
    by_name: HashMap<Rc<str>, usize>,
}

impl Groups {
    pub(super) fn new(nodes: &[Option<NodeId>]) -> Self {
        let present = nodes.iter().map(Option::is_some).collect();
        Self { present, groups: Vec::new(), by_name: HashMap::new() }
    }

    /// Adds a name of one tree, as `key` makes it, and gives its group.
    pub(super) fn add(
        &mut self,
        index: usize,
        name: String,
        is_dir: bool,
        node: NodeId,
    ) -> Option<&mut Group> {
        let name = Rc::<str>::from(name);
        let at = match self.by_name.entry(name.clone()) {
            hash_map::Entry::Occupied(known) => *known.get(),
            hash_map::Entry::Vacant(free) => {
                let nodes = vec![None; self.present.len()];
                let places = vec![None; self.present.len()];
                free.insert(self.groups.len());
                self.groups.push(Group {
                    is_dir,
                    nodes,
                    places,
                    is_empty: false,
                    is_unclear: false,
                    is_gone: false,
                    name,
                });
                self.groups.len().saturating_sub(1)
            }
        };
        let group = self.groups.get_mut(at)?;
        group.is_unclear |= group.has(index) || group.is_dir != is_dir;
        if let Some(known) = group.nodes.get_mut(index) {
            *known = Some(node);
        }
        Some(group)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| !group.is_unclear && !group.is_gone)
    }

    pub(super) fn files(&mut self) -> impl Iterator<Item = &mut Group> {
        self.groups.iter_mut().filter(|group| !group.is_dir && !group.is_unclear && !group.is_gone)
    }

    fn is_whole(&self, group: &Group) -> bool {
        self.present.iter().enumerate().all(|(index, present)| !present || group.has(index))
    }

    /// The positions of groups that some tree lacks.
    fn partial(&self, is_dir: bool) -> Vec<usize> {
        let is_one = |group: &Group| {
            group.is_dir == is_dir && !group.is_unclear && !group.is_gone && !self.is_whole(group)
        };
        let all = self.groups.iter().enumerate();
        all.filter(|(_, group)| is_one(group)).map(|(at, _)| at).collect()
    }

    /// Matches files of different names whose data lies at the same place.
    pub(super) fn match_places(&mut self) {
        let mut by_place: BTreeMap<u64, usize> = BTreeMap::new();
        for at in self.partial(false) {
            let Some(place) = self.groups.get(at).and_then(Group::slot) else { continue };
            match by_place.entry(place.0) {
                btree_map::Entry::Vacant(free) => {
                    free.insert(at);
                }
                btree_map::Entry::Occupied(first) => self.join(*first.get(), at),
            }
        }
    }

    /// Matches folders whose names are cut to eight letters in one tree, where only one fits.
    pub(super) fn match_folders(&mut self) {
        let partial = self.partial(true);
        // In order, so that the names that begin with another one stand together.
        let mut made: Vec<(String, usize)> =
            partial.iter().map(|at| (self.plain_name(*at), *at)).collect();
        made.sort_unstable();
        // A long name, and the only cut one that fits it; none where several fit.
        let mut pairs: BTreeMap<usize, Option<usize>> = BTreeMap::new();
        for (cut, short) in &made {
            let from = made.partition_point(|(name, _)| name < cut);
            let alike =
                made.iter().skip(from).take_while(|(name, _)| name.starts_with(cut.as_str()));
            let mut fitting =
                alike.filter(|(name, long)| self.is_cut_of((cut, *short), (name, *long)));
            if let (Some((_, only)), None) = (fitting.next(), fitting.next()) {
                let is_first = !pairs.contains_key(only);
                pairs.insert(*only, is_first.then_some(*short));
            }
        }
        for (long, short) in pairs {
            if let Some(short) = short {
                self.join(long, short);
            }
        }
    }

    /// A name with nothing but letters and digits in it, for trees that hold hardly any signs.
    fn plain_name(&self, at: usize) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        self.groups
            .get(at)
            .map_or_else(String::new, |group| group.name.chars().map(plain).collect())
    }

    /// Whether a name may have been made of a longer one, which begins like it, by cutting it.
    fn is_cut_of(&self, (cut, short): (&str, usize), (made, long): (&str, usize)) -> bool {
        const LETTERS: usize = 8;
        let (Some(short), Some(long)) = (self.groups.get(short), self.groups.get(long)) else {
            return false;
        };
        let fits = made == cut || cut.len() >= LETTERS;
        fits && short.name != long.name && short.is_in_other_trees_than(long)
    }

    fn join(&mut self, first: usize, second: usize) {
        let (low, high) = (first.min(second), first.max(second));
        let Some((head, tail)) = self.groups.split_at_mut_checked(high) else { return };
        if let (Some(one), Some(other)) = (head.get_mut(low), tail.first_mut())
            && one.is_in_other_trees_than(other)
            && !one.is_gone
            && !other.is_gone
        {
            one.absorb(other);
        }
    }

    /// The kinds of names that the folder has, once what can be matched is matched.
    pub(super) fn census(&self) -> Census {
        let kept = self.groups.iter().filter(|group| !group.is_gone);
        Census { present: self.present.clone(), kinds: kept.map(Group::kind).collect() }
    }
}

/// What decides whether a name may stand for another one. Thousands of names share a few kinds,
/// so that comparing kinds costs the same in a large folder as in a small one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    is_dir: bool,
    has_short_name: bool,
    is_empty: bool,
    is_unclear: bool,
    /// Which trees name it.
    holders: Vec<bool>,
}

impl Kind {
    fn is_in(&self, index: usize) -> bool {
        self.holders.get(index).copied().unwrap_or(false)
    }

    /// Whether a name of the kind `other` may stand for a name of this kind in another tree.
    fn may_be(&self, other: &Self) -> bool {
        let is_kept = self.has_short_name && other.has_short_name;
        let is_candidate = other.is_dir == self.is_dir && !other.is_empty && !is_kept;
        let mut both = self.holders.iter().zip(&other.holders);
        other.is_unclear || (is_candidate && both.any(|(own, its)| *own && !its))
    }
}

/// The kinds of names in a folder.
#[derive(Debug)]
pub(super) struct Census {
    /// Which trees have the folder.
    present: Vec<bool>,
    kinds: BTreeSet<Kind>,
}

impl Census {
    /// What is known of each tree and a group.
    pub(super) fn held(&self, group: &Group) -> Vec<Held> {
        self.held_of(&group.kind()).collect()
    }

    fn held_of<'a>(&'a self, kind: &'a Kind) -> impl Iterator<Item = Held> + 'a {
        self.present.iter().enumerate().map(move |(index, present)| {
            match (kind.is_in(index), present) {
                (true, _) => Held::Yes,
                (false, true) if self.may_rename(kind, index) => Held::Unclear,
                (false, _) => Held::No,
            }
        })
    }

    /// Whether a tree has a name that may stand for names of this kind.
    fn may_rename(&self, kind: &Kind, index: usize) -> bool {
        self.kinds.iter().any(|other| other.is_in(index) && kind.may_be(other))
    }

    /// Whether a tree has names that were not matched for certain.
    pub(super) fn is_unclear(&self, index: usize) -> bool {
        self.kinds.iter().filter(|kind| kind.is_in(index)).any(|kind| {
            let is_open = || self.held_of(kind).any(|held| held == Held::Unclear);
            kind.is_unclear || (!kind.is_empty && is_open())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of some trees with these names; a `/` behind one makes it a folder.
    fn folder(trees: &[&[&str]]) -> Groups {
        let mut groups = Groups::new(&vec![Some(NodeId::from_number(1)); trees.len()]);
        for (index, names) in trees.iter().enumerate() {
            for (number, name) in (10..).zip(*names) {
                let (is_dir, bare) = (name.ends_with('/'), name.trim_end_matches('/'));
                groups.add(index, key(bare.as_bytes()), is_dir, NodeId::from_number(number));
            }
        }
        groups.match_folders();
        groups
    }

    /// Which trees hold each name, in the order of the names.
    fn held(groups: &Groups) -> Vec<Vec<Held>> {
        let census = groups.census();
        groups.iter().map(|group| census.held(group)).collect()
    }

    #[test]
    fn names_are_matched_and_what_is_left_is_lacked() {
        use Held::{No, Unclear, Yes};
        for (trees, want) in [
            (&[&["README.TXT"][..], &["readme.txt"]][..], vec![vec![Yes, Yes]]),
            (&[&["SUB/"], &[]], vec![vec![Yes, No]]),
            // Cut to eight letters, and only one fits.
            (&[&["LONG_NAM/"], &["long name/"]], vec![vec![Yes, Yes]]),
            (
                &[&["LONG_NAM/"], &["long name/", "long names/"]],
                vec![vec![Yes, Unclear], vec![Unclear, Yes], vec![Unclear, Yes]],
            ),
            // Short names are the same in all trees, others may be renamed.
            (&[&["BOOT/"], &["sub/"]], vec![vec![Yes, No], vec![No, Yes]]),
            (&[&["DIR1/"], &["other signs+/"]], vec![vec![Yes, Unclear], vec![Unclear, Yes]]),
            // A file where another tree has a folder, as for relocated ones, says nothing.
            (&[&["DEEP"], &["deep/"]], vec![]),
            (&[&["DEEP", "X/"], &["deep/"]], vec![vec![Yes, Unclear]]),
        ] {
            assert_eq!(held(&folder(trees)), want, "{trees:?}");
        }
    }

    #[test]
    fn files_of_other_names_are_matched_by_their_place() {
        let mut groups = folder(&[&["LONGNAME.TXT", "MORE.TXT"], &["a long name.txt"]]);
        for (group, place) in groups.files().zip([(7, 9), (8, 9), (7, 9)]) {
            let index = usize::from(group.nodes[0].is_none());
            group.set(index, place);
        }
        groups.match_places();
        assert_eq!(held(&groups), [vec![Held::Yes; 2], vec![Held::Yes, Held::No]]);
        let census = groups.census();
        assert!(!census.is_unclear(0) && !census.is_unclear(1));
    }
}
