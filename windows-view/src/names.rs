//! A directory as Windows lists it: every name shown once, in one order, found in any case.
//! A pure function of the directory on the disc, so a name is the same on every mount.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use iso_core::Weigh;
use iso_core::volume::{Dir, DirEntry};

use crate::fold::{fold, fold_into};
use crate::name::to_windows;

/// 16-bit units of a name at most.
pub const MAX_NAME_UNITS: usize = 255;

/// Units of what follows the last dot that is still taken for an extension.
const MAX_EXTENSION_UNITS: usize = 16;

/// Units of a name that is cut, without extension and number.
const CUT_STEM_UNITS: usize = MAX_NAME_UNITS - 32;

const DOT: u16 = 0x2E;
const TILDE: u16 = 0x7E;

/// The names of a directory and the order they are listed in.
pub struct Names {
    dir: Arc<Dir>,
    /// Positions in the directory, by the keys of their names.
    order: Box<[u32]>,
    /// Names that had to be changed to be short and unique, each with its position, in order.
    changed: Box<[(u32, Box<[u16]>)]>,
}

impl Names {
    /// The names of a directory. Those that Windows takes for one name get a number, all but the
    /// first; those that are too long are cut and get one too.
    #[must_use]
    pub fn new(dir: Arc<Dir>) -> Self {
        let mut keys = Keys::of(&dir);
        let mut changed: Vec<_> = keys.make_unique(&dir).into_iter().collect();
        changed.sort_unstable_by_key(|(position, _)| *position);
        let order = keys.spans.iter().map(|span| span.position).collect();
        Self { dir, order, changed: changed.into() }
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The name that is shown for the entry at a position of the directory.
    #[must_use]
    pub fn shown(&self, position: u32) -> Vec<u16> {
        let changed = self.changed.binary_search_by_key(&position, |(position, _)| *position);
        if let Some((_, name)) = changed.ok().and_then(|index| self.changed.get(index)) {
            return name.to_vec();
        }
        self.entry(position).map(|entry| to_windows(entry.name)).unwrap_or_default()
    }

    /// The position of the entry that is shown as `name`, in any case.
    #[must_use]
    pub fn find(&self, name: &[u16]) -> Option<u32> {
        let key = fold(name);
        let at = self.order.partition_point(|position| fold(&self.shown(*position)) < key);
        let position = *self.order.get(at)?;
        (fold(&self.shown(position)) == key).then_some(position)
    }

    /// The positions behind `name` in the order of the listing, whether or not it is there; all
    /// for none.
    pub fn after(&self, name: Option<&[u16]>) -> impl Iterator<Item = u32> {
        let start = name.map_or(0, |name| {
            let key = fold(name);
            self.order.partition_point(|position| fold(&self.shown(*position)) <= key)
        });
        self.order.get(start..).unwrap_or_default().iter().copied()
    }

    /// The entry at a position of the directory.
    #[must_use]
    pub fn entry(&self, position: u32) -> Option<DirEntry<'_>> {
        self.dir.get(usize::try_from(position).ok()?)
    }
}

impl Weigh for Names {
    fn weight_bytes(&self) -> u64 {
        let name_bytes =
            |(_, name): &(u32, Box<[u16]>)| size_of_val(&**name).saturating_add(ALLOCATION_BYTES);
        let names: usize = self.changed.iter().map(name_bytes).sum();
        let tables = size_of_val(&*self.order).saturating_add(size_of_val(&*self.changed));
        let own = size_of::<Self>().saturating_add(names).saturating_add(tables);
        // The directory itself is held by its volume too; while it is held here, it stays.
        self.dir.weight_bytes().saturating_add(u64::try_from(own).unwrap_or(u64::MAX))
    }
}

/// What the allocator adds to the bytes of one name.
const ALLOCATION_BYTES: usize = 24;

/// The keys of all names of a directory, in one run, and where each of them lies.
struct Keys {
    units: Vec<u16>,
    spans: Vec<Span>,
}

#[derive(Clone, Copy)]
struct Span {
    start: u32,
    len: u16,
    position: u32,
}

impl Span {
    fn of<'k>(&self, units: &'k [u16]) -> &'k [u16] {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        units.get(start..start.saturating_add(self.len.into())).unwrap_or_default()
    }
}

impl Keys {
    /// The keys in the order of the listing: by key, and by position where keys are equal.
    fn of(dir: &Dir) -> Self {
        let mut keys = Self { units: Vec::new(), spans: Vec::with_capacity(dir.len()) };
        for (position, entry) in (0..).zip(dir.iter()) {
            let shown = to_windows(entry.name);
            keys.push(position, shown.get(..MAX_NAME_UNITS).unwrap_or(&shown));
        }
        keys.sort();
        keys
    }

    fn push(&mut self, position: u32, name: &[u16]) {
        let start = self.units.len();
        fold_into(name, &mut self.units);
        let len = self.units.len().saturating_sub(start);
        self.spans.push(Span {
            start: u32::try_from(start).unwrap_or(u32::MAX),
            len: u16::try_from(len).unwrap_or(u16::MAX),
            position,
        });
    }

    fn sort(&mut self) {
        let Self { units, spans } = self;
        spans.sort_unstable_by(|a, b| {
            a.of(units).cmp(b.of(units)).then(a.position.cmp(&b.position))
        });
    }

    fn holds(&self, key: &[u16]) -> bool {
        self.spans.binary_search_by(|span| span.of(&self.units).cmp(key)).is_ok()
    }

    /// Gives numbers to names that are too long or taken, and puts everything in order again.
    fn make_unique(&mut self, dir: &Dir) -> HashMap<u32, Box<[u16]>> {
        let mut to_change: Vec<u32> = Vec::new();
        let mut last: Option<Span> = None;
        for span in &self.spans {
            let is_taken = last.is_some_and(|last| last.of(&self.units) == span.of(&self.units));
            if is_taken || self.is_cut(dir, span.position) {
                to_change.push(span.position);
            } else {
                last = Some(*span);
            }
        }
        if to_change.is_empty() {
            return HashMap::new();
        }
        // In the order of the disc, so that the first of the changed ones has the lowest number.
        to_change.sort_unstable();
        let mut given = HashSet::new();
        let mut numbers: HashMap<Vec<u16>, u32> = HashMap::new();
        let mut changed = HashMap::new();
        for position in to_change {
            let entry = usize::try_from(position).ok().and_then(|at| dir.get(at));
            let name = entry.map(|entry| to_windows(entry.name)).unwrap_or_default();
            let numbered = self.numbered(&name, &mut numbers, &mut given);
            changed.insert(position, numbered.into_boxed_slice());
        }
        self.spans.retain(|span| !changed.contains_key(&span.position));
        for (position, name) in &changed {
            self.push(*position, name);
        }
        self.sort();
        changed
    }

    /// Whether the name at a position is longer than Windows takes.
    fn is_cut(&self, dir: &Dir, position: u32) -> bool {
        let entry = usize::try_from(position).ok().and_then(|at| dir.get(at));
        // There are never more units than bytes.
        let is_long =
            |name: &[u8]| name.len() > MAX_NAME_UNITS && to_windows(name).len() > MAX_NAME_UNITS;
        entry.is_some_and(|entry| is_long(entry.name))
    }

    /// The first writing of `name` with a number that is nobody's.
    fn numbered(
        &self,
        name: &[u16],
        numbers: &mut HashMap<Vec<u16>, u32>,
        given: &mut HashSet<Vec<u16>>,
    ) -> Vec<u16> {
        // One count for all names that are written alike: each number is tried once.
        let number = numbers.entry(fold(&numbered(name, 0))).or_insert(1);
        loop {
            *number = number.saturating_add(1);
            let written = numbered(name, *number);
            let key = fold(&written);
            if !self.holds(&key) && given.insert(key) {
                return written;
            }
        }
    }
}

/// A name with a number before its extension, as in `readme~2.txt`; cut where it would be longer
/// than Windows takes.
#[must_use]
pub fn numbered(name: &[u16], number: u32) -> Vec<u16> {
    let (stem, extension) = split(name);
    let tail: Vec<u16> = std::iter::once(TILDE)
        .chain(number.to_string().encode_utf16())
        .chain(extension.iter().copied())
        .collect();
    let fits = stem.len().saturating_add(tail.len()) <= MAX_NAME_UNITS;
    // Cut to the same length for each number, so that names which are cut alike share a count.
    let len = if fits { stem.len() } else { CUT_STEM_UNITS };
    [without_half(stem.get(..len).unwrap_or(stem)), &tail].concat()
}

/// What stands before the extension of a name, and the extension with its dot.
fn split(name: &[u16]) -> (&[u16], &[u16]) {
    match name.iter().rposition(|unit| *unit == DOT) {
        Some(at) if at > 0 && name.len().saturating_sub(at) <= MAX_EXTENSION_UNITS => {
            name.split_at(at)
        }
        _ => (name, &[]),
    }
}

/// Without the first half of a character that lost its second.
fn without_half(name: &[u16]) -> &[u16] {
    match name.split_last() {
        Some((0xD800..=0xDBFF, rest)) => rest,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use iso_core::volume::{DirBuilder, NodeId};
    use iso_core::{Limits, Site};

    fn names(entries: &[&str]) -> Names {
        let node = |number: u64| NodeId::from_number(number);
        let site = Site::new("directory", "ECMA-119 9.1", 0);
        let mut builder = DirBuilder::new(node(0), node(0), &Limits::default(), site);
        for (number, name) in (1..).zip(entries) {
            let (name, node) = (name.as_bytes(), node(number));
            builder.push(DirEntry { name, node, kind: None, is_hidden: false }).unwrap();
        }
        Names::new(Arc::new(builder.finish().unwrap().0))
    }

    fn listed(names: &Names, marker: Option<&str>) -> Vec<String> {
        let marker: Option<Vec<u16>> = marker.map(|marker| marker.encode_utf16().collect());
        let shown = |position| String::from_utf16(&names.shown(position)).unwrap();
        names.after(marker.as_deref()).map(shown).collect()
    }

    fn found(names: &Names, name: &str) -> Option<u64> {
        let units: Vec<u16> = name.encode_utf16().collect();
        Some(names.entry(names.find(&units)?)?.node.number())
    }

    #[test]
    fn names_equal_but_for_case_get_numbers_in_the_order_of_the_disc() {
        let names = names(&["ReadMe.txt", "readme~2.txt", "README.TXT", "readme.txt", "a"]);
        let want = ["a", "ReadMe.txt", "readme~2.txt", "README~3.TXT", "readme~4.txt"];
        assert_eq!(listed(&names, None), want);
        assert_eq!(found(&names, "readme.TXT"), Some(1));
        assert_eq!(found(&names, "README~2.TXT"), Some(2));
        assert_eq!(found(&names, "readme~3.txt"), Some(3));
        assert_eq!(found(&names, "readme~4.txt"), Some(4));
        assert_eq!(found(&names, "readme~5.txt"), None);
    }

    #[test]
    fn a_listing_goes_on_behind_a_name_that_need_not_be_there() {
        let names = names(&["b", "D", "a", "c"]);
        assert_eq!(listed(&names, None), ["a", "b", "c", "D"]);
        assert_eq!(listed(&names, Some("B")), ["c", "D"]);
        assert_eq!(listed(&names, Some("bb")), ["c", "D"]);
        assert_eq!(listed(&names, Some("d")), [""; 0]);
    }

    #[test]
    fn names_that_are_too_long_are_cut_and_stay_apart() {
        let long = |last: &str| format!("{}{last}.iso", "x".repeat(300));
        let (a, b, c) = (long("a"), long("b"), "\u{1f600}".repeat(200));
        let names = names(&[&a, &b, &c, &"y".repeat(255)]);
        let shown = listed(&names, None);
        assert!(shown.iter().all(|name| name.encode_utf16().count() <= 255), "{shown:?}");
        assert_eq!(shown.iter().filter(|name| name.ends_with(".iso")).count(), 2);
        for (number, name) in shown.iter().enumerate() {
            assert!(found(&names, name).is_some(), "{number}");
        }
        assert_eq!(shown.iter().collect::<HashSet<_>>().len(), 4);
    }

    #[test]
    fn many_equal_names_take_no_time_by_the_square() {
        let spell = |number: u32| -> String {
            let letter = |bit: u32| if number >> bit & 1 == 1 { 'A' } else { 'a' };
            (0..17).map(letter).collect()
        };
        let all: Vec<String> = (0..1 << 17).map(spell).collect();
        let names = names(&all.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names.after(None).count(), 1 << 17);
        assert_eq!(names.changed.len(), (1 << 17) - 1);
    }
}
