//! What every test needs: the DLL, an image opened and mounted on the imitation, upper case as
//! Windows has it. Finds things by environment variables that `cargo xtask windows` sets.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iso_core::serving::Activity;
use iso_core::{Image, Limits, Options, View, source};
use mount_winfsp::{Drive, MountError, Mounting, Place};
use windows_view::{Choices, Tree, VolumeLook};

use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};

use crate::queue::{Volume, newest_volume};

/// The folder with the images of the tests.
pub fn images() -> PathBuf {
    variable("ISODRIVE_TEST_IMAGES")
}

/// Puts the imitation under the real DLL.
pub fn install() {
    crate::install(&variable("ISODRIVE_WINFSP_DLL"));
}

fn variable(name: &str) -> PathBuf {
    let value = std::env::var_os(name).unwrap_or_else(|| panic!("{name} is not set"));
    PathBuf::from(value)
}

/// A mounted image: the drive as a program has it, and the driver's side of it.
pub struct Mounted {
    pub drive: Drive,
    pub volume: Arc<Volume>,
    pub tree: Arc<Tree>,
    pub look: VolumeLook,
}

/// Opens an image and shows it as `view`, or as isodrive chooses.
pub fn open(
    image: &Path,
    view: Option<View>,
    options: &Options,
) -> iso_core::Result<(View, Arc<dyn iso_core::Volume>)> {
    let source = source::open_path(image).unwrap_or_else(|e| panic!("{}: {e}", image.display()));
    let image = Image::open_with(source, Limits::default(), options)?;
    let shown = image.choose(view)?;
    Ok((shown.view, shown.volume))
}

/// How tests mount where nothing else matters.
pub fn mounting(place: Place) -> Mounting {
    Mounting {
        place,
        global: false,
        system: "UDF".to_owned(),
        network: None,
        threads: 0,
        has_streams: false,
        appearing: None,
        counts_handles: false,
    }
}

/// Mounts a volume on the imitation.
pub fn mount(
    volume: Arc<dyn iso_core::Volume>,
    view: View,
    choices: Choices,
    mounting: &Mounting,
) -> Mounted {
    try_mount(volume, view, choices, mounting).expect("a drive")
}

/// As [`mount`], where that may be refused.
pub fn try_mount(
    volume: Arc<dyn iso_core::Volume>,
    view: View,
    choices: Choices,
    mounting: &Mounting,
) -> Result<Mounted, MountError> {
    install();
    // The newest volume is ours only while nobody else makes one.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn: MutexGuard<'_, ()> = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let look = VolumeLook::of(&*volume, view);
    let mounting = Mounting { has_streams: choices.zone.is_some(), ..mounting.clone() };
    let tree = Arc::new(Tree::new(volume, choices));
    let activity = Arc::new(Activity::default());
    let drive = Drive::mount(tree.clone(), look.clone(), activity, &mounting)?;
    Ok(Mounted { drive, volume: newest_volume(), tree, look })
}

/// Mounts an image of the tests at a free letter.
pub fn mount_image(name: &str, choices: Choices) -> Mounted {
    let (view, volume) = open(&images().join(name), None, &Options::default()).unwrap();
    mount(volume, view, choices, &mounting(Place::FirstFree))
}

/// A name in upper case by the table that the driver uses.
pub fn upper(name: &[u16]) -> Vec<u16> {
    name.iter().map(|unit| RtlUpcaseUnicodeChar(*unit)).collect()
}

#[link(name = "ntdll")]
unsafe extern "system" {
    safe fn RtlUpcaseUnicodeChar(unit: u16) -> u16;
}

/// The self-relative security descriptor that Windows makes of its text.
pub fn descriptor(text: &str) -> Vec<u8> {
    let text = mount_winfsp::system::wide(text);
    let (mut made, mut len) = (std::ptr::null_mut(), 0);
    unsafe {
        let done = ConvertStringSecurityDescriptorToSecurityDescriptorW(
            text.as_ptr(),
            SDDL_REVISION_1,
            &mut made,
            &mut len,
        );
        assert_ne!(done, 0);
        std::slice::from_raw_parts(made.cast::<u8>(), len as usize).to_vec()
    }
}
