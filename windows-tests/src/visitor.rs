//! Another program that uses the drive of this process, which no other can see.

use std::time::Duration;

use crate::queue::try_newest_volume;

/// Names a file to read, and says for how many milliseconds to keep it open: `3000 \setup.exe`.
pub const VISIT: &str = "ISODRIVE_TEST_VISIT";

/// Visits the first drive that this process makes, where the environment says so.
pub fn start() {
    let Ok(visit) = std::env::var(VISIT) else { return };
    let (time, path) = visit.split_once(' ').expect("milliseconds and a path");
    let time = Duration::from_millis(time.parse().expect("milliseconds"));
    let path = path.to_owned();
    std::thread::spawn(move || {
        let volume = loop {
            match try_newest_volume() {
                Some(volume) => break volume,
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let file = volume.open(&path).expect("the file to visit");
        assert!(!volume.read(&file, 0, 16).expect("its bytes").is_empty());
        std::thread::sleep(time);
        volume.close(file);
    });
}
