//! Rock Ridge: what system use entries say of one file (RRIP 1.09 to 1.12).
//! Entries in, one value out; here a name is read from `NM` and a link from `SL`.

use zerocopy::FromBytes;

use super::aaip::AttributeList;
use super::disk::{BinaryTime, Both32, CompressedFile, DecimalTime, DeviceNumber, PosixAttributes};
use super::record::zone_minutes;
use super::susp::Entry;
use crate::limits::Limits;
use crate::time::{Calendar, Timestamp};
use crate::volume::Device;

/// Everything Rock Ridge records of a file.
#[derive(Debug, Default)]
pub(super) struct RockRidge {
    /// `NM`, unless it stands for the directory itself or its parent.
    pub(super) name: Option<Vec<u8>>,
    /// `PX`.
    pub(super) attributes: Option<Attributes>,
    /// `PN`.
    pub(super) device: Option<Device>,
    /// `SL`.
    pub(super) target: Option<Target>,
    /// `CL`: block of the directory that stands elsewhere and belongs here.
    pub(super) child_link: Option<u32>,
    /// `PL`: block of the directory that a relocated one belongs in.
    pub(super) parent_link: Option<u32>,
    /// `RE`: a relocated directory, shown in its true place only.
    pub(super) relocated: bool,
    /// `TF`.
    pub(super) times: Times,
    /// `ZF`: the file is compressed.
    pub(super) compressed: Option<Compressed>,
    /// `SF`: the file has holes.
    pub(super) sparse: bool,
    /// `AL`.
    pub(super) attribute_list: AttributeList,
    /// `AA` or `BA`: type, creator and flags of the Finder.
    pub(super) finder_info: Option<Vec<u8>>,
    /// The medium failed before all was read: there may be more.
    pub(super) is_cut: bool,
    name_continues: bool,
}

/// `PX` (RRIP 4.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// The number of the file behind the name, since RRIP 1.12.
    pub(super) serial: Option<u32>,
}

/// `TF` (RRIP 4.1.6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created: Option<Timestamp>,
    pub(super) modified: Option<Timestamp>,
    pub(super) accessed: Option<Timestamp>,
    pub(super) changed: Option<Timestamp>,
}

/// `ZF` (zisofs format).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Compressed {
    pub(super) is_version_2: bool,
    pub(super) block_size_log2: u8,
    /// Bytes of the file once it is decompressed.
    pub(super) size: u64,
}

/// `SL`: a link's target as far as it was read (RRIP 4.1.3).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: Vec<u8>,
    /// The next component belongs to the last one.
    joins: bool,
    /// It passed a limit or broke a rule, and is not the target the disc meant.
    pub(super) damaged: bool,
}

impl RockRidge {
    /// Takes in one entry; unknown ones are passed over.
    pub(super) fn take(&mut self, entry: Entry<'_>, limits: &Limits) {
        match &entry.signature {
            b"NM" => self.take_name(entry.data, limits),
            b"PX" => self.attributes = self.attributes.or(Attributes::parse(entry.data)),
            b"PN" => self.device = self.device.or(parse_device(entry.data)),
            b"SL" => {
                let target = self.target.get_or_insert_default();
                target.take(entry.data, limits.symlink_bytes);
            }
            b"CL" => self.child_link = self.child_link.or(parse_block(entry.data)),
            b"PL" => self.parent_link = self.parent_link.or(parse_block(entry.data)),
            b"RE" => self.relocated = true,
            b"TF" => self.times.take(entry.data),
            b"ZF" => self.compressed = self.compressed.or(parse_compressed(entry.data)),
            b"SF" => self.sparse = true,
            b"AL" => self.attribute_list.take(entry.data),
            b"AA" | b"BA" => self.take_apple(entry),
            _ => {}
        }
    }

    /// `NM`: a flag byte and a piece of the name (RRIP 4.1.4). A name cut by the limit on names
    /// is still a name; the file stays reachable.
    fn take_name(&mut self, data: &[u8], limits: &Limits) {
        const CONTINUES: u8 = 1;
        const CURRENT: u8 = 1 << 1;
        const PARENT: u8 = 1 << 2;
        let Some((flags, piece)) = data.split_first() else { return };
        if flags & (CURRENT | PARENT) != 0 || (self.name.is_some() && !self.name_continues) {
            return;
        }
        let name = self.name.get_or_insert_default();
        let room = limits.name_bytes.saturating_sub(name.len());
        name.extend_from_slice(piece.get(..room).unwrap_or(piece));
        self.name_continues = flags & CONTINUES != 0;
    }
}

impl RockRidge {
    /// Apple's entries: a system id, then type, creator and flags (Apple ISO 9660 extensions).
    /// `AA` says 2 for files of HFS; the older `BA` says 6.
    fn take_apple(&mut self, entry: Entry<'_>) {
        const FINDER_BYTES: usize = 10;
        let id = if entry.signature == *b"AA" { 2 } else { 6 };
        // Apple's entries have no version: the id stands in its place.
        if entry.version == id {
            let info = entry.data.get(..FINDER_BYTES).unwrap_or(entry.data);
            self.finder_info = self.finder_info.take().or(Some(info.to_vec()));
        }
    }
}

impl Attributes {
    fn parse(data: &[u8]) -> Option<Self> {
        let (px, rest) = PosixAttributes::ref_from_prefix(data).ok()?;
        Some(Self {
            mode: px.mode.get(),
            links: px.links.get(),
            uid: px.uid.get(),
            gid: px.gid.get(),
            serial: Both32::ref_from_prefix(rest).ok().map(|(serial, _)| serial.get()),
        })
    }
}

/// `PN`. Where the high half is unused, the low one holds the whole `dev_t` (RRIP 4.1.2), in the
/// packing of Linux: eight bits each, and what does not fit above them. The Linux driver reads
/// eight bits of the minor number alone.
fn parse_device(data: &[u8]) -> Option<Device> {
    let (number, _) = DeviceNumber::ref_from_prefix(data).ok()?;
    let (high, low) = (number.high.get(), number.low.get());
    Some(if high == 0 && low > 0xFF {
        Device { major: (low >> 8) & 0xFFF, minor: (low & 0xFF) | ((low >> 12) & 0xF_FF00) }
    } else {
        Device { major: high, minor: low }
    })
}

/// The block of a `CL` or `PL` (RRIP 4.1.5.1, 4.1.5.2).
fn parse_block(data: &[u8]) -> Option<u32> {
    Some(Both32::ref_from_prefix(data).ok()?.0.get())
}

/// A `ZF`. The size is 32 bits twice for "pz", 64 bits for "PZ".
fn parse_compressed(data: &[u8]) -> Option<Compressed> {
    let (zf, _) = CompressedFile::ref_from_prefix(data).ok()?;
    let is_version_2 = zf.algorithm == *b"PZ";
    let high = if is_version_2 { zf.size_high.get().swap_bytes() } else { 0 };
    Some(Compressed {
        is_version_2,
        block_size_log2: zf.block_size_log2,
        size: u64::from(zf.size.get()) | u64::from(high) << 32,
    })
}

impl Target {
    /// Adds the components of one `SL`: its flag byte, then flags, length and text of each.
    fn take(&mut self, data: &[u8], max_bytes: usize) {
        const CONTINUES: u8 = 1;
        const CURRENT: u8 = 1 << 1;
        const PARENT: u8 = 1 << 2;
        const ROOT: u8 = 1 << 3;
        let mut rest = data.get(1..).unwrap_or_default();
        while let [flags, len, tail @ ..] = rest {
            let Some((text, after)) = tail.split_at_checked(usize::from(*len)) else {
                self.damaged = true;
                return;
            };
            match *flags & (CURRENT | PARENT | ROOT) {
                // At the beginning it is the root. Writers also use it for what stands between
                // two slashes, and there it is an empty component.
                ROOT => {
                    self.component(b"", false);
                    self.path.push(b'/');
                    self.joins = true;
                }
                CURRENT => self.component(b".", false),
                PARENT => self.component(b"..", false),
                0 => self.component(text, flags & CONTINUES != 0),
                // Two meanings at once are none.
                _ => self.damaged = true,
            }
            // No system can hold it.
            self.damaged |= text.contains(&0);
            if self.path.len() > max_bytes {
                self.path.truncate(max_bytes);
                self.damaged = true;
                return;
            }
            rest = after;
        }
    }

    fn component(&mut self, text: &[u8], continues: bool) {
        if !self.joins && !self.path.is_empty() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(text);
        self.joins = continues;
    }
}

impl Times {
    /// Takes the stamps of one `TF`: a flag byte, then one time per flag in this order.
    fn take(&mut self, data: &[u8]) {
        const LONG_FORM: u8 = 1 << 7;
        let Some((flags, mut stamps)) = data.split_first() else { return };
        let mut next = || {
            if flags & LONG_FORM != 0 {
                let (time, rest) = DecimalTime::ref_from_prefix(stamps).ok()?;
                stamps = rest;
                time.timestamp()
            } else {
                let (time, rest) = BinaryTime::ref_from_prefix(stamps).ok()?;
                stamps = rest;
                time.timestamp()
            }
        };
        let fields = [&mut self.created, &mut self.modified, &mut self.accessed, &mut self.changed];
        for (bit, field) in fields.into_iter().enumerate() {
            if flags.checked_shr(u32::try_from(bit).unwrap_or(0)).unwrap_or(0) & 1 == 1 {
                *field = next().or(*field);
            }
        }
    }
}

impl DecimalTime {
    /// The point in time, or nothing where the digits are no date (all zero means not given).
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        let byte = |digits: [u8; 2]| number(&digits).and_then(|n| u8::try_from(n).ok());
        Calendar {
            year: i64::from(number(&self.year)?),
            month: byte(self.month)?,
            day: byte(self.day)?,
            hour: byte(self.hour)?,
            minute: byte(self.minute)?,
            second: byte(self.second)?,
            nanoseconds: number(&self.hundredths)?.saturating_mul(10_000_000),
            zone_minutes: zone_minutes(self.zone),
        }
        .timestamp()
    }
}

/// The value of decimal digits.
fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&[u8; 2], &[u8])]) -> RockRidge {
        let mut rock_ridge = RockRidge::default();
        for (signature, data) in entries {
            let entry = Entry { signature: **signature, version: 1, data };
            rock_ridge.take(entry, &Limits::default());
        }
        rock_ridge
    }

    #[test]
    fn a_name_goes_on_while_its_flag_says_so() {
        for (pieces, want) in [
            (&[&b"\0abc"[..]][..], Some(&b"abc"[..])),
            (&[b"\x01abc", b"\0def"], Some(b"abcdef")),
            (&[b"\0abc", b"\0def"], Some(b"abc")),
            (&[b"\x02"], None),
            (&[b"\x04"], None),
            (&[b""], None),
        ] {
            let entries: Vec<_> = pieces.iter().map(|data| (b"NM", *data)).collect();
            assert_eq!(parse(&entries).name.as_deref(), want, "{pieces:?}");
        }
    }

    #[test]
    fn a_name_that_never_ends_is_cut_at_the_limit() {
        let piece: &[u8] = &[1; 250];
        let name = parse(&[(b"NM", piece); 10]).name.unwrap();
        assert_eq!(name.len(), Limits::default().name_bytes);
    }

    #[test]
    fn link_targets_are_put_together_from_components_across_entries() {
        for (entries, want) in [
            (&[&b"\0\0\x01a\0\x01b"[..]][..], "a/b"),
            (&[b"\0\x08\0\0\x03etc"], "/etc"),
            (&[b"\0\x04\0\x04\0\0\x01x"], "../../x"),
            (&[b"\0\x02\0\0\x01x"], "./x"),
            (&[b"\x01\x01\x02ab", b"\0\0\x02cd"], "abcd"),
            (&[b"\x01\0\x02ab", b"\0\0\x02cd"], "ab/cd"),
            (&[b"\0\x08\0"], "/"),
            (&[b"\0\0\x01a\x08\0\0\x01b\x08\0\x08\0\0\x01c"], "a//b///c"),
        ] {
            let entries: Vec<_> = entries.iter().map(|data| (b"SL", *data)).collect();
            let target = parse(&entries).target.unwrap();
            assert_eq!(String::from_utf8_lossy(&target.path), want);
            assert!(!target.damaged);
        }
    }

    #[test]
    fn a_link_past_its_entry_or_past_the_limit_is_known_as_damaged() {
        assert!(parse(&[(b"SL", &b"\0\0\x09ab"[..])]).target.unwrap().damaged);
        let mut long = vec![0, 0, 250];
        long.extend([b'x'; 250]);
        let target = parse(&[(b"SL", &long[..]); 20]).target.unwrap();
        assert!(target.damaged);
        assert_eq!(target.path.len(), Limits::default().symlink_bytes);
    }

    #[test]
    fn times_come_in_seven_bytes_or_seventeen_digits() {
        let short = [0b0110, 110, 1, 1, 0, 0, 0, 0, 110, 1, 1, 0, 0, 1, 0];
        let times = parse(&[(b"TF", &short)]).times;
        assert_eq!(times.modified.map(|t| t.seconds), Some(1_262_304_000));
        assert_eq!(times.accessed.map(|t| t.seconds), Some(1_262_304_001));
        assert_eq!((times.created, times.changed), (None, None));

        let long = b"\x822010010101000025\x04";
        let times = parse(&[(b"TF", long)]).times;
        let want = Timestamp { seconds: 1_262_304_000, nanoseconds: 250_000_000 };
        assert_eq!(times.modified, Some(want));
        assert_eq!(parse(&[(b"TF", b"\x820000000000000000\0")]).times, Times::default());
    }

    #[test]
    fn the_serial_number_stands_behind_the_other_attributes_where_there_is_one() {
        let both = |n: u32| [n.to_le_bytes(), n.to_be_bytes()].concat();
        let old = [both(0o100_644), both(2), both(3), both(4)].concat();
        let new = [&old[..], &both(77)].concat();
        let serial = |data: &[u8]| parse(&[(b"PX", data)]).attributes.unwrap().serial;
        assert_eq!((serial(&old), serial(&new)), (None, Some(77)));
    }

    #[test]
    fn device_numbers_come_in_two_halves_or_in_one() {
        let both = |n: u32| [n.to_le_bytes(), n.to_be_bytes()].concat();
        for (high, low, major, minor) in
            [(8, 1, 8, 1), (0, 0x0803, 8, 3), (0, 5, 0, 5), (0, 0x1110_0A70, 10, 70_000)]
        {
            let data = [both(high), both(low)].concat();
            assert_eq!(parse(&[(b"PN", &data)]).device, Some(Device { major, minor }));
        }
    }

    #[test]
    fn apple_gives_type_creator_and_flags_with_a_system_id_where_the_version_would_be() {
        for (signature, version, want) in
            [(b"AA", 2, true), (b"AA", 1, false), (b"BA", 6, true), (b"BA", 2, false)]
        {
            let mut rock_ridge = RockRidge::default();
            let entry = Entry { signature: *signature, version, data: b"TEXTttxt\x01\0" };
            rock_ridge.take(entry, &Limits::default());
            let want = want.then(|| b"TEXTttxt\x01\0".to_vec());
            assert_eq!(rock_ridge.finder_info, want, "{signature:?} {version}");
        }
    }

    #[test]
    fn entries_too_short_for_their_fields_and_unknown_ones_say_nothing() {
        let entries: Vec<_> =
            [b"PX", b"PN", b"CL", b"PL", b"TF", b"ZF", b"AA", b"XY"].map(|s| (s, &b"x"[..])).into();
        let rock_ridge = parse(&entries);
        assert!(rock_ridge.attributes.is_none() && rock_ridge.device.is_none());
        assert!(rock_ridge.child_link.is_none() && rock_ridge.compressed.is_none());
    }
}
