//! Which shard keeps a message.

use orrery_base::ids::GroupId;
use orrery_base::key::IdempotencyKey;
use orrery_placement::{Token, hash_parts, partition_hash, shard_of};

/// What publishes without a partition key are hashed under, apart from those with one.
const KEYLESS_DOMAIN: &str = "orrery/keyless";

/// The point of a publish: of its partition key, or of its idempotency key, so that a retry comes to the same shard.
pub fn point(topic: &str, key: Option<&str>, idempotency: &IdempotencyKey) -> Token {
    match key {
        Some(key) => partition_hash(topic, key),
        None => hash_parts(KEYLESS_DOMAIN, &[topic, &idempotency.to_string()]),
    }
}

/// The shard of that point; none where there are no shards.
pub fn shard(point: Token, shards: usize) -> Option<GroupId> {
    let shards = u16::try_from(shards).ok().filter(|shards| *shards > 0)?;
    Some(shard_of(point, shards))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn number(number: u64) -> IdempotencyKey {
        IdempotencyKey { client: "Ayu".into(), number }
    }

    #[test]
    fn a_key_decides_alone_and_without_one_the_retry_meets_its_first_try() {
        let at = |topic: &str, key: Option<&str>, n: u64| shard(point(topic, key, &number(n)), 8);
        assert_eq!(at("orders", Some("k"), 1), at("orders", Some("k"), 2));
        assert_eq!(at("orders", None, 7), at("orders", None, 7));
        assert_ne!(point("orders", None, &number(1)), point("orders", Some("Ayu/1"), &number(1)));
        assert_ne!(point("orders", Some("k"), &number(1)), point("order", Some("sk"), &number(1)));
        let met: BTreeSet<_> = (0..200).filter_map(|n| at("orders", None, n)).collect();
        assert_eq!(met, (1..=8).map(GroupId).collect());
        assert_eq!(shard(point("orders", None, &number(1)), 0), None);
    }
}
