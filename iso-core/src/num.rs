//! Widening and narrowing of numbers without `as`, in the few shapes the readers need.
//! Touches nothing.

/// A length in memory as a length on disc; every `usize` of a supported machine fits.
#[must_use]
pub(crate) fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A length on disc as a length in memory, capped where memory ends.
#[must_use]
pub(crate) fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

/// The next multiple of `unit` (not zero) at or after `value`, saturating.
#[must_use]
pub(crate) fn round_up(value: u64, unit: u64) -> u64 {
    value.checked_next_multiple_of(unit.max(1)).unwrap_or(u64::MAX)
}

/// `value / unit`, or 0 for a unit of 0.
#[must_use]
pub(crate) fn quotient(value: u64, unit: u64) -> u64 {
    value.checked_div(unit).unwrap_or(0)
}

/// `value % unit`, or 0 for a unit of 0.
#[must_use]
pub(crate) fn remainder(value: u64, unit: u64) -> u64 {
    value.checked_rem(unit).unwrap_or(0)
}
