//! The bytes of a regular file, however the disc holds them: as they are, or packed.
//! Formats make it, everyone else reads through it.

use std::borrow::Cow;

use super::Extents;
use crate::cache::{Disc, Weigh, zeroed};
use crate::error::Result;
use crate::num::{to_u64, to_usize};

/// The bytes of a regular file.
pub enum Data {
    /// They lie on the disc as they are.
    Plain(Extents),
    /// They are worked out from what lies there.
    Decoded(Box<dyn Decode>),
    /// They stand on no disc: what isodrive itself says of it.
    Synthetic(Vec<u8>),
}

/// Bytes that are worked out from those on the disc.
pub trait Decode: Send + Sync {
    /// Bytes of the file.
    fn file_len(&self) -> u64;

    /// Fills `buf` from `offset`; the caller has seen to it that the file reaches that far.
    ///
    /// # Errors
    /// What is wrong with the bytes on the disc, or with reading them.
    fn fill(&self, disc: &Disc, offset: u64, buf: &mut [u8]) -> Result<()>;

    /// Bytes that the value keeps alive, its own included, as for [`Weigh`].
    fn weight_bytes(&self) -> u64;
}

impl Data {
    /// Bytes of the file.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Plain(extents) => extents.len(),
            Self::Decoded(decode) => decode.file_len(),
            Self::Synthetic(bytes) => to_u64(bytes.len()),
        }
    }

    /// True for a file of no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `len` bytes from `offset`: a slice of the image's map where one run of a mapped
    /// image holds them all (hand it to the kernel, do not look at it), else a copy.
    ///
    /// # Errors
    /// `Io` or `Corrupt` where bytes cannot be had.
    pub fn read<'d>(&self, disc: &'d Disc, offset: u64, len: usize) -> Result<Cow<'d, [u8]>> {
        if let Self::Plain(extents) = self {
            return extents.read(disc, offset, len);
        }
        let mut buf = zeroed(to_usize(self.len().saturating_sub(offset)).min(len))?;
        self.read_into(disc, offset, &mut buf)?;
        Ok(Cow::Owned(buf))
    }

    /// Fills `buf` from `offset` as far as the file reaches. Returns how many bytes that were.
    ///
    /// # Errors
    /// `Io` or `Corrupt` where bytes cannot be had.
    pub fn read_into(&self, disc: &Disc, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let len = to_usize(self.len().saturating_sub(offset)).min(buf.len());
        let Some(buf) = buf.get_mut(..len) else { return Ok(0) };
        match self {
            Self::Plain(extents) => return extents.read_into(disc, offset, buf),
            Self::Decoded(decode) => decode.fill(disc, offset, buf)?,
            Self::Synthetic(bytes) => {
                let start = to_usize(offset);
                let wanted = bytes.get(start..start.saturating_add(len)).unwrap_or_default();
                buf.copy_from_slice(wanted);
            }
        }
        Ok(len)
    }
}

impl Weigh for Data {
    fn weight_bytes(&self) -> u64 {
        let held = match self {
            Self::Plain(extents) => extents.weight_bytes(),
            Self::Decoded(decode) => decode.weight_bytes(),
            Self::Synthetic(bytes) => to_u64(bytes.capacity()),
        };
        held.saturating_add(to_u64(size_of::<Self>()))
    }
}
