//! A map as one sorted list, and sorting of short lists: a fraction of the code that the standard library's and
//! persistent maps bring for each pair of types, and a browser downloads all of it.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::iter::Map;
use std::ops::Index;
use std::slice::Iter;
use std::sync::Arc;

/// A small map, sorted by key. Cloning shares the list; who changes it first afterwards copies it. A change moves what
/// is behind its place, so it is for tens or hundreds of entries.
pub struct SortedMap<K, V> {
    entries: Arc<Vec<(K, V)>>,
}

/// Entries in the order of their keys.
pub type Entries<'a, K, V> = Map<Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

impl<K, V> SortedMap<K, V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> Entries<'_, K, V> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|(_, value)| value)
    }

    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// What is under the key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.place(key).ok().map(|place| &self.entries[place].1)
    }

    /// Whether anything is under the key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }
}

impl<K: Ord + Clone, V: Clone> SortedMap<K, V> {
    /// What is under the key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(&mut Arc::make_mut(&mut self.entries)[place].1)
    }

    /// The values in the order of their keys, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        Arc::make_mut(&mut self.entries).iter_mut().map(|(_, value)| value)
    }

    /// What is under the key, to be changed; a default where nothing was.
    pub fn get_or_default(&mut self, key: &K) -> &mut V
    where
        V: Default,
    {
        let place = self.place(key);
        let entries = Arc::make_mut(&mut self.entries);
        let place = place.unwrap_or_else(|place| {
            entries.insert(place, (key.clone(), V::default()));
            place
        });
        &mut entries[place].1
    }

    /// Puts a value under the key, in place of what was there.
    pub fn insert(&mut self, key: K, value: V) {
        let place = self.place(&key);
        let entries = Arc::make_mut(&mut self.entries);
        match place {
            Ok(place) => entries[place].1 = value,
            Err(place) => entries.insert(place, (key, value)),
        }
    }

    /// Takes out what is under the key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(Arc::make_mut(&mut self.entries).remove(place).1)
    }

    /// Takes out the entry with the smallest key.
    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| Arc::make_mut(&mut self.entries).remove(0))
    }

    /// Keeps only the entries that are wanted.
    pub fn retain(&mut self, wanted: impl Fn(&K, &V) -> bool) {
        if self.entries.iter().any(|(key, value)| !wanted(key, value)) {
            Arc::make_mut(&mut self.entries).retain(|(key, value)| wanted(key, value));
        }
    }
}

impl<K, V> Clone for SortedMap<K, V> {
    fn clone(&self) -> Self {
        SortedMap { entries: self.entries.clone() }
    }
}

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        SortedMap { entries: Arc::default() }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for SortedMap<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq, V: Eq> Eq for SortedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for SortedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Ord + Clone, V: Clone> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = SortedMap::default();
        entries.into_iter().for_each(|(key, value)| map.insert(key, value));
        map
    }
}

impl<'a, K, V> IntoIterator for &'a SortedMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Entries<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<K: Borrow<Q>, V, Q: Ord + ?Sized> Index<&Q> for SortedMap<K, V> {
    type Output = V;

    fn index(&self, key: &Q) -> &V {
        self.get(key).expect("only keys that are there are looked up by index")
    }
}

/// Sorts a short list: equal ones keep their order. The standard library's sorts are fast on long lists, and each type
/// that is sorted costs several kilobytes of code; this one costs the square of the length.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    for end in 1..items.len() {
        let place = items[..end].partition_point(|item| compare(item, &items[end]).is_le());
        items[place..=end].rotate_right(1);
    }
}

/// Sorts a long list in which no two are equal (a shell sort): a tenth of the standard library's code, and hardly slower
/// for thousands.
pub fn sort_long<T: Ord>(items: &mut [T]) {
    let mut gap = items.len();
    while gap > 1 {
        gap = (gap * 5 / 11).max(1);
        for end in gap..items.len() {
            let mut place = end;
            while place >= gap && items[place] < items[place - gap] {
                items.swap(place, place - gap);
                place -= gap;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stay_in_order_and_a_clone_keeps_what_it_was() {
        let mut map: SortedMap<String, u32> =
            ["c", "a", "b"].into_iter().zip(1..).map(|(key, value)| (key.to_owned(), value)).collect();
        let before = map.clone();
        map.insert("a".to_owned(), 7);
        *map.get_or_default(&"d".to_owned()) += 4;
        *map.get_or_default(&"d".to_owned()) += 4;
        assert_eq!(map.remove("c"), Some(1));
        assert_eq!(map.remove("c"), None);
        if let Some(value) = map.get_mut("b") {
            *value = 5;
        }
        assert_eq!(
            map.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>(),
            [("a", 7), ("b", 5), ("d", 8)]
        );
        map.retain(|key, value| key != "b" && *value > 7);
        assert_eq!((map.len(), map["d"], map.contains_key("a")), (1, 8, false));
        assert_eq!(before.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(before.values().copied().collect::<Vec<_>>(), [2, 3, 1]);
        assert_eq!((before.get("a"), before.get("d")), (Some(&2), None));
        assert!(!before.is_empty() && before != map);
    }

    #[test]
    fn sorting_is_stable() {
        let mut items: Vec<(u32, usize)> = [3, 1, 2, 1, 3, 2, 1, 0].into_iter().zip(0..).collect();
        let mut expected = items.clone();
        expected.sort_by_key(|item| item.0);
        sort_by(&mut items, |a, b| a.0.cmp(&b.0));
        assert_eq!(items, expected);
        sort_by::<u32>(&mut [], u32::cmp);
    }

    #[test]
    fn long_lists_are_sorted() {
        for length in [0_u64, 1, 2, 3, 10, 11, 1_000, 4_099] {
            // A prime that divides none of the lengths: every number comes once.
            let mut items: Vec<u64> = (0..length).map(|at| at * 7_919 % length.max(1)).collect();
            sort_long(&mut items);
            assert!(items.is_sorted() && items.len() as u64 == length, "{length}");
            items.reverse();
            sort_long(&mut items);
            assert!(items.is_sorted(), "{length}");
        }
    }
}
