//! The pieces that UDF descriptors are made of: tags with their checksums, extents, names, times.
//! Knows ECMA-167 and UDF 2.60, and nothing of iso-core.

/// Bytes of a logical block.
pub const BLOCK: usize = 2048;

/// Makes the checksum and the CRC of a descriptor right again after its bytes were changed.
pub fn retag(descriptor: &mut [u8]) {
    let len = usize::from(u16::from_le_bytes([descriptor[10], descriptor[11]]));
    let end = (16 + len).min(descriptor.len());
    let crc = crc(&descriptor[16..end]).to_le_bytes();
    descriptor[8..10].copy_from_slice(&crc);
    descriptor[4] = 0;
    descriptor[4] = descriptor[..16].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
}

/// A name in OSTA CS0 (UDF 2.60 2.1.1).
pub fn cs0(name: &str) -> Vec<u8> {
    match name {
        "" => Vec::new(),
        _ if name.chars().all(|c| (c as u32) < 256) => {
            std::iter::once(8).chain(name.chars().map(|c| c as u8)).collect()
        }
        _ => std::iter::once(16).chain(name.encode_utf16().flat_map(u16::to_be_bytes)).collect(),
    }
}

/// A file identifier descriptor of a name (ECMA-167 4/14.4).
pub fn identifier(name: &str, characteristics: u8, icb: &[u8]) -> Vec<u8> {
    identifier_of(&cs0(name), characteristics, icb)
}

/// A file identifier descriptor of a name as it lies on the disc.
pub fn identifier_of(cs0: &[u8], characteristics: u8, icb: &[u8]) -> Vec<u8> {
    let mut body = vec![1, 0, characteristics, cs0.len() as u8];
    body.extend(icb);
    body.extend([0, 0]);
    body.extend(cs0);
    body.resize((body.len() + 16).next_multiple_of(4) - 16, 0);
    tagged(257, 0, &body)
}

/// An ICB tag (ECMA-167 4/14.6).
pub fn icb_tag(strategy: u16, file_type: u8, flags: u16) -> Vec<u8> {
    let parameter = u16::from(strategy == 4096);
    let entries = if strategy == 4096 { 2u16 } else { 1 };
    let mut tag = vec![0; 4];
    tag.extend(strategy.to_le_bytes());
    tag.extend(parameter.to_le_bytes());
    tag.extend(entries.to_le_bytes());
    tag.extend([0, file_type, 0, 0, 0, 0, 0, 0]);
    tag.extend(flags.to_le_bytes());
    tag
}

/// An extended attribute space with Finder information (UDF 2.60 3.3.4.5.4.2).
pub fn finder_attribute(info: &[u8; 32]) -> Vec<u8> {
    let mut used = vec![0; 8];
    used.extend(info);
    used.resize(8 + 32 + 8, 0);
    let mut attribute = 2048u32.to_le_bytes().to_vec();
    attribute.extend([1, 0, 0, 0]);
    attribute.extend(le(12 + 4 + 32 + used.len()));
    attribute.extend(le(used.len()));
    attribute.extend(entity("*UDF Mac FinderInfo", &[]));
    attribute.extend(used);
    let head = [le(24), le(24 + attribute.len())].concat();
    [tagged(262, 0, &head)[..24].to_vec(), attribute].concat()
}

/// A descriptor: its tag with checksum and CRC, then its body.
pub fn tagged(id: u16, location: usize, body: &[u8]) -> Vec<u8> {
    let mut tag = id.to_le_bytes().to_vec();
    tag.extend([3, 0, 0, 0, 0, 0]);
    tag.extend(crc(body).to_le_bytes());
    tag.extend((body.len() as u16).to_le_bytes());
    tag.extend(le(location));
    tag[4] = tag.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [tag, body.to_vec()].concat()
}

/// CRC-CCITT, bit by bit.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}

/// A 32-bit number.
pub fn le(number: usize) -> Vec<u8> {
    (number as u32).to_le_bytes().to_vec()
}

/// An extent descriptor (ECMA-167 3/7.1).
pub fn extent(blocks: usize, start: usize) -> Vec<u8> {
    [le(blocks * BLOCK), le(start)].concat()
}

/// A short allocation descriptor (ECMA-167 4/14.14.1).
pub fn short_ad(len: usize, block: usize) -> Vec<u8> {
    [le(len), le(block)].concat()
}

/// A long allocation descriptor (ECMA-167 4/14.14.2).
pub fn long_ad(len: usize, block: usize, map: u16) -> Vec<u8> {
    [le(len), le(block), map.to_le_bytes().to_vec(), vec![0; 6]].concat()
}

/// 2010-01-01 00:00:00 UTC.
pub fn time() -> Vec<u8> {
    vec![0, 0x10, 0xDA, 7, 1, 1, 0, 0, 0, 0, 0, 0]
}

/// A character set specification (ECMA-167 1/7.2.1).
pub fn charset() -> Vec<u8> {
    let mut field = b"\0OSTA Compressed Unicode".to_vec();
    field.resize(64, 0);
    field
}

/// A string of a fixed width (ECMA-167 1/7.2.12).
pub fn dstring(text: &str, width: usize) -> Vec<u8> {
    let mut field = [&[8], text.as_bytes()].concat();
    let len = field.len() as u8;
    field.resize(width - 1, 0);
    field.push(len);
    field
}

/// An entity identifier (ECMA-167 1/7.4).
pub fn entity(name: &str, suffix: &[u8]) -> Vec<u8> {
    let mut field = [&[0], name.as_bytes()].concat();
    field.resize(24, 0);
    field.extend(suffix);
    field.resize(32, 0);
    field
}

/// The domain of UDF (UDF 2.60 2.1.5.2).
pub fn domain() -> Vec<u8> {
    entity("*OSTA UDF Compliant", &[0x50, 2, 3])
}
