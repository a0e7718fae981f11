//! The coherent cache: values out of service facts, each counted once by (index, n); copies as their nodes report them,
//! directories as their homes do.

use orrery_base::ids::{GroupId, LogIndex, NodeName, Term};
use orrery_base::sorted::SortedMap;
use orrery_cache::node::Stats;
use orrery_cache::view::{CachesView, CopyView, HomeView, ValuesView};
use orrery_cache::{Address, CacheFact, Cause, HomeFact, LineFact, State, Waited};
use orrery_event::fact::Role;

use super::effect::Effect;
use super::view::{
    Committed, Held, Home, LINES_MAX, LineCopy, Moved, NodeCache, RATES_MAX, RECALLS_MAX, Rate, Recalled,
    Recalls, ShardValues, Timer, View,
};

/// Takes over what a node's snapshot says. What it does not have any more is gone.
pub(super) fn install(view: &mut View, node: &NodeName, caches: &CachesView, now_us: u64) {
    for shard in &caches.values {
        values(view, shard.group, &shard.values);
    }
    let cache = view.cache.nodes.get_or_default(node);
    cache.more = caches.copies_more > 0;
    let gone = |address: &Address| !caches.copies.iter().any(|copy| copy.address == *address);
    let gone: Vec<Address> = cache.lines.keys().filter(|address| gone(address)).cloned().collect();
    for address in gone {
        // Where the snapshot leaves some out, nobody knows of this one.
        if cache.more {
            cache.lines.remove(&address);
        } else if let Some(copy) = cache.lines.get_mut(&address).filter(|copy| copy.state != State::I) {
            *copy = LineCopy { shard: copy.shard, version: copy.version, ..LineCopy::default() };
        }
    }
    for copy in &caches.copies {
        take_copy(cache, copy);
    }
    bound_lines(cache);
    count(cache, &caches.stats, None);
    view.cache
        .homes
        .retain(|shard, home| home.node != *node || caches.homes.iter().any(|now| now.group == *shard));
    for home in &caches.homes {
        take_home(view, node, home, now_us);
    }
}

fn take_copy(cache: &mut NodeCache, copy: &CopyView) {
    let at = cache.lines.get_or_default(&copy.address);
    at.shard = copy.shard;
    at.moved = at.moved.filter(|moved| moved.to == copy.state);
    at.state = copy.state;
    at.version = copy.version;
    at.unsaved = copy.unsaved;
}

fn take_home(view: &mut View, node: &NodeName, home: &HomeView, now_us: u64) {
    let known = view.cache.homes.get(&home.group);
    if known.is_some_and(|known| known.term > home.term) {
        return;
    }
    let window = Timer { started_us: now_us, due_us: home.window_left_us };
    let held = home.lines.iter().map(|line| {
        let known = known.and_then(|known| known.lines.get(&line.address));
        let same = known.filter(|known| known.owner == line.owner && known.sharers == line.sharers);
        let since_us = same.map_or(now_us, |known| known.since_us);
        let held = Held { owner: line.owner.clone(), sharers: line.sharers.clone(), since_us };
        (line.address.clone(), held)
    });
    let taken = Home {
        node: node.clone(),
        term: home.term,
        open: home.open,
        window: (!home.open && home.window_left_us > 0).then_some(window),
        more: home.more > 0,
        lines: held.collect(),
        // Which of them goes on is not in a snapshot.
        recalls: SortedMap::default(),
    };
    view.cache.homes.insert(home.group, taken);
}

/// Takes over values that somebody read at an applied index, unless a newer state is in the view.
fn values(view: &mut View, shard: GroupId, values: &ValuesView) {
    let known = view.cache.values.get(&shard).and_then(|known| known.applied);
    if values.applied.is_none() || values.applied < known {
        return;
    }
    let shard = view.cache.values.get_or_default(&shard);
    if known.is_none() {
        // The first ones of a recording: what they contain is not news.
        shard.seen = shard.seen.max(values.applied.map(|index| (index, u32::MAX)));
    }
    shard.applied = values.applied;
    shard.whole = values.applied;
    shard.begun = values.begun;
    shard.opened = values.opened;
    shard.more = values.more > 0;
    let taken = values.values.iter().map(|value| {
        let committed = Committed { version: value.version, preview: value.preview.as_str().into() };
        (value.address.clone(), committed)
    });
    shard.values = taken.collect();
    bound_values(shard);
}

/// A new leader's state. The facts that led to it may still come: they are news, but change nothing.
pub(super) fn resume(view: &mut View, shard: GroupId, index: LogIndex, now: &ValuesView) {
    let applied = now.applied.max(Some(index));
    values(view, shard, &ValuesView { applied, ..now.clone() });
}

/// Folds in what was committed.
pub(super) fn committed(view: &mut View, shard: GroupId, place: (LogIndex, u32), fact: &CacheFact) -> Effect {
    let shard = view.cache.values.get_or_default(&shard);
    if shard.seen.is_some_and(|seen| place <= seen) {
        return Effect::Known;
    }
    shard.seen = Some(place);
    if shard.whole.is_some_and(|whole| place.0 <= whole) {
        return Effect::New;
    }
    shard.applied = Some(place.0);
    match fact {
        CacheFact::Committed { address, deleted: true, .. } => drop(shard.values.remove(address)),
        CacheFact::Committed { address, version, preview, .. } => {
            let value = Committed { version: *version, preview: preview.as_str().into() };
            shard.values.insert(address.clone(), value);
            bound_values(shard);
        }
        CacheFact::Revoked { address, version } => {
            // The value stays. One that is not known one by one stays unknown.
            if let Some(value) = shard.values.get_mut(address) {
                value.version = *version;
            }
        }
        CacheFact::Begun { tenure } => shard.begun = *tenure,
        CacheFact::Opened { tenure } => shard.opened = *tenure,
    }
    Effect::New
}

fn bound_values(shard: &mut ShardValues) {
    while shard.values.len() > LINES_MAX {
        let oldest = shard.values.iter().min_by_key(|(_, value)| value.version);
        let Some(oldest) = oldest.map(|(address, _)| address.clone()) else { break };
        shard.values.remove(&oldest);
        shard.more = true;
    }
}

/// Folds in what happened to a line of a node.
pub(super) fn line(view: &mut View, node: &NodeName, shard: GroupId, fact: &LineFact, now_us: u64) {
    let cache = view.cache.nodes.get_or_default(node);
    let (LineFact::Changed { address, .. }
    | LineFact::Lost { address, .. }
    | LineFact::Unresolved { address, .. }
    | LineFact::Hit { address, .. }) = fact;
    let copy = cache.lines.get_or_default(address);
    copy.shard = shard;
    match fact {
        LineFact::Changed { from, to, cause, version, .. } => {
            // Whoever lost the lease, or gave the line to the home, still has what it wrote.
            let keeps = matches!(cause, Cause::LeaseOut | Cause::Fetch | Cause::FetchInv);
            copy.unsaved = *to == State::M || (copy.unsaved || *from == State::M) && keeps;
            copy.state = *to;
            copy.version = *version;
            copy.lost_us = None;
            copy.moved = Some(Moved { at_us: now_us, from: *from, to: *to, cause: *cause });
        }
        LineFact::Lost { version, .. } => {
            copy.unsaved = false;
            copy.version = *version;
            copy.lost_us = Some(now_us);
        }
        // Whether it is lost is not known: it is overwritten either way.
        LineFact::Unresolved { version, .. } => {
            copy.unsaved = false;
            copy.version = *version;
        }
        LineFact::Hit { state, .. } => {
            copy.state = *state;
            copy.unsaved |= *state == State::M;
            copy.hit_us = Some(now_us);
        }
    }
    bound_lines(cache);
}

/// Above the bound what is gone goes first, then what changed longest ago.
fn bound_lines(cache: &mut NodeCache) {
    while cache.lines.len() > LINES_MAX {
        let used = |copy: &LineCopy| copy.moved.map(|moved| moved.at_us).max(copy.hit_us);
        let first = cache.lines.iter().min_by_key(|(_, copy)| (copy.state != State::I, used(copy)));
        let Some((address, there)) = first.map(|(at, copy)| (at.clone(), copy.state != State::I)) else {
            break;
        };
        cache.lines.remove(&address);
        cache.more |= there;
    }
}

/// Takes over what a node counted.
pub(super) fn used(view: &mut View, node: &NodeName, stats: &Stats, now_us: u64) {
    let cache = view.cache.nodes.get_or_default(node);
    count(cache, stats, Some(now_us));
}

/// `at_us` where it is news how much was asked since the last report.
fn count(cache: &mut NodeCache, stats: &Stats, at_us: Option<u64>) {
    if let Some(at_us) = at_us {
        let rate = Rate {
            at_us,
            hits: stats.hits.saturating_sub(cache.stats.hits),
            misses: stats.misses.saturating_sub(cache.stats.misses),
        };
        if cache.rates.len() >= RATES_MAX {
            cache.rates.remove(0);
        }
        cache.rates.push(rate);
    }
    cache.stats = stats.clone();
}

/// Folds in what happened at a home.
pub(super) fn home(view: &mut View, node: &NodeName, shard: GroupId, fact: &HomeFact, now_us: u64) {
    match fact {
        HomeFact::Window { term, left_us } => {
            let window = Timer { started_us: now_us, due_us: *left_us };
            begin(view, node, shard, *term, Some(window));
        }
        HomeFact::Open { term } => begin(view, node, shard, *term, None),
        HomeFact::Ended { term } => {
            let over = |of: &GroupId, home: &Home| *of == shard && home.node == *node && home.term <= *term;
            view.cache.homes.retain(|of, home| !over(of, home));
        }
        HomeFact::Recalling { question, address, asker, wants, of } => {
            let Some(home) = present(view, node, shard) else { return };
            let recalls = Recalls {
                address: address.clone(),
                asker: asker.clone(),
                wants: *wants,
                since_us: now_us,
                of: of.iter().map(|waited| waits(waited, now_us)).collect(),
            };
            home.recalls.insert(*question, recalls);
            bound_recalls(home);
        }
        HomeFact::Recalled { question, node: who, how, .. } => {
            let Some(home) = present(view, node, shard) else { return };
            let Some(recalls) = home.recalls.get_mut(question) else { return };
            for one in recalls.of.iter_mut().filter(|one| one.node == *who && one.ended.is_none()) {
                one.ended = Some((now_us, *how));
            }
        }
        HomeFact::Held { address, owner, sharers } => {
            let Some(home) = present(view, node, shard) else { return };
            hold(home, address, owner.clone(), sharers, now_us);
        }
    }
}

/// A tenure waits for the leases of the one before, or grants from now on.
fn begin(view: &mut View, node: &NodeName, shard: GroupId, term: Term, window: Option<Timer>) {
    let newer = view.cache.homes.get(&shard).is_some_and(|known| known.term > term);
    if newer {
        return;
    }
    let home = view.cache.homes.get_or_default(&shard);
    if home.term != term || home.node != *node {
        *home = Home { node: node.clone(), term, ..Home::default() };
    }
    home.open = window.is_none();
    home.window = window;
}

/// The home, if this node is it. A leader whose tenure began before the recording did is one, too.
fn present<'a>(view: &'a mut View, node: &NodeName, shard: GroupId) -> Option<&'a mut Home> {
    let leads = view.node(node).and_then(|node| node.groups.get(&shard));
    let term = leads.filter(|part| part.role == Role::Leader).map(|part| part.term);
    match view.cache.homes.get(&shard) {
        Some(home) if home.node != *node => return None,
        Some(_) => {}
        None => begin(view, node, shard, term?, None),
    }
    view.cache.homes.get_mut(&shard)
}

fn waits(waited: &Waited, now_us: u64) -> Recalled {
    Recalled {
        node: waited.node.clone(),
        recall: waited.recall,
        lease: Timer { started_us: now_us, due_us: waited.gone_in_us },
        ended: None,
    }
}

fn bound_recalls(home: &mut Home) {
    while home.recalls.len() > RECALLS_MAX {
        let first =
            home.recalls.iter().min_by_key(|(_, recalls)| (recalls.over_us().is_none(), recalls.since_us));
        let Some(question) = first.map(|(question, _)| *question) else { break };
        home.recalls.remove(&question);
    }
}

fn hold(home: &mut Home, address: &Address, owner: Option<NodeName>, sharers: &[NodeName], now_us: u64) {
    if owner.is_none() && sharers.is_empty() {
        home.lines.remove(address);
        return;
    }
    let held = Held { owner, sharers: sharers.to_vec(), since_us: now_us };
    home.lines.insert(address.clone(), held);
    while home.lines.len() > LINES_MAX {
        let oldest = home.lines.iter().min_by_key(|(_, held)| held.since_us);
        let Some(oldest) = oldest.map(|(address, _)| address.clone()) else { break };
        home.lines.remove(&oldest);
        home.more = true;
    }
}

/// A node's role in a shard changed: who leads no more, or in a newer term, is not the home that it was.
pub(super) fn role(view: &mut View, node: &NodeName, shard: GroupId, role: Role, term: Term) {
    let over = |of: &GroupId, home: &Home| {
        let mine = home.node == *node && (role != Role::Leader || term > home.term);
        let others = role == Role::Leader && term > home.term;
        *of == shard && (mine || others)
    };
    view.cache.homes.retain(|of, home| !over(of, home));
}

/// What the process had in its memory is gone: its copies, and what it knew as a home.
pub(super) fn forget_boot(view: &mut View, node: &NodeName) {
    view.cache.homes.retain(|_, home| home.node != *node);
    let Some(cache) = view.cache.nodes.get_mut(node) else { return };
    for copy in cache.lines.values_mut() {
        *copy = LineCopy { shard: copy.shard, version: copy.version, ..LineCopy::default() };
    }
    cache.more = false;
    cache.stats = Stats::default();
}

/// The node is no member any more.
pub(super) fn forget_node(view: &mut View, node: &NodeName) {
    view.cache.nodes.remove(node);
    view.cache.homes.retain(|_, home| home.node != *node);
}
