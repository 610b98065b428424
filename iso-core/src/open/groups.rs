//! The names of a folder that is the same in several trees, and which of them mean one thing.
//! Reads nothing; `below` tells what the trees hold.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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
    /// A name, folded.
    name: Vec<u32>,
}

/// What is known of a tree and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Holds,
    Lacks,
    /// It may hold it under another name.
    Unclear,
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
        let is_plain =
            |c: &u32| char::from_u32(*c).is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let mut parts = self.name.split(|c| *c == u32::from('.'));
        let fits = |part: Option<&[u32]>, most: usize| {
            part.is_none_or(|part| part.len() <= most && part.iter().all(is_plain))
        };
        fits(parts.next(), 8) && fits(parts.next(), 3) && parts.next().is_none()
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
    by_name: BTreeMap<Vec<u32>, usize>,
}

impl Groups {
    pub(super) fn new(nodes: &[Option<NodeId>]) -> Self {
        let present = nodes.iter().map(Option::is_some).collect();
        Self { present, groups: Vec::new(), by_name: BTreeMap::new() }
    }

    /// Adds a name of one tree. Names that differ in case alone are one, since some trees have
    /// capital letters only.
    pub(super) fn add(&mut self, index: usize, name: &[u8], is_dir: bool, node: NodeId) {
        let name: Vec<u32> = Folded(name).chars().collect();
        let at = match self.by_name.entry(name.clone()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
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
        let Some(group) = self.groups.get_mut(at) else { return };
        group.is_unclear |= group.has(index) || group.is_dir != is_dir;
        if let Some(known) = group.nodes.get_mut(index) {
            *known = Some(node);
        }
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
                Entry::Vacant(free) => {
                    free.insert(at);
                }
                Entry::Occupied(first) => self.join(*first.get(), at),
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
        let mut pairs = Vec::new();
        for (cut, short) in &made {
            let from = made.partition_point(|(name, _)| name < cut);
            let alike =
                made.iter().skip(from).take_while(|(name, _)| name.starts_with(cut.as_str()));
            let mut fitting =
                alike.filter(|(name, long)| self.is_cut_of((cut, *short), (name, *long)));
            if let (Some((_, only)), None) = (fitting.next(), fitting.next()) {
                pairs.push((*only, *short));
            }
        }
        for (long, short) in &pairs {
            if pairs.iter().filter(|(other, _)| other == long).count() == 1 {
                self.join(*long, *short);
            }
        }
    }

    /// A name with nothing but letters and digits in it, for trees that hold hardly any signs.
    fn plain_name(&self, at: usize) -> String {
        let plain = |c: &u32| char::from_u32(*c).filter(char::is_ascii_alphanumeric).unwrap_or('_');
        self.groups.get(at).map_or_else(String::new, |group| group.name.iter().map(plain).collect())
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

    /// What each tree says of a group.
    pub(super) fn held(&self, group: &Group) -> Vec<Told> {
        let told = |(index, present): (usize, &bool)| match (group.has(index), present) {
            (true, _) => Told::Holds,
            (false, false) => Told::Lacks,
            (false, true) if self.may_rename(group, index) => Told::Unclear,
            (false, true) => Told::Lacks,
        };
        self.present.iter().enumerate().map(told).collect()
    }

    /// Whether a tree has a name that may stand for this group, since nothing else is known of it.
    fn may_rename(&self, group: &Group, index: usize) -> bool {
        let lacks_a_holder = |other: &Group| {
            group.nodes.iter().zip(&other.nodes).any(|(own, its)| own.is_some() && its.is_none())
        };
        self.groups.iter().filter(|other| other.has(index) && !other.is_gone).any(|other| {
            let is_kept = group.has_short_name() && other.has_short_name();
            let is_candidate = other.is_dir == group.is_dir && !other.is_empty && !is_kept;
            other.is_unclear || (is_candidate && lacks_a_holder(other))
        })
    }

    /// Whether a tree has names that were not matched for certain.
    pub(super) fn is_unclear(&self, index: usize) -> bool {
        let of_it = self.groups.iter().filter(|group| group.has(index) && !group.is_gone);
        of_it.into_iter().any(|group| {
            group.is_unclear || (!group.is_empty && self.held(group).contains(&Told::Unclear))
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
                groups.add(index, bare.as_bytes(), is_dir, NodeId::from_number(number));
            }
        }
        groups.match_folders();
        groups
    }

    /// What the trees say of each name, in the order of the names.
    fn told(groups: &Groups) -> Vec<Vec<Told>> {
        groups.iter().map(|group| groups.held(group)).collect()
    }

    #[test]
    fn names_are_matched_and_what_is_left_is_lacked() {
        use Told::{Holds, Lacks, Unclear};
        for (trees, want) in [
            (&[&["README.TXT"][..], &["readme.txt"]][..], vec![vec![Holds, Holds]]),
            (&[&["SUB/"], &[]], vec![vec![Holds, Lacks]]),
            // Cut to eight letters, and only one fits.
            (&[&["LONG_NAM/"], &["long name/"]], vec![vec![Holds, Holds]]),
            (
                &[&["LONG_NAM/"], &["long name/", "long names/"]],
                vec![vec![Holds, Unclear], vec![Unclear, Holds], vec![Unclear, Holds]],
            ),
            // Short names are the same in all trees, others may be renamed.
            (&[&["BOOT/"], &["sub/"]], vec![vec![Holds, Lacks], vec![Lacks, Holds]]),
            (&[&["DIR1/"], &["other signs+/"]], vec![vec![Holds, Unclear], vec![Unclear, Holds]]),
            // A file where another tree has a folder, as for relocated ones, says nothing.
            (&[&["DEEP"], &["deep/"]], vec![]),
            (&[&["DEEP", "X/"], &["deep/"]], vec![vec![Holds, Unclear]]),
        ] {
            assert_eq!(told(&folder(trees)), want, "{trees:?}");
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
        assert_eq!(told(&groups), [vec![Told::Holds; 2], vec![Told::Holds, Told::Lacks]]);
        assert!(!groups.is_unclear(0) && !groups.is_unclear(1));
    }
}
