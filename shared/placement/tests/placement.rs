//! The ring and the shard map: tables, and what must hold for every cluster.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use orrery_base::ids::{GroupId, NodeName};
use orrery_placement::{
    Bounds, Change, Ring, RingError, RingNode, ShardMap, ShardPlacement, SkipReason, StepOutcome, Token,
    VIRTUAL_NODES, Walk, golden, hash_parts, hash64, partition_hash, shard_of, shard_token,
};
use proptest::prelude::*;

/// `node1` to `nodeN` with the usual weight.
fn named(nodes: usize) -> Ring {
    Ring::new((1..=nodes).map(|n| RingNode::new(format!("node{n}")))).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<NodeName> {
    names.iter().map(|name| NodeName::from(*name)).collect()
}

fn place(ring: &Ring, shards: u16, replicas: u16) -> ShardMap {
    ShardMap::place(1, ring, shards, replicas, &BTreeSet::new())
}

#[test]
fn the_hash_is_xxh64_with_seed_0() {
    // Values that other implementations of XXH64 give.
    for (input, expected) in [
        ("", 0xef46_db37_51d8_e999_u64),
        ("a", 0xd24e_c4f1_a98c_6e5b),
        ("abc", 0x44bc_2cf5_ad77_0999),
        ("The quick brown fox jumps over the lazy dog", 0x0b24_2d36_1fda_71bc),
    ] {
        assert_eq!(hash64(input.as_bytes()), expected, "{input:?}");
    }
    let ring = named(1);
    assert!(ring.virtual_nodes().all(|it| it.token == Token::of(format!("node1#{}", it.n).as_bytes())));
    assert_eq!(ring.virtual_nodes().count(), VIRTUAL_NODES as usize);
}

#[test]
fn an_address_is_its_parts_and_not_their_text() {
    let all = [
        partition_hash("ab", "c"),
        partition_hash("a", "bc"),
        partition_hash("abc", ""),
        partition_hash("", "abc"),
        hash_parts("other", &["ab", "c"]),
        hash_parts("other", &["ab", "c", ""]),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn what_is_no_ring_is_refused() {
    let twice = [RingNode::new("a"), RingNode { name: "a".into(), weight: 1 }];
    assert_eq!(Ring::new(twice), Err(RingError::Twice("a".into())));
    let heavy = RingNode { name: "a".into(), weight: 4_097 };
    assert_eq!(Ring::new([heavy.clone()]), Err(RingError::TooHeavy(heavy)));
    let many = (0..1_025).map(|n| RingNode { name: format!("{n}").into(), weight: 0 });
    assert_eq!(Ring::new(many), Err(RingError::TooMany(1_025)));
}

#[test]
fn shards_cut_the_circle_evenly() {
    let tokens: Vec<u64> = (1..=4).map(|shard| shard_token(GroupId(shard), 4).0).collect();
    assert_eq!(tokens, [1 << 62, 2 << 62, 3 << 62, 0]);
    for (hash, shard) in
        [(0, 4), (1, 1), (1 << 62, 1), ((1 << 62) + 1, 2), (3 << 62, 3), ((3 << 62) + 1, 4), (u64::MAX, 4)]
    {
        assert_eq!(shard_of(Token(hash), 4), GroupId(shard), "{hash:x}");
    }
    assert_eq!(shard_of(Token(5), 0), GroupId::CONTROL);
}

#[test]
fn the_ring_of_numbered_nodes_is_even_enough() {
    for nodes in 1..=64 {
        let balance = named(nodes).balance();
        println!("{nodes:2} nodes of {VIRTUAL_NODES} virtual nodes: largest share {balance:.3} of the mean");
        if (3..=10).contains(&nodes) {
            assert!(balance <= 1.3, "{nodes} nodes: {balance}");
        }
    }
}

/// What joins and leaves move, beside the ideal. The sum over all of them may not drift away from it.
#[test]
fn about_one_nth_of_the_replicas_moves() {
    for (shards, replicas) in [(8, 3), (16, 3), (64, 3)] {
        let (mut moved, mut ideal) = (0.0, 0.0);
        for nodes in 3..=16 {
            let (few, many) = (named(nodes), named(nodes + 1));
            let (before, after) = (place(&few, shards, replicas), place(&many, shards, replicas));
            let join = Change::between((&few, &before), (&many, &after));
            let leave = Change::between((&many, &after), (&few, &before));
            println!(
                "S {shards:2} R {replicas} N {nodes:2} -> {:2}: replicas {:2} of {:3} = {:.3}, keys {:.3}, ring {:.3}, ideal {:.3}, modulo {:.3}",
                nodes + 1,
                join.replicas_moved,
                join.replicas_total,
                join.replicas_share,
                join.keys_leader_share,
                join.ring_share,
                join.ideal_share,
                join.modulo_share
            );
            let larger = (nodes + 1) as f64;
            for change in [&join, &leave] {
                assert!((change.ideal_share - 1.0 / larger).abs() < 1e-9, "{change:?}");
                assert!((change.modulo_share - (larger - 1.0) / larger).abs() < 1e-9, "{change:?}");
                assert_eq!(change.replicas_moved as usize, change.moves.len());
                assert_eq!(change.replicas_total, u32::from(shards * replicas));
            }
            assert_eq!(join.replicas_moved, leave.replicas_moved);
            moved += join.replicas_share;
            ideal += join.ideal_share;
        }
        println!("S {shards} R {replicas}: {:.2} times the ideal", moved / ideal);
        assert!((0.75..=1.35).contains(&(moved / ideal)), "S {shards} R {replicas}: {moved} of {ideal}");
    }
}

#[test]
fn the_same_text_everywhere() {
    let (now, kept) = (golden().unwrap(), include_str!("golden/placement.txt"));
    for (line, (now, kept)) in now.lines().zip(kept.lines()).enumerate() {
        assert_eq!(now, kept, "line {}: stored data would lie elsewhere", line + 1);
    }
    assert!(now == kept, "one is longer than the other:\n{now}");
}

#[test]
fn numbers_above_2_53_are_text_in_json_and_numbers_elsewhere() {
    let ring = named(5);
    let map = ShardMap::place(3, &ring, 8, 3, &names(&["node2"]));
    let walk = map.walk(&ring, partition_hash("orders", "Ayu")).unwrap();
    let change = Change::between((&ring, &place(&ring, 8, 3)), (&ring.without(|name| name == "node2"), &map));
    let json = serde_json::to_value((&map, &walk, &change)).unwrap();
    assert_eq!(json[0]["shards"][6]["token"], "e000000000000000");
    assert_eq!(json[1]["hash"], walk.hash.to_string());
    assert_eq!(json[1]["steps"][0]["token"], walk.steps[0].token.to_string());
    assert_eq!(json[0]["shards"][6]["skips"][0]["why"], "down");
    let text = json.to_string();
    assert_eq!(serde_json::from_str::<(ShardMap, Walk, Change)>(&text).unwrap().0, map);
    let bytes = postcard::to_stdvec(&(&map, &walk, &change)).unwrap();
    assert_eq!(postcard::from_bytes::<(ShardMap, Walk, Change)>(&bytes).unwrap(), (map, walk, change));
    assert_eq!(postcard::to_stdvec(&Token(5)).unwrap(), postcard::to_stdvec(&5_u64).unwrap());
    for wrong in ["5", "\"5\"", "\"+000000000000005\""] {
        assert!(serde_json::from_str::<Token>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_cluster_without_nodes_or_shards_has_an_empty_map() {
    let nobody = Ring::new([]).unwrap();
    let map = place(&nobody, 4, 3);
    assert!(map.shards.iter().all(|it| it.replicas.is_empty() && it.skips.is_empty()));
    assert_eq!(map.walk(&nobody, Token(1)).unwrap().steps, []);
    assert_eq!((nobody.balance(), nobody.owner(Token(1))), (1.0, None));
    assert_eq!(place(&named(3), 0, 3).walk(&named(3), Token(1)), None);
    let idle = Ring::new([RingNode::new("a"), RingNode { name: "b".into(), weight: 0 }]).unwrap();
    assert!(place(&idle, 4, 3).shards.iter().all(|it| it.replicas == ["a"]));
}

/// One heavy node of four draws nearly every walk, up to its bound.
fn heavy() -> Ring {
    let weights = [4_096, 1_024, 1, 1];
    Ring::new(
        weights.iter().zip(1..).map(|(weight, n)| RingNode { name: format!("n{n}").into(), weight: *weight }),
    )
    .unwrap()
}

#[test]
fn room_is_reserved_where_a_later_shard_would_find_too_few_nodes() {
    let map = place(&heavy(), 64, 3);
    let reserved = |it: &&ShardPlacement| it.skips.iter().any(|skip| skip.why == SkipReason::Reserved);
    let first =
        map.shards.iter().find(reserved).expect("without it shard 64 has two nodes with room at most");
    println!("{first:?}");
    check_map(&heavy(), &map, 3);
}

#[test]
fn nobody_to_stand_in_and_nobody_with_room() {
    let three = named(3);
    let whole = place(&three, 8, 3);
    let map = ShardMap::place(2, &three, 8, 3, &names(&["node2"]));
    for (before, after) in whole.shards.iter().zip(&map.shards) {
        let set = |it: &[NodeName]| it.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(
            set(&before.replicas),
            set(&after.replicas),
            "a dead replica without a stand-in keeps its place"
        );
        assert_ne!(after.leader().map(|it| it.as_str()), Some("node2"), "but it is not to lead");
    }
    let all = names(&["node1", "node2", "node3"]);
    let nobody = ShardMap::place(2, &three, 8, 3, &all);
    assert!(whole.shards.iter().zip(&nobody.shards).all(|(a, b)| a.replicas == b.replicas));
}

#[test]
fn a_missing_replica_is_worse_than_an_uneven_load() {
    let (mut above, mut was_reserved) = (0, 0);
    for (nodes, replicas) in (5..=12_u32).flat_map(|nodes| (3..=5_u16).map(move |replicas| (nodes, replicas)))
    {
        let node =
            |n| RingNode { name: format!("n{n}").into(), weight: [4_000, 500, 60, 8, 1][n as usize % 5] };
        let ring = Ring::new((0..nodes).map(node)).unwrap();
        let down = names(&["n0", "n1"]);
        let whole = place(&ring, 64, replicas);
        let map = ShardMap::place(2, &ring, 64, replicas, &down);
        let bounds = Bounds::new(64, replicas, nodes as usize - down.len());
        let loads = map.loads();
        for (before, after) in whole.shards.iter().zip(&map.shards) {
            for node in after.replicas.iter().filter(|node| !before.replicas.contains(node)) {
                let why = |it: &ShardPlacement| -> Vec<SkipReason> {
                    it.skips.iter().filter(|skip| skip.node == *node).map(|skip| skip.why).collect()
                };
                let (then, now) = (why(before), why(after));
                assert!(!now.contains(&SkipReason::Reserved), "{node} {after:?}");
                if now.contains(&SkipReason::ReplicaBound) {
                    assert!(loads[node].replicas > bounds.replicas, "{node} {after:?}");
                    above += 1;
                    was_reserved += u32::from(then.contains(&SkipReason::Reserved));
                }
            }
        }
    }
    println!("{above} stand-ins above the bound, the room of {was_reserved} was reserved before");
    assert!(above > 0 && was_reserved > 0, "{above} {was_reserved}: no case of this table gets there");
}

/// What holds for every map that was placed without anyone down.
fn check_map(ring: &Ring, map: &ShardMap, replicas: u16) {
    let bounds = Bounds::new(map.shards.len() as u16, replicas, ring.placed());
    let loads = map.loads();
    for (node, load) in &loads {
        assert!(
            load.replicas <= bounds.replicas && load.leaders <= bounds.leaders,
            "{node} {load:?} {bounds:?}"
        );
    }
    for placement in &map.shards {
        let set: BTreeSet<_> = placement.replicas.iter().collect();
        assert_eq!(set.len(), placement.replicas.len(), "{placement:?}");
        assert_eq!(set.len(), ring.placed().min(usize::from(replicas)), "{placement:?}");
        for skip in &placement.skips {
            let load = loads.get(&skip.node).copied().unwrap_or_default();
            match skip.why {
                SkipReason::LeaderBound => assert_eq!(load.leaders, bounds.leaders, "{placement:?}"),
                SkipReason::ReplicaBound => assert_eq!(load.replicas, bounds.replicas, "{placement:?}"),
                SkipReason::Reserved => assert!(!set.contains(&skip.node), "{placement:?}"),
                SkipReason::Down => panic!("nobody is down: {placement:?}"),
            }
        }
    }
    check_walks(ring, map);
}

/// The walk of every shard explains its replicas: each node that it meets has an outcome, and in the order of the walk.
fn check_walks(ring: &Ring, map: &ShardMap) {
    for placement in &map.shards {
        let walk = map.walk(ring, placement.token).unwrap();
        assert_eq!((walk.shard, walk.token), (placement.shard, placement.token));
        let met = |outcome: StepOutcome| walk.steps.iter().filter(move |step| step.outcome == outcome);
        assert_eq!(met(StepOutcome::Newer).count(), 0, "{walk:?}");
        assert_eq!(met(StepOutcome::Leader).map(|step| &step.node).collect::<Vec<_>>(), [&walk.replicas[0]]);
        let others: BTreeSet<_> = met(StepOutcome::Replica).map(|step| &step.node).collect();
        assert_eq!(others, walk.replicas[1..].iter().collect(), "{walk:?}");
        assert!(met(StepOutcome::Skipped).all(|step| !step.why.is_empty()));
        let last = walk.steps.last().unwrap().outcome;
        assert!(
            matches!(last, StepOutcome::Leader | StepOutcome::Replica),
            "the walk ends at the last replica: {walk:?}"
        );
    }
}

fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(VIRTUAL_NODES), 2 => 1..=8_u32, 2 => 1..=256_u32, 1 => Just(1_500)]
}

/// 1 to 64 members under any names.
fn members() -> impl Strategy<Value = Vec<RingNode>> {
    prop::collection::btree_map("[a-z]{1,6}[0-9]{0,2}", weight(), 1..=64_usize).prop_map(|nodes| {
        nodes.into_iter().map(|(name, weight)| RingNode { name: name.into(), weight }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_key_is_in_the_first_shard_at_or_after_it(shards in 1..=512_u16, any: u64, near in 1..=512_u16, by in -2..=2_i64) {
        let near = shard_token(GroupId(near.min(shards)), shards).0.wrapping_add_signed(by);
        for hash in [any, near] {
            let first = (1..shards).find(|shard| shard_token(GroupId(*shard), shards).0 >= hash);
            // Nothing but 0 itself is before the first token, and the last token is at 0.
            let expected = if hash == 0 { shards } else { first.unwrap_or(shards) };
            prop_assert_eq!(shard_of(Token(hash), shards), GroupId(expected));
        }
    }

    #[test]
    fn placing_succeeds_within_the_bounds(
        (members, shuffled) in members().prop_flat_map(|it| (Just(it.clone()), Just(it).prop_shuffle())),
        shards in 1..=64_u16,
        replicas in 1..=7_u16,
    ) {
        let ring = Ring::new(members).unwrap();
        let map = place(&ring, shards, replicas);
        check_map(&ring, &map, replicas);
        let again = Ring::new(shuffled).unwrap();
        prop_assert_eq!(&again, &ring);
        prop_assert_eq!(place(&again, shards, replicas), map);
    }

    #[test]
    fn adding_a_node_only_moves_keys_to_it(members in members(), weight in weight()) {
        let few = Ring::new(members.clone()).unwrap();
        let newcomer = RingNode { name: "Newcomer".into(), weight };
        let many = Ring::new(members.into_iter().chain([newcomer.clone()])).unwrap();
        prop_assert_eq!(&many.without(|name| name == "Newcomer"), &few, "removing is adding backwards");
        // All of the newcomer's, around which keys move, and some of everyone's.
        let looked_at = many.virtual_nodes().enumerate().filter(|(place, it)| place % 16 == 0 || it.node == "Newcomer");
        for token in looked_at.map(|(_, it)| it.token.0) {
            for point in [token.wrapping_sub(1), token, token.wrapping_add(1)].map(Token) {
                let (before, after) = (few.owner(point), many.owner(point));
                prop_assert!(before == after || after == Some(&newcomer.name), "{point}: {before:?} -> {after:?}");
            }
        }
        let share = |ring: &Ring| ring.owner_share().into_iter().find(|it| it.node == "Newcomer").unwrap().share;
        prop_assert!((few.moved_share(&many) - share(&many)).abs() < 1e-9);
        prop_assert!((many.owner_share().iter().map(|it| it.share).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn only_replicas_of_nodes_that_are_down_move(
        members in members(),
        picked in prop::collection::vec(any::<prop::sample::Index>(), 1..=4),
        shards in 1..=64_u16,
        replicas in 1..=7_u16,
    ) {
        let down: BTreeSet<NodeName> = picked.iter().map(|it| it.get(&members).name.clone()).collect();
        let ring = Ring::new(members).unwrap();
        let up = ring.without(|name| down.contains(name));
        let whole = place(&ring, shards, replicas);
        let map = ShardMap::place(2, &ring, shards, replicas, &down);
        let bounds = Bounds::new(shards, replicas, up.placed());
        let loads = map.loads();
        let full = |it: &ShardPlacement, node: &NodeName| {
            it.skips.iter().any(|skip| skip.node == *node && skip.why == SkipReason::ReplicaBound)
        };
        let excused = |node: &NodeName| map.shards.iter().any(|it| it.replicas.contains(node) && full(it, node));
        for node in up.nodes() {
            let load = loads.get(&node.name).copied().unwrap_or_default();
            prop_assert!(load.replicas <= bounds.replicas || excused(&node.name), "{} {load:?} {bounds:?}", node.name);
        }
        for (it, node) in map.shards.iter().flat_map(|it| it.replicas.iter().map(move |node| (it, node))) {
            let above = loads[node].replicas > bounds.replicas;
            prop_assert!(above || down.contains(node) || !full(it, node), "{node} is taken, so it had room: {it:?}");
            let reserved = it.skips.iter().any(|skip| skip.node == *node && skip.why == SkipReason::Reserved);
            prop_assert!(!reserved, "{node} is taken, so its room was not kept: {it:?}");
        }
        for (before, after) in whole.shards.iter().zip(&map.shards) {
            let set: BTreeSet<_> = after.replicas.iter().collect();
            prop_assert_eq!(set.len(), before.replicas.len(), "{:?}", after);
            for node in before.replicas.iter().filter(|node| !down.contains(*node)) {
                prop_assert!(set.contains(node), "{node} is up and loses its replica: {before:?} {after:?}");
            }
            let hopeless = up.placed() < before.replicas.len();
            prop_assert!(hopeless || set.iter().all(|node| !down.contains(*node)), "{after:?}");
            if before.leader().is_some_and(|leader| !down.contains(leader)) {
                prop_assert_eq!(before.leader(), after.leader());
            }
            if before.replicas.iter().all(|node| !down.contains(node)) {
                prop_assert_eq!(before, after);
            }
            prop_assert!(up.placed() == 0 || after.leader().is_some_and(|leader| !down.contains(leader)), "{after:?}");
        }
        check_walks(&ring, &map);
        let back = place(&ring, shards, replicas);
        prop_assert_eq!(back, whole, "what returns gets its own back");
    }

    #[test]
    fn moves_lead_from_one_map_to_the_other(members in members(), shards in 1..=64_u16, replicas in 1..=7_u16) {
        let few = Ring::new(members[..members.len().div_ceil(2)].to_vec()).unwrap();
        let many = Ring::new(members).unwrap();
        let (before, after) = (place(&few, shards, replicas), place(&many, shards, replicas));
        let change = Change::between((&few, &before), (&many, &after));
        let sets = |map: &ShardMap| -> Vec<BTreeSet<NodeName>> {
            map.shards.iter().map(|it| it.replicas.iter().cloned().collect()).collect()
        };
        let mut sets_now = sets(&before);
        for step in &change.moves {
            let set = &mut sets_now[usize::from(step.shard.0) - 1];
            prop_assert!(step.from.as_ref().is_none_or(|node| set.remove(node)), "{step:?}");
            prop_assert!(step.to.as_ref().is_none_or(|node| set.insert(node.clone())), "{step:?}");
        }
        prop_assert_eq!(sets_now, sets(&after));
        let shares = |it: &Change| {
            let keys = [it.keys_set_share, it.keys_leader_share];
            [it.replicas_share, keys[0], keys[1], it.ring_share, it.ideal_share, it.modulo_share]
        };
        let other_sets = sets(&before).iter().zip(sets(&after)).filter(|(before, after)| **before != *after).count();
        prop_assert!((change.keys_set_share - other_sets as f64 / f64::from(shards)).abs() < 1e-9);
        prop_assert!(shares(&change).iter().all(|share| (0.0..=1.0).contains(share)), "{change:?}");
        let none = Change::between((&many, &after), (&many, &after));
        prop_assert_eq!((none.moves.len(), shares(&none)), (0, [0.0; 6]));
    }
}
