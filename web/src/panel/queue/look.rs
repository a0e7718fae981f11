//! A topic's bins and deliveries as they are drawn.

use orrery_base::ids::GroupId;
use orrery_base::sorted::sort_by;
use orrery_projection::view::View;
use smol_str::{SmolStr, ToSmolStr as _};

/// Most deliveries and dead letters of a topic that are drawn one by one.
pub const SHOWN_MAX: usize = 12;

/// One topic over all shards: of one consumer group, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicLook {
    pub groups: Vec<SmolStr>,
    /// For the next consumes.
    pub ready: u64,
    /// Behind an earlier message of their key.
    pub blocked: u64,
    pub in_flight: u64,
    /// Not yet: published or given back with a delay.
    pub delayed: u64,
    pub acknowledged: u64,
    pub dead: u64,
    /// Deliveries in flight that are known one by one, at most [`SHOWN_MAX`].
    pub flights: Vec<FlightLook>,
    /// The newest dead letters, at most [`SHOWN_MAX`].
    pub letters: Vec<LetterLook>,
}

/// A delivery in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlightLook {
    pub id: SmolStr,
    /// Its shard: whose lease clock its end is on.
    pub shard: GroupId,
    pub group: SmolStr,
    pub consumer: SmolStr,
    /// 1 is the first.
    pub attempt: u32,
    /// From when, on the shard's lease clock.
    pub since_ms: u64,
    pub visible_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterLook {
    pub id: SmolStr,
    pub group: SmolStr,
    /// How often it was delivered.
    pub attempts: u32,
}

/// The names of all topics.
pub fn topics_of(view: &View) -> Vec<SmolStr> {
    view.topics()
}

impl TopicLook {
    /// Of a topic; of one consumer group where one is chosen.
    pub fn of(view: &View, topic: &str, chosen: Option<&str>) -> TopicLook {
        let bins = view.bins(topic);
        let group = bins.groups.iter().find(|group| Some(group.group.as_str()) == chosen);
        let wanted = |group: &str| chosen.is_none_or(|chosen| chosen == group);
        let all = group.map_or(bins.all, |group| group.all);
        let flights = view.in_flight(topic).filter(|flight| wanted(&flight.what.group));
        let mut flights: Vec<FlightLook> = flights
            .map(|flight| FlightLook {
                id: flight.id.to_smolstr(),
                shard: flight.id.shard,
                group: flight.what.group.clone(),
                consumer: flight.what.consumer.clone(),
                attempt: flight.what.attempt,
                since_ms: flight.what.since_ms,
                visible_at_ms: flight.what.visible_at_ms,
            })
            .collect();
        // The shards' clocks are not one, but nearly: what ends first stands first.
        sort_by(&mut flights, |a, b| (a.visible_at_ms, &a.id).cmp(&(b.visible_at_ms, &b.id)));
        flights.truncate(SHOWN_MAX);
        let letters = view.dead_letters(topic).filter(|letter| wanted(&letter.what.group));
        let mut letters: Vec<LetterLook> = letters
            .map(|letter| LetterLook {
                id: letter.id.to_smolstr(),
                group: letter.what.group.clone(),
                attempts: letter.what.attempts,
            })
            .collect();
        letters.drain(..letters.len().saturating_sub(SHOWN_MAX));
        TopicLook {
            groups: bins.groups.iter().map(|group| group.group.clone()).collect(),
            ready: all.ready,
            blocked: all.blocked,
            in_flight: all.in_flight,
            delayed: bins.all.delayed + all.given_back,
            acknowledged: all.acknowledged,
            dead: all.dead,
            flights,
            letters,
        }
    }
}

/// What is left of a delivery's visibility: a part from 1 to 0, and milliseconds.
pub fn visibility_left(view: &View, flight: &FlightLook, now_us: u64) -> (f64, u64) {
    let Some(shard) = view.queues.get(&flight.shard) else { return (0.0, 0) };
    let left_ms = flight.visible_at_ms.saturating_sub(shard.clock_ms(now_us));
    let whole_ms = flight.visible_at_ms.saturating_sub(flight.since_ms).max(1);
    ((left_ms as f64 / whole_ms as f64).min(1.0), left_ms)
}
