//! A cache bounded by the weight of what it holds, not by the number of entries.
//! Forgets the least recently used first; knows nothing of discs.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::num::to_u64;

/// How many bytes a cached value keeps alive.
pub trait Weigh {
    /// Bytes, allocations included.
    fn weight_bytes(&self) -> u64;
}

impl Weigh for [u8] {
    fn weight_bytes(&self) -> u64 {
        to_u64(self.len())
    }
}

/// Shared values by key, at most `max_bytes` of them (or one, if one alone is heavier).
pub struct WeightedCache<K: Hash + Eq, V: Weigh + ?Sized> {
    held: Mutex<Held<K, V>>,
    max_bytes: u64,
}

struct Held<K: Hash + Eq, V: ?Sized> {
    values: LruCache<K, Arc<V>>,
    bytes: u64,
}

impl<K: Hash + Eq, V: Weigh + ?Sized> Held<K, V> {
    /// Forgets the least recently used values while there are more bytes, and more values.
    fn shrink_to(&mut self, max_bytes: u64, values: usize) {
        while self.bytes > max_bytes && self.values.len() > values {
            let Some((_, old)) = self.values.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(old.weight_bytes());
        }
    }
}

impl<K: Hash + Eq, V: Weigh + ?Sized> WeightedCache<K, V> {
    /// An empty cache.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        Self { held: Mutex::new(Held { values: LruCache::unbounded(), bytes: 0 }), max_bytes }
    }

    /// The value of `key`, now the most recently used.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values.get(key).cloned()
    }

    /// Keeps `value` under `key` and forgets old values until the weight fits again.
    pub fn put(&self, key: K, value: Arc<V>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes = held.bytes.saturating_add(value.weight_bytes());
        if let Some((_, old)) = held.values.push(key, value) {
            held.bytes = held.bytes.saturating_sub(old.weight_bytes());
        }
        held.shrink_to(self.max_bytes, 1);
    }

    /// Forgets old values until one of this weight fits.
    pub fn make_room(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.shrink_to(self.max_bytes.saturating_sub(bytes), 0);
    }

    /// The value of `key`, made and kept if it is not there. No lock is held while it is made,
    /// so two threads may make it at once and one result is dropped.
    ///
    /// # Errors
    /// What `make` said.
    pub fn get_or_make<E>(
        &self,
        key: K,
        make: impl FnOnce() -> Result<Arc<V>, E>,
    ) -> Result<Arc<V>, E> {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        let value = make()?;
        self.put(key, value.clone());
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: usize) -> Arc<[u8]> {
        vec![0; n].into()
    }

    #[test]
    fn the_least_recently_used_goes_first_once_the_weight_is_reached() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(100);
        cache.put(1, bytes(40));
        cache.put(2, bytes(40));
        assert!(cache.get(&1).is_some(), "used again, so 2 is the oldest now");
        cache.put(3, bytes(40));
        assert!(cache.get(&2).is_none());
        assert!(cache.get(&1).is_some() && cache.get(&3).is_some());
    }

    #[test]
    fn a_value_put_twice_weighs_once_and_one_giant_is_kept() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(100);
        for _ in 0..10 {
            cache.put(1, bytes(60));
        }
        cache.put(2, bytes(40));
        assert!(cache.get(&1).is_some() && cache.get(&2).is_some());
        cache.put(3, bytes(1000));
        assert!(cache.get(&3).is_some() && cache.get(&1).is_none());
    }

    #[test]
    fn room_is_made_before_a_giant_comes() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(100);
        cache.put(1, bytes(40));
        cache.put(2, bytes(40));
        cache.make_room(50);
        assert!(cache.get(&1).is_none() && cache.get(&2).is_some());
        cache.make_room(1000);
        assert!(cache.get(&2).is_none());
    }

    #[test]
    fn what_failed_is_made_again() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(100);
        assert_eq!(cache.get_or_make(1, || Err("no")).unwrap_err(), "no");
        assert_eq!(cache.get_or_make(1, || Ok::<_, &str>(bytes(3))).unwrap().len(), 3);
        assert_eq!(cache.get_or_make(1, || Err("kept")).unwrap().len(), 3);
    }
}
