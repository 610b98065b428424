//! Whether records of odd lengths are the way of a writer, who leaves out the byte that makes them
//! even (ECMA-119 9.1.12), or damage. Looks at records only.

use super::disk::DirectoryRecord;
use super::record::Record;
use crate::error::Site;

/// What the records of a directory say about padding.
#[derive(Debug, Default)]
pub(super) struct Padding {
    /// A record has the byte.
    is_known: bool,
    /// The first record that lacks it, and the first of an odd length that it would not make even.
    lacking: Option<Site>,
    odd: Option<Site>,
}

impl Padding {
    /// Looks at one record.
    pub(super) fn look(&mut self, record: &Record<'_>) {
        let len = usize::from(record.head.len_dr);
        let name_end = size_of::<DirectoryRecord>().saturating_add(record.identifier.len());
        let needs_padding = !name_end.is_multiple_of(2);
        if len.is_multiple_of(2) {
            self.is_known |= needs_padding;
        } else if needs_padding && len == name_end {
            self.lacking = self.lacking.or(Some(record.site()));
        } else {
            self.odd = self.odd.or(Some(record.site()));
        }
    }

    /// The record whose odd length is no writer's way, if there is one.
    pub(super) fn damaged(&self) -> Option<Site> {
        self.odd.or(self.lacking.filter(|_| self.is_known))
    }
}

#[cfg(test)]
#[expect(clippy::as_conversions, reason = "records built by hand in bytes")]
mod tests {
    use super::super::record::Form;
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn records_of_odd_lengths_are_sound_where_all_names_lack_their_padding() {
        let padded = record(b"AB", b"");
        let bare = padded[..padded.len() - 1].to_vec();
        let resized = |name: &[u8], by: i8| {
            let mut bytes = record(name, b"");
            bytes.push(0);
            bytes[0] = bytes[0].wrapping_add_signed(by);
            bytes
        };
        let bare = [vec![bare.len() as u8], bare[1..].to_vec()].concat();
        for (records, want) in [
            (vec![bare.clone(), record(b"ABC", b""), bare.clone()], false),
            (vec![bare, padded.clone()], true),
            (vec![padded.clone(), record(b"ABC", b"")], false),
            (vec![resized(b"ABC", 1)], true),
        ] {
            let mut padding = Padding::default();
            for bytes in &records {
                padding.look(&Record::parse(bytes, 0, Form::Iso9660).unwrap());
            }
            assert_eq!(padding.damaged().is_some(), want, "{records:?}");
        }
    }
}
