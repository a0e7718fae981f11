//! A text that is the same wherever this code runs.

use std::fmt::Write as _;

use super::{Change, Ring, RingError, RingNode, ShardMap, Token, hash64, partition_hash, shard_of};

/// Placements of some clusters as text, one line per fact. A native test holds it against
/// `tests/golden/placement.txt`; called from the browser it shows that WebAssembly comes to the same result.
///
/// # Errors
/// Never: the rings are fixed.
pub fn golden() -> Result<String, RingError> {
    let mut text = String::new();
    for input in ["", "a", "node1#0", "The quick brown fox jumps over the lazy dog"] {
        line(&mut text, format_args!("hash64 {input:?} {}", Token(hash64(input.as_bytes()))));
    }
    for (topic, key) in [("ab", "c"), ("a", "bc"), ("", "")] {
        let hash = partition_hash(topic, key);
        line(&mut text, format_args!("key {topic:?} {key:?} {hash} {}", shard_of(hash, 8)));
    }
    let three = cluster(&mut text, 3, 8, 3, &[])?;
    let five = cluster(&mut text, 5, 8, 3, &[])?;
    let down = cluster(&mut text, 5, 8, 3, &["node2"])?;
    cluster(&mut text, 10, 32, 5, &["node4", "node7"])?;
    for (from, to) in [(&three, &five), (&five, &three), (&five, &down)] {
        let change = Change::between((&from.0, &from.1), (&to.0, &to.1));
        line(
            &mut text,
            format_args!(
                "change {}/{} keys {:.12} ring {:.12} ideal {:.12} modulo {:.12}",
                change.replicas_moved,
                change.replicas_total,
                change.keys_leader_share,
                change.ring_share,
                change.ideal_share,
                change.modulo_share
            ),
        );
    }
    Ok(text)
}

/// Places shards on nodes of three different weights, and writes it down; the ring of those that are up and the
/// map.
fn cluster(
    text: &mut String,
    nodes: u32,
    shards: u16,
    replicas: u16,
    down: &[&str],
) -> Result<(Ring, ShardMap), RingError> {
    let node = |n: u32| RingNode { name: format!("node{n}").into(), weight: 64 + 16 * (n % 3) };
    let ring = Ring::new((1..=nodes).map(node))?;
    let down = down.iter().map(|name| (*name).into()).collect();
    let map = ShardMap::place(1, &ring, shards, replicas, &down);
    line(text, format_args!("cluster {nodes} {shards} {replicas} balance {:.12}", ring.balance()));
    for placement in &map.shards {
        let skips: Vec<String> =
            placement.skips.iter().map(|skip| format!("{}:{:?}", skip.node, skip.why)).collect();
        let replicas = placement.replicas.join(",");
        line(text, format_args!("{} {} {replicas} {}", placement.shard, placement.token, skips.join(",")));
    }
    Ok((ring.without(|name| down.contains(name)), map))
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "{arguments}");
}
