//! Keys of the items of a `<For>`.

use std::collections::BTreeSet;

/// The items with their keys. `<For>` needs keys that are distinct: one that is there already gets a number.
pub fn keyed<T>(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> String) -> Vec<(String, T)> {
    let mut known = BTreeSet::new();
    let mut all = Vec::new();
    for item in items {
        let first = key(&item);
        let mut key = first.clone();
        for number in 2u64.. {
            if known.insert(key.clone()) {
                break;
            }
            key = format!("{first} {number}");
        }
        all.push((key, item));
    }
    all
}

/// The key that [`keyed`] gave an item.
pub fn key_of<T>(item: &(String, T)) -> String {
    item.0.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_there_twice() {
        let keys = |names: &[&str]| -> Vec<String> {
            keyed(names.iter(), |name| name.to_string()).iter().map(key_of).collect()
        };
        assert_eq!(keys(&["a", "b", "a", "a", "a 2"]), ["a", "b", "a 2", "a 3", "a 2 2"]);
        assert!(keys(&[]).is_empty());
    }
}
