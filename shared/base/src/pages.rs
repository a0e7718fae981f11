//! An ordered map from growing numbers, in pages: for what is mostly added at the end.
//!
//! The persistent tree below leaves its nodes half empty when keys only grow. Here it holds pages that are filled first: a
//! million entries take half of the memory, and a lookup compares numbers only. A clone is a cheap fork, as of the tree:
//! whoever changes a page that is shared copies that page.

use std::fmt;
use std::sync::Arc;

use imbl::OrdMap;

/// Most entries of a page.
const PAGE_MAX: usize = 32;

/// Fewest entries for which a page has room.
const PAGE_MIN: usize = 4;

type Page<V> = Vec<(u64, V)>;

/// The map.
///
/// Invariants: no page of the tree is empty; a page's key is at most that of its first entry, and greater than those of all
/// pages before it; every entry of the last page comes after those of the tree.
#[derive(Clone)]
pub struct Pages<V> {
    full: OrdMap<u64, Arc<Page<V>>>,
    /// Apart, because this is where entries are added. May be empty.
    last: Arc<Page<V>>,
    len: usize,
}

impl<V> Default for Pages<V> {
    fn default() -> Self {
        Pages { full: OrdMap::default(), last: Arc::default(), len: 0 }
    }
}

impl<V: PartialEq> PartialEq for Pages<V> {
    /// Where the pages end does not count.
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl<V: fmt::Debug> fmt::Debug for Pages<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<V> Pages<V> {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &V)> {
        let pages = self.full.iter().map(|(_, page)| page).chain(std::iter::once(&self.last));
        pages.flat_map(|page| page.iter().map(|(key, value)| (*key, value)))
    }

    /// Where that key would be.
    fn page_of(&self, key: u64) -> Place {
        if self.last.first().is_some_and(|(first, _)| *first <= key) {
            return Place::Last;
        }
        self.full.get_prev(&key).map_or(Place::Before, |(begin, _)| Place::Full(*begin))
    }

    fn page(&self, place: Place) -> Option<&Page<V>> {
        match place {
            Place::Last => Some(&self.last),
            Place::Full(begin) => self.full.get(&begin).map(AsRef::as_ref),
            Place::Before => None,
        }
    }

    /// The value of a key.
    pub fn get(&self, key: u64) -> Option<&V> {
        let page = self.page(self.page_of(key))?;
        let at = find(page, key).ok()?;
        Some(&page[at].1)
    }

    /// Whether there is such a key.
    pub fn contains(&self, key: u64) -> bool {
        self.get(key).is_some()
    }

    /// The first entry at or after a key.
    pub fn next_from(&self, key: u64) -> Option<(u64, &V)> {
        let place = self.page_of(key);
        let within = self.page(place).and_then(|page| page.get(find(page, key).unwrap_or_else(|at| at)));
        let found = match (within, place) {
            (Some(found), _) => Some(found),
            (None, Place::Full(begin)) => {
                let next = self.full.get_next(&(begin.checked_add(1)?));
                next.map_or(&self.last, |(_, page)| page).first()
            }
            (None, Place::Last) => None,
            (None, Place::Before) => return self.first(),
        };
        found.map(|(key, value)| (*key, value))
    }

    /// The first entry.
    pub fn first(&self) -> Option<(u64, &V)> {
        let page = self.full.get_min().map_or(&self.last, |(_, page)| page);
        page.first().map(|(key, value)| (*key, value))
    }
}

impl<V: Clone> Pages<V> {
    fn page_mut(&mut self, place: Place) -> Option<&mut Page<V>> {
        match place {
            Place::Last => Some(Arc::make_mut(&mut self.last)),
            Place::Full(begin) => self.full.get_mut(&begin).map(Arc::make_mut),
            Place::Before => None,
        }
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let place = self.page_of(key);
        let at = find(self.page(place)?, key).ok()?;
        Some(&mut self.page_mut(place)?[at].1)
    }

    /// Sets the value of a key. What it was before.
    pub fn insert(&mut self, key: u64, value: V) -> Option<V> {
        let place = self.page_of(key);
        let ends_before = |page: &Arc<Page<V>>| page.last().is_some_and(|(last, _)| *last < key);
        if self.last.is_empty() && self.full.get_max().is_none_or(|(_, page)| ends_before(page)) {
            self.len += 1;
            self.last = Arc::new(vec![(key, value)]);
            return None;
        }
        let Some(page) = self.page_mut(place) else {
            self.len += 1;
            self.full.insert(key, Arc::new(vec![(key, value)]));
            return None;
        };
        let at = match find(page, key) {
            Ok(at) => return Some(std::mem::replace(&mut page[at].1, value)),
            Err(at) => at,
        };
        let half = PAGE_MAX / 2;
        let after = if page.len() < PAGE_MAX {
            put(page, at, (key, value));
            None
        } else if at == PAGE_MAX {
            Some(vec![(key, value)])
        } else {
            let mut after = page.split_off(half);
            match at.checked_sub(half) {
                None | Some(0) => put(page, at, (key, value)),
                Some(at) => put(&mut after, at, (key, value)),
            }
            Some(after)
        };
        self.len += 1;
        if let Some(after) = after {
            self.begin(place, Arc::new(after));
        }
        None
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: u64) -> Option<V> {
        let place = self.page_of(key);
        let page = self.page(place)?;
        let (at, alone) = (find(page, key).ok()?, page.len() == 1);
        self.len -= 1;
        let mut emptied = match place {
            Place::Last if alone => std::mem::take(&mut self.last),
            Place::Full(begin) if alone => self.full.remove(&begin)?,
            _ => return Some(self.page_mut(place)?.remove(at).1),
        };
        Arc::make_mut(&mut emptied).pop().map(|(_, value)| value)
    }

    /// Takes in a page that comes right after the one at `place`.
    fn begin(&mut self, place: Place, page: Arc<Page<V>>) {
        let page = match place {
            Place::Last => std::mem::replace(&mut self.last, page),
            _ => page,
        };
        if let Some((key, _)) = page.first() {
            self.full.insert(*key, page);
        }
    }
}

/// Which page.
#[derive(Clone, Copy)]
enum Place {
    Last,
    /// In the tree, under this key.
    Full(u64),
    /// None: before all pages.
    Before,
}

fn find<V>(page: &Page<V>, key: u64) -> Result<usize, usize> {
    page.binary_search_by_key(&key, |(key, _)| *key)
}

/// Grows by doubling, but never beyond a page.
fn put<V>(page: &mut Page<V>, at: usize, entry: (u64, V)) {
    if page.len() == page.capacity() {
        page.reserve_exact(page.len().max(PAGE_MIN).min(PAGE_MAX - page.len()));
    }
    page.insert(at, entry);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(pages: &Pages<u32>, model: &BTreeMap<u64, u32>) {
        assert_eq!(pages.iter().collect::<Vec<_>>(), model.iter().map(|(k, v)| (*k, v)).collect::<Vec<_>>());
        assert_eq!((pages.len(), pages.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(pages.first(), model.first_key_value().map(|(k, v)| (*k, v)));
        for key in 0..=200 {
            assert_eq!(pages.get(key), model.get(&key));
            assert_eq!(pages.next_from(key), model.range(key..).next().map(|(k, v)| (*k, v)));
        }
        assert!(
            pages
                .full
                .iter()
                .all(|(begin, page)| page.len() <= PAGE_MAX
                    && page.first().is_some_and(|(key, _)| begin <= key))
        );
        assert!(pages.last.len() <= PAGE_MAX);
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_map_and_a_fork_stays_what_it_was(
            steps in prop::collection::vec((0..200u64, any::<u32>(), 0..4u8), 0..400),
        ) {
            let (mut pages, mut model) = (Pages::default(), BTreeMap::new());
            let mut fork = None;
            for (key, value, what) in steps {
                match what {
                    0 => assert_eq!(pages.remove(key), model.remove(&key)),
                    1 => {
                        if let Some(found) = pages.get_mut(key) {
                            *found = value;
                        }
                        model.entry(key).and_modify(|found| *found = value);
                    }
                    _ => assert_eq!(pages.insert(key, value), model.insert(key, value)),
                }
                if fork.is_none() && model.len() > 40 {
                    fork = Some((pages.clone(), model.clone()));
                }
            }
            check(&pages, &model);
            if let Some((pages, model)) = fork {
                check(&pages, &model);
            }
        }
    }

    #[test]
    fn what_is_added_at_the_end_fills_its_pages() {
        let mut pages = Pages::default();
        (0..1_000).for_each(|key| assert_eq!(pages.insert(key * 3, ()), None));
        assert_eq!(pages.full.len(), 1_000 / PAGE_MAX);
        assert!(pages.full.iter().all(|(_, page)| page.len() == PAGE_MAX && page.capacity() == PAGE_MAX));
    }
}
