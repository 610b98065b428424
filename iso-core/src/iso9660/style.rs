//! Which names of an ISO 9660 volume are shown.
//! Values only.

/// Which names of an ISO 9660 volume are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameStyle {
    /// The identifiers of the primary tree.
    Plain,
    /// The primary tree with the names and attributes of Rock Ridge.
    RockRidge,
    /// The Unicode identifiers of a Joliet tree.
    Joliet,
    /// The long identifiers of an enhanced tree (ISO 9660:1999).
    Enhanced,
    /// The identifiers of a High Sierra tree.
    HighSierra,
}

impl NameStyle {
    /// The file system by the name that people know it by.
    pub(super) const fn system(self) -> &'static str {
        match self {
            Self::Plain => "ISO 9660",
            Self::RockRidge => "ISO 9660 + Rock Ridge",
            Self::Joliet => "ISO 9660 + Joliet",
            Self::Enhanced => "ISO 9660:1999",
            Self::HighSierra => "High Sierra",
        }
    }
}
