//! Directories as the driver lists them: page by page, behind the last name that it was given.
//! Checks on every answer what the driver would trust blindly.

use winfsp_sys::{FSP_FSCTL_DIR_INFO, FSP_FSCTL_FILE_INFO};

use crate::driver::{File, buffer, bytes, on, units};
use crate::queue::{Volume, kind};

/// Bytes that no answer may touch.
const GUARD: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct Listed {
    pub name: Vec<u16>,
    pub info: FSP_FSCTL_FILE_INFO,
}

impl Listed {
    /// The name as text.
    pub fn text(&self) -> String {
        String::from_utf16_lossy(&self.name)
    }
}

impl Volume {
    /// One page of a directory behind `marker`; its entries, and whether it was the last.
    pub fn page(
        &self,
        file: &File,
        name: Option<&[u16]>,
        marker: Option<&[u16]>,
        len: usize,
    ) -> Result<(Vec<Listed>, bool), u32> {
        let mut words = vec![GUARD; len / 8 + 4];
        let name = name.map(bytes).unwrap_or_default();
        let marker = marker.map(bytes).unwrap_or_default();
        let payload = [name.as_slice(), &marker].concat();
        let answer = self.ask(kind::QUERY_DIRECTORY, &payload, |request| unsafe {
            let query = &mut request.Req.QueryDirectory;
            on!(query, file);
            (query.Address, query.Length) = (words.as_mut_ptr() as u64, len as u32);
            query.Pattern = buffer(0, name.len());
            query.Marker = buffer(name.len(), marker.len());
            query.set_PatternIsFileName((!name.is_empty()).into());
        });
        let used = answer.ok()?.head().IoStatus.Information as usize;
        assert!(used <= len, "more than the buffer holds");
        assert!(words[len.div_ceil(8)..].iter().all(|word| *word == GUARD), "behind the buffer");
        let page = unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), used) };
        Ok(entries(page))
    }

    /// A whole directory as the driver pages through it: behind the last name it was given, until
    /// an end mark or an empty page. Also how many pages there were.
    pub fn list(&self, file: &File, len: usize) -> Result<(Vec<Listed>, usize), u32> {
        let mut all: Vec<Listed> = Vec::new();
        for pages in 1.. {
            let last = all.last().map(|entry| entry.name.clone());
            let (page, is_last) = self.page(file, None, last.as_deref(), len)?;
            let is_empty = page.is_empty();
            all.extend(page);
            if is_last || is_empty {
                return Ok((all, pages));
            }
        }
        unreachable!("pages have no end")
    }
}

fn entries(page: &[u8]) -> (Vec<Listed>, bool) {
    let head = size_of::<FSP_FSCTL_DIR_INFO>();
    let mut entries = Vec::new();
    let mut at = 0;
    while let Some([a, b]) = page.get(at..at + 2) {
        let size = usize::from(u16::from_le_bytes([*a, *b]));
        if size < head {
            return (entries, true);
        }
        let info = unsafe { page[at..].as_ptr().cast::<FSP_FSCTL_DIR_INFO>().read_unaligned() };
        let name = units(&page[at + head..at + size]);
        assert!(!name.is_empty() && name.len() <= 255, "a name that the driver would refuse");
        entries.push(Listed { name, info: info.FileInfo });
        at += size.next_multiple_of(8);
    }
    (entries, false)
}
