//! A cache bounded by the weight of what it holds, not by the number of entries.
//! Evicts the least recently used first; knows nothing of discs.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use crate::num::to_u64;

/// How many bytes a cached value keeps alive.
pub trait Weigh {
    /// Bytes of the value itself and of every allocation that it owns, or shares with others.
    fn weight_bytes(&self) -> u64;
}

impl Weigh for [u8] {
    fn weight_bytes(&self) -> u64 {
        to_u64(self.len())
    }
}

/// Bytes that an entry takes beside its key and its value: a node of the list, a slot of the hash
/// table (which is less than half full when it has just grown), the counters of the `Arc`, and what
/// the allocator adds to both allocations. `iso-core/tests/heap.rs` compares it with a real heap.
const ENTRY_BYTES: u64 = 144;

/// Fewest slots of a hash table that is worth shrinking.
const LARGE_TABLE: usize = 256;

/// Shared values by key, at most `max_bytes` of them (or one, if one alone is heavier).
pub struct WeightedCache<K: Hash + Eq, V: Weigh + ?Sized> {
    held: Mutex<Held<K, V>>,
    max_bytes: u64,
}

struct Held<K: Hash + Eq, V: ?Sized> {
    /// Each value with its weight when it was put in.
    values: LruCache<K, (Arc<V>, u64)>,
    bytes: u64,
    /// The most values there were since the hash table was made as small as it can be.
    most: usize,
}

impl<K: Hash + Eq, V: Weigh + ?Sized> Held<K, V> {
    /// Evicts the least recently used values while there are more bytes, and more values.
    fn shrink_to(&mut self, max_bytes: u64, values: usize) {
        self.most = self.most.max(self.values.len());
        while self.bytes > max_bytes && self.values.len() > values {
            let Some((_, (_, weight))) = self.values.pop_lru() else { break };
            self.bytes = self.bytes.saturating_sub(weight);
        }
        // The table keeps the size that it once needed, for values that are not there any more.
        if self.most > LARGE_TABLE && self.values.len() < self.most / 4 {
            // The one call of `lru` that shrinks the table; it needs a capacity that is new.
            let unbounded =
                if self.values.cap() == NonZeroUsize::MAX { usize::MAX - 1 } else { usize::MAX };
            self.values.resize(NonZeroUsize::new(unbounded).unwrap_or(NonZeroUsize::MAX));
            self.most = self.values.len();
        }
    }
}

impl<K: Hash + Eq, V: Weigh + ?Sized> WeightedCache<K, V> {
    /// An empty cache.
    #[must_use]
    pub fn new(max_bytes: u64) -> Self {
        let values = LruCache::unbounded();
        Self { held: Mutex::new(Held { values, bytes: 0, most: 0 }), max_bytes }
    }

    /// The value of `key`, now the most recently used.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.values.get(key).map(|(value, _)| value.clone())
    }

    /// Keeps `value` under `key` and evicts old values until the weight fits again.
    pub fn put(&self, key: K, value: Arc<V>) {
        let weight = Self::weight(&value);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes = held.bytes.saturating_add(weight);
        if let Some((_, (_, old))) = held.values.push(key, (value, weight)) {
            held.bytes = held.bytes.saturating_sub(old);
        }
        held.shrink_to(self.max_bytes, 1);
    }

    /// As `put`, for a value that is not worth all of the cache: one that is heavier than its
    /// bound is not kept. Whether it was.
    pub fn put_if_it_fits(&self, key: K, value: Arc<V>) -> bool {
        let fits = Self::weight(&value) <= self.max_bytes;
        if fits {
            self.put(key, value);
        }
        fits
    }

    /// Evicts old values until one of this weight fits.
    pub fn make_room(&self, bytes: u64) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.shrink_to(self.max_bytes.saturating_sub(bytes), 0);
    }

    /// Bytes of what is held, as it was weighed.
    pub fn held_bytes(&self) -> u64 {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }

    /// What a value weighs with its entry.
    fn weight(value: &Arc<V>) -> u64 {
        let key = to_u64(size_of::<K>());
        value.weight_bytes().saturating_add(key).saturating_add(ENTRY_BYTES)
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
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(10_000);
        cache.put(1, bytes(4000));
        cache.put(2, bytes(4000));
        assert!(cache.get(&1).is_some(), "used again, so 2 is the oldest now");
        cache.put(3, bytes(4000));
        assert!(cache.get(&2).is_none());
        assert!(cache.get(&1).is_some() && cache.get(&3).is_some());
    }

    #[test]
    fn a_value_put_twice_weighs_once_and_one_giant_is_kept() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(10_000);
        for _ in 0..10 {
            cache.put(1, bytes(6000));
        }
        cache.put(2, bytes(3000));
        assert!(cache.get(&1).is_some() && cache.get(&2).is_some());
        cache.put(3, bytes(100_000));
        assert!(cache.get(&3).is_some() && cache.get(&1).is_none());
    }

    #[test]
    fn room_is_made_before_a_giant_comes() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(10_000);
        cache.put(1, bytes(4000));
        cache.put(2, bytes(4000));
        cache.make_room(5000);
        assert!(cache.get(&1).is_none() && cache.get(&2).is_some());
        cache.make_room(100_000);
        assert!(cache.get(&2).is_none());
    }

    #[test]
    fn what_failed_is_made_again() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(10_000);
        assert_eq!(cache.get_or_make(1, || Err("no")).unwrap_err(), "no");
        assert_eq!(cache.get_or_make(1, || Ok::<_, &str>(bytes(3))).unwrap().len(), 3);
        assert_eq!(cache.get_or_make(1, || Err("kept")).unwrap().len(), 3);
    }

    #[test]
    fn entries_without_a_value_weigh_too_and_a_value_too_heavy_may_be_refused() {
        let cache: WeightedCache<u32, [u8]> = WeightedCache::new(10_000);
        (0..1000).for_each(|key| cache.put(key, bytes(0)));
        let kept = (0..1000).filter(|key| cache.get(key).is_some()).count();
        assert!((40..=100).contains(&kept), "{kept}");
        assert!(!cache.put_if_it_fits(1, bytes(10_000)));
        assert!(cache.put_if_it_fits(1, bytes(9000)) && cache.get(&1).is_some());
    }
}
