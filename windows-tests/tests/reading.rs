//! Bytes of files and pages of directories: every border, every size of buffer, many threads.
#![cfg(windows)]

use isodrive_windows_tests::Listed;
use isodrive_windows_tests::setup::mount_image;
use windows_view::Choices;

const END_OF_FILE: u32 = 0xC000_0011;

fn contents(range: std::ops::Range<u64>) -> Vec<u8> {
    range.map(|at| (at % 251) as u8).collect()
}

#[test]
fn reads_end_where_the_file_does() {
    let mounted = mount_image("many.iso", Choices::default());
    let volume = &mounted.volume;
    for size in [0u64, 1, 2047, 2048, 2049, 70_000, 3_000_000] {
        let file = volume.open(&format!("\\size-{size}")).unwrap();
        assert_eq!(file.info.FileSize, size);
        let edges =
            [0, 1, 511, 512, 2047, 2048, 2049, size / 2, size.saturating_sub(1), size, size + 1];
        for offset in edges {
            for len in [1usize, 2, 511, 512, 2048, 4096, 65_536, 1 << 20] {
                let want = contents(offset..size.min(offset + len as u64));
                let want = if offset >= size { Err(END_OF_FILE) } else { Ok(want) };
                assert_eq!(volume.read(&file, offset, len), want, "{len} of {size} at {offset}");
            }
        }
        for offset in [u64::MAX, u64::MAX - 5, i64::MAX as u64] {
            assert_eq!(volume.read(&file, offset, 4096), Err(END_OF_FILE));
        }
        assert_eq!(volume.read(&file, 0, 0), Ok(Vec::new()));
        assert_eq!(volume.read_all(&file, 60_000), Ok(contents(0..size)));
        volume.close(file);
    }
}

#[test]
fn a_directory_is_the_same_through_buffers_of_every_size() {
    let mounted = mount_image("many.iso", Choices::default());
    let volume = &mounted.volume;
    let folder = volume.open("\\many").unwrap();
    let names = |listed: &[Listed]| listed.iter().map(Listed::text).collect::<Vec<_>>();
    let (all, pages) = volume.list(&folder, 1 << 20).unwrap();
    assert_eq!((all.len(), pages), (503, 1));
    let want = names(&all);
    assert_eq!(want[..2], [".", ".."]);
    assert!(all.iter().all(|entry| entry.info.IndexNumber != 0));
    // From the smallest that WinFsp asks with: an entry with a name of 255 units.
    for len in (616..1500).step_by(7).chain([4096, 16_384, 65_536]) {
        let (some, _) = volume.list(&folder, len).unwrap();
        assert_eq!(names(&some), want, "in buffers of {len} bytes");
    }
    // What holds not even one entry is no end.
    let (none, is_last) = volume.page(&folder, None, None, 64).unwrap();
    assert_eq!((none.len(), is_last), (0, false));
    volume.close(folder);

    let root = volume.open("\\").unwrap();
    let listed = names(&volume.list(&root, 4096).unwrap().0);
    assert_eq!(listed.first().map(String::as_str), Some("many"), "no dots in the root");
    volume.close(root);
}

#[test]
fn a_listing_goes_on_behind_any_name_in_any_case() {
    let mounted = mount_image("many.iso", Choices::default());
    let volume = &mounted.volume;
    let folder = volume.open("\\many").unwrap();
    let all = volume.list(&folder, 1 << 20).unwrap().0;
    let behind = |marker: &str| {
        let marker: Vec<u16> = marker.encode_utf16().collect();
        volume.page(&folder, None, Some(&marker), 1 << 20).unwrap().0
    };
    for (at, entry) in all.iter().enumerate() {
        let rest: Vec<_> = behind(&entry.text().to_uppercase()).iter().map(Listed::text).collect();
        let want: Vec<_> = all[at + 1..].iter().map(Listed::text).collect();
        assert_eq!(rest, want, "behind {}", entry.text());
    }
    // A name that is not there has its place all the same.
    let next = behind("file name 123 \u{fff0}").first().map(Listed::text);
    assert_eq!(next.as_deref(), Some("File name 124 \u{e9}\u{4e2d}.bin"));
    volume.close(folder);
}

#[test]
fn one_name_is_looked_up_without_a_listing() {
    let mounted = mount_image("setup.iso", Choices::default());
    let volume = &mounted.volume;
    let root = volume.open("\\").unwrap();
    let look = |name: &str| {
        let name: Vec<u16> = name.encode_utf16().collect();
        volume.page(&root, Some(&name), None, 616).unwrap()
    };
    let (one, is_last) = look("SETUP.exe");
    assert_eq!((one.len(), is_last), (1, true));
    assert_eq!((one[0].text(), one[0].info.FileSize), ("setup.exe".to_owned(), 15_001));
    let (none, is_last) = look("nope");
    assert_eq!((none.len(), is_last), (0, true));
    volume.close(root);
}

#[test]
fn sixteen_threads_get_their_own_bytes_and_the_end_is_clean() {
    let mounted = mount_image("many.iso", Choices::default());
    let volume = &mounted.volume;
    std::thread::scope(|scope| {
        for thread in 0..16u64 {
            scope.spawn(move || {
                for step in 0..200u64 {
                    let file = volume.open("\\size-3000000").unwrap();
                    let offset = (step * 997 + thread * 131_071) % 2_999_000;
                    let want = contents(offset..offset + 1000);
                    assert_eq!(volume.read(&file, offset, 1000), Ok(want));
                    volume.close(file);
                }
                let folder = volume.open("\\many").unwrap();
                assert_eq!(volume.list(&folder, 4096).unwrap().0.len(), 503);
                volume.close(folder);
            });
        }
    });
    // One file stays open, as it does where a program was killed.
    let _left_open = volume.open("\\size-1").unwrap();
    drop(mounted);
}
