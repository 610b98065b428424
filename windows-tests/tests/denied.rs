//! Parts of the user's registry to which somebody keeps the user from writing.
#![cfg(windows)]

use isodrive_windows_tests::session::{Session, real, said};
use isodrive_windows_tests::setup::descriptor;
use windows_registry::{CURRENT_USER, Key};
use windows_sys::Win32::Security::DACL_SECURITY_INFORMATION;
use windows_sys::Win32::System::Registry::{KEY_READ, RegSetKeySecurity};

const WRITE_DAC: u32 = 0x4_0000;

const UDF: &str = "Software\\Classes\\.udf";
const VERB: &str = "Software\\Classes\\Drive\\shell\\isodrive.eject";

/// Lets everybody have these rights to a key.
fn allow(key: &Key, rights: &str) {
    let mut descriptor = descriptor(&format!("D:P(A;;{rights};;;WD)"));
    let descriptor = descriptor.as_mut_ptr().cast();
    let code = unsafe { RegSetKeySecurity(key.as_raw(), DACL_SECURITY_INFORMATION, descriptor) };
    assert_eq!(code, 0);
}

#[test]
fn a_key_that_cannot_be_written_is_named_and_costs_no_other() {
    let session = Session::new("denied", env!("CARGO_BIN_EXE_simulated"));
    session.run_of(&real(), &["setup", "remove"]);
    let keys = [UDF, VERB].map(|path| {
        CURRENT_USER.create(path).unwrap();
        let key = CURRENT_USER.options().access(KEY_READ | WRITE_DAC).open(path).unwrap();
        allow(&key, "KR");
        key
    });
    let installed = session.run_of(&real(), &["setup", "install"]);
    let text = |place: &str| {
        CURRENT_USER.open(format!("Software\\Classes\\{place}")).and_then(|key| key.get_string(""))
    };
    // Before those in the order of writing, between them, and behind them.
    let verb = text("SystemFileAssociations\\.iso\\shell\\isodrive.mount");
    let cdr = text(".cdr");
    keys.iter().for_each(|key| allow(key, "KA"));
    let removed = session.run_of(&real(), &["setup", "remove"]);
    let _ = CURRENT_USER.remove_tree("Software\\Classes\\.udf");
    let _ = CURRENT_USER.remove_tree("Software\\Classes\\Drive");

    assert_eq!(installed.status.code(), Some(1), "{}", said(&installed));
    let why = said(&installed);
    let first = "error: Explorer does not get all verbs: not all of the registry can be written\n";
    assert!(why.starts_with(first), "{why}");
    for place in [
        ".udf: (Default): ",
        "Drive\\shell\\isodrive.eject: AppliesTo: ",
        "Drive\\shell\\isodrive.eject: (Default): ",
    ] {
        let line = format!("failed  HKEY_CURRENT_USER\\Software\\Classes\\{place}");
        assert!(why.contains(&line), "{line}: {why}");
    }
    // Wine lets a key below be made, Windows does not.
    assert!((3..=4).contains(&why.matches("failed  ").count()), "{why}");
    assert_eq!(verb.unwrap(), "Mount with isodrive");
    assert_eq!(cdr.unwrap(), "isodrive.image");
    assert!(removed.status.success(), "{}", said(&removed));
}
