//! The sessions of a disc in a flat file: each begins with a system area and descriptors of its
//! own, and the last one shows the disc as it was left (ECMA-119 6.2, ECMA-168 5.2.1).
//! Finds where they begin; which one is opened is for `open` to say.

use crate::cache::{Disc, zeroed};
use crate::error::{Error, Result};
use crate::iso9660::{DescriptorSet, SECTOR_BYTES, SYSTEM_AREA_SECTORS};
use crate::num::{quotient, round_up, to_u64, to_usize};
use crate::origin::counts_from_itself;

/// One session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its number, from 1.
    pub number: u32,
    /// Byte at which it begins.
    pub at: u64,
    /// On write-once UDF media that were added to in place, byte of the ICB of the virtual
    /// allocation table that shows what there was then (UDF 2.60 2.2.11).
    pub table_at: Option<u64>,
}

/// Which session of a disc is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionChoice {
    /// The one that was written first.
    First,
    /// The one that was written last, which refers to what is left of the others.
    #[default]
    Last,
    /// The one of a number, from 1.
    Number(u32),
}

/// Sectors between the end of a session and the beginning of the next on a compact disc: lead-out
/// and lead-in of the first session, and of the others (Orange Book, as in MMC-6 4.2.3.5).
const CD_GAPS: [u64; 2] = [11_400, 6_900];

/// Where xorriso begins the first session of an image that it keeps multi-session: before it lies
/// a copy of the descriptors of the last one.
const FIRST_BEHIND_COPY: u64 = 32;

/// What was found of the sessions of a disc.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// The sessions, in the order in which they were written, one at least.
    pub(crate) sessions: Vec<Session>,
    /// Byte at which something begins behind them whose numbers count from there: no session, but
    /// a volume of its own.
    pub(crate) beside: Option<u64>,
    /// Why there may be more sessions that could not be looked for.
    pub(crate) unread: Option<Error>,
}

/// The sessions of a disc. Reads a few sectors behind the end of each, and nothing at all where
/// the image ends there.
pub(crate) fn find_sessions(disc: &Disc) -> Sessions {
    let mut starts = vec![quotient(disc.begin(), SECTOR_BYTES)];
    let (beside, unread) = match find_starts(disc, &mut starts) {
        Ok(beside) => (beside, None),
        Err(error) => (None, Some(error)),
    };
    let numbered = (1u32..).zip(starts);
    let session = |(number, start): (u32, u64)| {
        let at = start.saturating_mul(SECTOR_BYTES);
        Session { number, at, table_at: None }
    };
    Sessions { sessions: numbered.map(session).collect(), beside, unread }
}

/// The sessions of a volume that was added to in place, by the tables it has had; the one session
/// of the disc where it has had no other.
pub(crate) fn by_tables(only: Session, tables: &[u64]) -> Vec<Session> {
    if tables.len() < 2 {
        return vec![only];
    }
    let numbered = (1u32..).zip(tables);
    numbered.map(|(number, at)| Session { number, table_at: Some(*at), ..only }).collect()
}

/// Adds the sectors at which sessions begin, and gives the byte at which a volume of its own does.
fn find_starts(disc: &Disc, starts: &mut Vec<u64>) -> Result<Option<u64>> {
    if starts == &[0] && begins_at(disc, FIRST_BEHIND_COPY)? && is_copy(disc)? {
        *starts = vec![FIRST_BEHIND_COPY];
    }
    while starts.len() < disc.limits().sessions {
        let last = starts.last().copied().unwrap_or(0);
        let Some(next) = next_session(disc, last)? else { break };
        let at = next.saturating_mul(SECTOR_BYTES);
        if counts_from_itself(disc, at) {
            return Ok(Some(at));
        }
        starts.push(next);
    }
    Ok(None)
}

/// The descriptors of the session that begins at a sector.
fn descriptors(disc: &Disc, sector: u64) -> Result<DescriptorSet> {
    let mut set = DescriptorSet::read(disc, sector.saturating_mul(SECTOR_BYTES));
    set.unread.take().map_or(Ok(set), Err)
}

/// Whether the descriptors at the beginning of the image are a copy of later ones: their root
/// then lies behind the session that begins after them.
fn is_copy(disc: &Disc) -> Result<bool> {
    let first = descriptors(disc, 0)?.primary;
    let second = descriptors(disc, FIRST_BEHIND_COPY)?.primary;
    Ok(first.zip(second).is_some_and(|(first, second)| {
        first.root_at >= second.root_at && first.volume_bytes > second.volume_bytes
    }))
}

/// Where the session behind the one at sector `start` begins.
fn next_session(disc: &Disc, start: u64) -> Result<Option<u64>> {
    let sectors = quotient(disc.len(), SECTOR_BYTES);
    for end in ends(disc, start)? {
        let wanted: Vec<u64> =
            candidates(disc, end).filter(|at| *at > start && *at < sectors).collect();
        let window =
            Window::over(disc, &wanted, end.saturating_add(disc.limits().session_gap_sectors));
        for candidate in wanted {
            if head_at(disc, &window, candidate)?.is_some_and(is_first_descriptor) {
                return Ok(Some(candidate));
            }
        }
    }
    Ok(None)
}

/// The bytes in which most candidates of one end lie, read in one piece: behind a volume that its
/// image goes on after there are two dozen.
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The one over the candidates before sector `end`; empty where these are few, or where it
    /// cannot be read whole: what is not in it is looked at by itself.
    fn over(disc: &Disc, candidates: &[u64], end: u64) -> Self {
        const FEW: usize = 3;
        let near =
            || candidates.iter().filter(|sector| **sector < end).map(|sector| first_byte(*sector));
        let (Some(at), Some(last)) = (near().min(), near().max()) else {
            return Self { at: 0, bytes: Vec::new() };
        };
        let end = last.saturating_add(to_u64(HEAD_BYTES)).min(disc.len());
        let mut bytes = Vec::new();
        if near().count() > FEW {
            bytes = zeroed(to_usize(end.saturating_sub(at))).unwrap_or_default();
            if disc.peek(&mut bytes, at).is_err() {
                bytes.clear();
            }
        }
        Self { at, bytes }
    }
}

/// Sectors at which writers let a session begin behind one that ends at sector `end`: there, or
/// behind the two run-out blocks of a track, or at one of the next multiples of 16, or where the
/// gaps of a compact disc end. The second layer of a PS2 DVD begins 16 sectors before.
fn candidates(disc: &Disc, end: u64) -> impl Iterator<Item = u64> {
    const ALIGNMENT: usize = 16;
    let window = end..end.saturating_add(disc.limits().session_gap_sectors);
    let here = [end, end.saturating_add(1), end.saturating_add(2)];
    let layer = end.saturating_sub(SYSTEM_AREA_SECTORS);
    let first = round_up(end, to_u64(ALIGNMENT));
    let aligned = (first..window.end).step_by(ALIGNMENT);
    let gaps = CD_GAPS.into_iter().map(move |gap| end.saturating_add(gap));
    here.into_iter().chain([layer]).chain(aligned).chain(gaps)
}

/// Sectors at which a session may end. Writers count a later session's length from its own
/// beginning, and some from that of the disc.
fn ends(disc: &Disc, start: u64) -> Result<Vec<u64>> {
    let set = descriptors(disc, start)?;
    let sectors = |bytes: u64| quotient(round_up(bytes, SECTOR_BYTES), SECTOR_BYTES);
    let Some(tree) = set.primary.or(set.high_sierra) else {
        // UDF alone: behind its anchor at sector 256 (UDF 2.60 2.2.3). Where nothing
        // begins, nothing ends either, and what lies behind is no later session.
        let is_udf = begins_at(disc, start)?;
        return Ok(is_udf.then(|| start.saturating_add(257)).into_iter().collect());
    };
    let len = sectors(tree.volume_bytes);
    let mut ends = vec![start.saturating_add(len)];
    if len > start.saturating_add(SYSTEM_AREA_SECTORS) && start > 0 {
        ends.push(len);
    }
    Ok(ends)
}

/// Bytes by which a descriptor is known.
const HEAD_BYTES: usize = 7;

/// Where the first descriptor of the session that begins at a sector would stand.
const fn first_byte(sector: u64) -> u64 {
    sector.saturating_add(SYSTEM_AREA_SECTORS).saturating_mul(SECTOR_BYTES)
}

/// Whether a descriptor stands where the first one of a session would.
fn begins_at(disc: &Disc, sector: u64) -> Result<bool> {
    let window = Window { at: 0, bytes: Vec::new() };
    Ok(head_at(disc, &window, sector)?.is_some_and(is_first_descriptor))
}

/// What stands where the first descriptor of a session would, if the image reaches so far.
fn head_at(disc: &Disc, window: &Window, sector: u64) -> Result<Option<[u8; HEAD_BYTES]>> {
    let at = first_byte(sector);
    if at.saturating_add(to_u64(HEAD_BYTES)) > disc.len() {
        return Ok(None);
    }
    let behind = at.checked_sub(window.at).map(to_usize);
    let seen = behind.and_then(|from| window.bytes.get(from..)?.first_chunk());
    if let Some(head) = seen {
        return Ok(Some(*head));
    }
    let mut head = [0; HEAD_BYTES];
    disc.peek(&mut head, at)?;
    Ok(Some(head))
}

fn is_first_descriptor(head: [u8; HEAD_BYTES]) -> bool {
    matches!(head, [1, b'C', b'D', b'0', b'0', b'1', 1 | 2]) || head == *b"\0BEA01\x01"
}
