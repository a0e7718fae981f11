//! What clients held when, and whether that can be.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, ensure};

/// A lock in its client's eyes: surely held from `from` (it had the answer) to `to` (it had not yet asked to release).
#[derive(Clone, Debug)]
pub struct Held {
    pub client: String,
    pub resource: String,
    pub exclusive: bool,
    pub token: u64,
    pub from: Instant,
    pub to: Instant,
}

/// Per resource: every token once; of two that exclude each other, who has the smaller token let go before the other was
/// told. So no two held at once, and tokens grow.
pub fn check(held: &[Held]) -> Result<()> {
    let mut resources: BTreeMap<&str, Vec<&Held>> = BTreeMap::new();
    for one in held {
        resources.entry(&one.resource).or_default().push(one);
    }
    for (resource, mut held) in resources {
        held.sort_by_key(|one| one.token);
        for (at, later) in held.iter().enumerate() {
            for earlier in &held[..at] {
                ensure!(earlier.token < later.token, "one token of {resource} twice: {earlier:?} {later:?}");
                let exclude = earlier.exclusive || later.exclusive;
                ensure!(
                    !exclude || earlier.to <= later.from,
                    "{resource} was held by {} and {} at once, or its tokens do not grow: {earlier:?} {later:?}",
                    earlier.client,
                    later.client
                );
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn held(start: Instant, from: u64, to: u64, token: u64, exclusive: bool) -> Held {
        let at = |ms| start + Duration::from_millis(ms);
        let (client, resource) = (format!("c{token}"), "r".to_owned());
        Held { client, resource, exclusive, token, from: at(from), to: at(to) }
    }

    #[test]
    fn the_check_bites() {
        let now = Instant::now();
        let h = |from, to, token, exclusive| held(now, from, to, token, exclusive);
        assert!(
            check(&[h(0, 5, 1, true), h(5, 9, 2, true), h(9, 20, 3, false), h(10, 15, 4, false)]).is_ok()
        );
        assert!(check(&[h(0, 5, 1, true), h(4, 9, 2, true)]).is_err(), "two at once");
        assert!(check(&[h(0, 5, 1, true), h(4, 9, 2, false)]).is_err(), "exclusive and shared");
        assert!(check(&[h(0, 5, 2, true), h(6, 9, 1, true)]).is_err(), "a token that shrank");
        assert!(check(&[h(0, 5, 1, false), h(6, 9, 1, false)]).is_err(), "a token twice");
    }
}
