//! Who may do what with the files of a disc: everybody may read and run, nobody may write.
//! One descriptor for all of them, put together from its parts (MS-DTYP 2.4.6).

/// Read and execute: `FILE_GENERIC_READ | FILE_GENERIC_EXECUTE`.
const READ_AND_EXECUTE: u32 = 0x0012_00A9;

/// Self-relative, with a DACL that inherits nothing.
const CONTROL: u16 = 0x8000 | 0x1000 | 0x0004;

/// `S-1-5-18`, the system itself. Never the administrators: an owner may change who may do what.
const SYSTEM: &[u32] = &[5, 18];

/// `S-1-3-4`, the owner, who without an entry of its own may change who may do what: WinFsp would
/// grant that to a service of the system that asks for all it may have, and so refuse its opening.
const OWNER: &[u32] = &[3, 4];

/// `S-1-1-0`, everybody.
const EVERYBODY: &[u32] = &[1, 0];

/// `S-1-15-2-1` and `S-1-15-2-2`, programs in app containers.
const APP_CONTAINERS: &[u32] = &[15, 2, 1];
const RESTRICTED_APP_CONTAINERS: &[u32] = &[15, 2, 2];

/// The self-relative descriptor
/// `O:SYG:SYD:P(A;;FRFX;;;OW)(A;;FRFX;;;WD)(A;;FRFX;;;AC)(A;;FRFX;;;S-1-15-2-2)`.
///
/// Small on purpose: WinFsp asks again and again for a descriptor of more than 1024 bytes, since
/// crate `winfsp` does not tell it the size that is needed.
#[must_use]
pub fn everybody_reads() -> Vec<u8> {
    let owner = sid(SYSTEM);
    let aces: Vec<u8> = [OWNER, EVERYBODY, APP_CONTAINERS, RESTRICTED_APP_CONTAINERS]
        .into_iter()
        .flat_map(|who| allow(&sid(who)))
        .collect();
    let header = 20usize;
    let group_at = header.saturating_add(owner.len());
    let list_at = group_at.saturating_add(owner.len());
    let offset = |at: usize| u32::try_from(at).unwrap_or(0).to_le_bytes();
    let mut descriptor = vec![1, 0];
    descriptor.extend(CONTROL.to_le_bytes());
    descriptor.extend([offset(header), offset(group_at), offset(0), offset(list_at)].concat());
    descriptor.extend([owner.as_slice(), &owner].concat());
    let size = short(aces.len().saturating_add(8));
    let [low, high] = size.to_le_bytes();
    descriptor.extend([2, 0, low, high, 4, 0, 0, 0]);
    descriptor.extend(aces);
    descriptor
}

/// A security identifier of an authority and what stands below it (MS-DTYP 2.4.2.2).
fn sid(parts: &[u32]) -> Vec<u8> {
    let (authority, below) = parts.split_first().unwrap_or((&0, &[]));
    let count = u8::try_from(below.len()).unwrap_or(0);
    let mut sid = vec![1, count, 0, 0];
    sid.extend(authority.to_be_bytes());
    sid.extend(below.iter().flat_map(|part| part.to_le_bytes()));
    sid
}

/// An entry that allows reading and executing (MS-DTYP 2.4.4.2).
fn allow(who: &[u8]) -> Vec<u8> {
    let [low, high] = short(who.len().saturating_add(8)).to_le_bytes();
    let mut entry = vec![0, 0, low, high];
    entry.extend(READ_AND_EXECUTE.to_le_bytes());
    entry.extend(who);
    entry
}

fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_descriptor_is_small_and_says_what_it_should() {
        let bytes = everybody_reads();
        assert_eq!(bytes.len(), 20 + 12 + 12 + 8 + 20 + 20 + 24 + 24);
        assert_eq!(bytes[..4], [1, 0, 0x04, 0x90]);
        assert_eq!(bytes[4..20], [20, 0, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 44, 0, 0, 0]);
        assert_eq!(bytes[20..32], [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0]);
        assert_eq!(bytes[44..52], [2, 0, 96, 0, 4, 0, 0, 0]);
        assert_eq!(bytes[52..60], [0, 0, 20, 0, 0xA9, 0, 0x12, 0]);
    }
}
