//! Values of isodrive's own in this user's registry, among values of others: written where nobody
//! else's stands, and taken away with the keys that are empty then. Knows not what they mean.

use mount_winfsp::shell::remove_key;
use windows_registry::{CURRENT_USER, Key, Result, Type};

/// The key above all of ours: it and what is above it is never removed.
const ROOT: &str = "Software\\Classes";

/// `HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND)`: no such key or value.
const NOT_FOUND: u32 = 0x8007_0002;

/// `HRESULT_FROM_WIN32(ERROR_KEY_DELETED)`: somebody removed the key that is open.
const KEY_DELETED: u32 = 0x8007_03FA;

/// How often a key is made anew that somebody else removes in the same moment.
const ATTEMPTS: usize = 10;

/// A value of isodrive's own.
#[derive(Debug)]
pub(super) struct Own {
    /// Its key, below the user's part.
    pub(super) key: String,
    /// Its name; empty for the one without a name.
    pub(super) name: &'static str,
    pub(super) kind: Type,
    pub(super) text: String,
    /// Whether a text is one that some version of isodrive, in some folder, wrote here.
    pub(super) is_ours: fn(&str) -> bool,
}

/// What stands where a value of ours should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Ours,
    /// Another's text.
    Text(String),
    /// Another's, and no text.
    Else,
}

impl Own {
    /// Looks at what is there.
    pub(super) fn found(&self) -> Result<Found> {
        let value = match CURRENT_USER.open(&self.key).and_then(|key| key.get_value(self.name)) {
            Ok(value) => value,
            Err(error) if error.code().0.cast_unsigned() == NOT_FOUND => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let kind = value.ty();
        Ok(match String::try_from(value) {
            // No text, or one with bytes that are none.
            Err(_) => Found::Else,
            // Windows takes both kinds of text; we write one.
            Ok(text) if kind != self.kind => Found::Text(text),
            Ok(text) if (self.is_ours)(&text) => Found::Ours,
            // Who empties a value has taken it back.
            Ok(text) if text.is_empty() => Found::Nothing,
            Ok(text) => Found::Text(text),
        })
    }

    /// Writes the value, unless another's stands there. What was there before.
    pub(super) fn write(&self) -> Result<Found> {
        let found = self.found()?;
        if matches!(found, Found::Nothing | Found::Ours) {
            self.set_in(&CURRENT_USER.create(&self.key)?)?;
        }
        Ok(found)
    }

    /// The same with keys that are gone when the user logs off, from below `lasting` on. That key
    /// and those above it are made to last: others could write nothing that lasts below keys that
    /// do not.
    pub(super) fn write_for_session(&self, lasting: &str) -> Result<Found> {
        let found = self.found()?;
        let Some(rest) = self.key.strip_prefix(lasting).and_then(|rest| rest.strip_prefix('\\'))
        else {
            return Ok(found);
        };
        if found != Found::Nothing {
            return Ok(found);
        }
        // An empty key that is there already lasts, and so would a value in it.
        prune(&self.key, |path| path.len() > lasting.len());
        let mut done = Ok(());
        for _ in 0..ATTEMPTS {
            done = CURRENT_USER.create(lasting).and_then(|above| {
                let mut options = above.options();
                let key = options.read().write().create().volatile().open(rest)?;
                self.set_in(&key)
            });
            match &done {
                Err(error) if error.code().0.cast_unsigned() == KEY_DELETED => {}
                _ => break,
            }
        }
        done.map(|()| found)
    }

    fn set_in(&self, key: &Key) -> Result<()> {
        key.set_bytes(self.name, self.kind, &bytes(&self.text))
    }

    /// Takes the value away if it is ours, and then every key above it that is empty. What was
    /// there before.
    pub(super) fn remove(&self) -> Result<Found> {
        let found = self.found()?;
        if found == Found::Ours {
            CURRENT_USER.options().write().open(&self.key)?.remove_value(self.name)?;
        }
        match found {
            Found::Ours => prune(&self.key, |_| true),
            // Ours may be gone by another's hand, and the keys that bear our name still there.
            Found::Nothing => prune(&self.key, |path| path.contains("isodrive")),
            Found::Text(_) | Found::Else => {}
        }
        Ok(found)
    }
}

/// A text as the registry keeps it: 16-bit units with a zero behind them.
fn bytes(text: &str) -> Vec<u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
}

/// Removes a key and those above it, as far as they hold nothing and `may_go`.
fn prune(key: &str, may_go: impl Fn(&str) -> bool) {
    let mut path = key;
    while path.len() > ROOT.len() && may_go(path) {
        // Above one that is gone already there may be others that are empty now.
        if let Ok(key) = CURRENT_USER.open(path)
            && (!is_empty(&key) || remove_key(path).is_err())
        {
            return;
        }
        let Some((above, _)) = path.rsplit_once('\\') else { return };
        path = above;
    }
}

/// Whether a key holds neither values nor keys; `false` if that cannot be found out.
fn is_empty(key: &Key) -> bool {
    let has_values = key.values().map_or(true, |mut values| values.next().is_some());
    let has_keys = key.keys().map_or(true, |mut keys| keys.next().is_some());
    !has_values && !has_keys
}
