//! What was found out last: a node is asked for its attributes, its bytes and its extended
//! attributes one after the other. Holds one value under one key, and looks nothing up itself.

use std::sync::{Mutex, PoisonError};

use crate::error::Result;

/// The value that was found last, and under which key.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    last: Mutex<Option<(K, V)>>,
}

impl<K, V> Default for Recent<K, V> {
    fn default() -> Self {
        Self { last: Mutex::new(None) }
    }
}

impl<K: PartialEq, V: Clone> Recent<K, V> {
    /// The value under a key, looked up by `find` where it was not the last one. An error is not
    /// kept, nor a value that does not last: the medium may answer better the next time.
    pub(super) fn get(
        &self,
        key: K,
        lasts: impl FnOnce(&V) -> bool,
        find: impl FnOnce() -> Result<V>,
    ) -> Result<V> {
        let lock = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, value)) = lock().as_ref().filter(|(last, _)| *last == key) {
            return Ok(value.clone());
        }
        // Unlocked: looking up may read from a slow medium.
        let value = find()?;
        if lasts(&value) {
            *lock() = Some((key, value.clone()));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn one_lasting_value_is_kept_and_no_error() {
        let recent = Recent::default();
        let looked_up = |key, lasts, value: Result<u8>| recent.get(key, |_| lasts, || value);
        assert!(looked_up(1, true, Err(Error::NotDirectory)).is_err());
        assert_eq!(looked_up(1, false, Ok(10)).unwrap(), 10);
        assert_eq!(looked_up(1, true, Ok(11)).unwrap(), 11);
        assert_eq!(looked_up(1, true, Err(Error::NotDirectory)).unwrap(), 11);
        assert_eq!(looked_up(2, true, Ok(20)).unwrap(), 20);
        assert_eq!(looked_up(1, true, Ok(12)).unwrap(), 12);
    }
}
