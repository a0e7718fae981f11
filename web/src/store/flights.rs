//! Every message of the recording, with its send and its end, found by time.

use std::collections::VecDeque;

use orrery_base::sorted::SortedMap;
use orrery_event::Fact;
use orrery_event::fact::MessageId;
use orrery_projection::view::{FLIGHT_US_MAX, Flight, FlightEnd};

/// Most messages that are kept; the oldest go first.
pub const FLIGHTS_MAX: usize = 60_000;
/// So many messages may be without an end before the old ones among them are looked for.
const OPEN_MAX: usize = 4_096;
/// Messages of one block share the bound of their ends, so that a search skips what is over.
const BLOCK: u64 = 64;

/// All messages in the order of their sends.
#[derive(Debug, Default)]
pub struct Flights {
    flights: VecDeque<Flight>,
    /// Number of the first one that is kept.
    first: u64,
    /// Latest end in each block, microseconds; block `k` has numbers `k * BLOCK ..`.
    ends: VecDeque<u64>,
    /// Numbers of those whose end did not come yet.
    open: SortedMap<MessageId, u64>,
    /// Arrived before their send came.
    early: SortedMap<MessageId, FlightEnd>,
}

impl Flights {
    /// Notes a send, a receive or a loss.
    pub fn handle_fact(&mut self, at_us: u64, fact: &Fact, adjusted: bool) {
        match fact {
            Fact::Sent { message, group, to, body } => {
                let end = self.early.remove(message);
                let flight = Flight {
                    id: message.clone(),
                    group: *group,
                    from: message.from.clone(),
                    to: to.clone(),
                    body: body.clone(),
                    sent_us: at_us,
                    end,
                    adjusted,
                };
                self.insert(flight);
            }
            Fact::Received { message, .. } => {
                self.end(message, FlightEnd::Received { at_us }, adjusted);
            }
            Fact::Lost { message, why, .. } => {
                self.end(message, FlightEnd::Lost { at_us, why: *why }, adjusted)
            }
            _ => {}
        }
    }

    /// Messages that are on their way at `at_us`, or ended at most `after_us` before, oldest send first.
    pub fn at(&self, at_us: u64, after_us: u64) -> impl Iterator<Item = &Flight> {
        self.during(at_us.saturating_sub(after_us), at_us)
    }

    /// Messages that were on their way at some time between two moments, oldest send first.
    pub fn during(&self, from_us: u64, to_us: u64) -> impl Iterator<Item = &Flight> {
        let until = self.flights.partition_point(|flight| flight.sent_us <= to_us) as u64 + self.first;
        let oldest_us = from_us.saturating_sub(FLIGHT_US_MAX);
        let from = self.flights.partition_point(|flight| flight.sent_us < oldest_us) as u64 + self.first;
        let first_block = self.first / BLOCK;
        (from / BLOCK..=until / BLOCK)
            .filter(move |block| {
                let place = block.checked_sub(first_block);
                place.and_then(|place| self.ends.get(place as usize)).is_some_and(|end| *end >= from_us)
            })
            .flat_map(move |block| (block * BLOCK).max(from)..((block + 1) * BLOCK).min(until))
            .filter_map(move |number| self.flights.get((number - self.first) as usize))
            .filter(move |flight| end_us(flight) >= from_us)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.flights.is_empty()
    }

    /// Forgets what was sent before a moment.
    pub fn forget_before(&mut self, us: u64) {
        while self.flights.front().is_some_and(|flight| flight.sent_us < us) {
            self.drop_oldest();
        }
    }

    fn insert(&mut self, flight: Flight) {
        let place = self.flights.partition_point(|other| other.sent_us <= flight.sent_us);
        let number = self.first + place as u64;
        if flight.end.is_none() {
            self.open.insert(flight.id.clone(), number);
        }
        let in_order = place == self.flights.len();
        if self.open.len() > OPEN_MAX {
            self.forget_open(flight.sent_us);
        }
        let end_us = end_us(&flight);
        self.flights.insert(place, flight);
        if in_order {
            self.note_end(number, end_us);
        } else {
            self.renumber();
        }
        while self.flights.len() > FLIGHTS_MAX {
            self.drop_oldest();
        }
    }

    fn end(&mut self, id: &MessageId, end: FlightEnd, adjusted: bool) {
        let Some(number) = self.open.remove(id) else {
            if self.early.len() >= BLOCK as usize {
                self.early = SortedMap::default();
            }
            self.early.insert(id.clone(), end);
            return;
        };
        let Some(flight) = self.flights.get_mut(number.wrapping_sub(self.first) as usize) else { return };
        flight.end = Some(end);
        flight.adjusted |= adjusted;
        self.note_end(number, end.at_us());
    }

    /// Of what was sent so long ago that it is not drawn any more, the end does not matter.
    fn forget_open(&mut self, now_us: u64) {
        let (first, flights) = (self.first, &self.flights);
        self.open.retain(|_, number| {
            let flight = flights.get(number.wrapping_sub(first) as usize);
            flight.is_some_and(|flight| flight.sent_us + FLIGHT_US_MAX >= now_us)
        });
    }

    fn note_end(&mut self, number: u64, end_us: u64) {
        let place = (number / BLOCK - self.first / BLOCK) as usize;
        while self.ends.len() <= place {
            self.ends.push_back(0);
        }
        if let Some(end) = self.ends.get_mut(place) {
            *end = (*end).max(end_us);
        }
    }

    /// A message came late and moved the numbers of those after it. Rare.
    fn renumber(&mut self) {
        self.ends.clear();
        self.open = SortedMap::default();
        let ends: Vec<(u64, u64)> = (self.first..).zip(self.flights.iter().map(end_us)).collect();
        for (number, end_us) in ends {
            self.note_end(number, end_us);
        }
        let open = (self.first..).zip(&self.flights).filter(|(_, flight)| flight.end.is_none());
        for (number, flight) in open {
            self.open.insert(flight.id.clone(), number);
        }
    }

    fn drop_oldest(&mut self) {
        let Some(flight) = self.flights.pop_front() else { return };
        self.open.remove(&flight.id);
        self.first += 1;
        if self.first.is_multiple_of(BLOCK) {
            self.ends.pop_front();
        }
    }
}

/// When it ended or will be given up.
fn end_us(flight: &Flight) -> u64 {
    flight.end.map_or(flight.sent_us + FLIGHT_US_MAX, FlightEnd::at_us)
}

#[cfg(test)]
mod tests {
    use orrery_base::ids::GroupId;
    use orrery_event::fact::{LostWhy, Message};

    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId { from: "a".into(), boot: 1, number }
    }

    fn send(flights: &mut Flights, number: u64, at_us: u64) {
        let (group, body) = (GroupId::CONTROL, Message::ReadIndex);
        let fact = Fact::Sent { message: id(number), group, to: "b".into(), body };
        flights.handle_fact(at_us, &fact, false);
    }

    fn receive(flights: &mut Flights, number: u64, at_us: u64) {
        let fact = Fact::Received { message: id(number), group: GroupId::CONTROL, body: Message::ReadIndex };
        flights.handle_fact(at_us, &fact, false);
    }

    fn numbers<'a>(flights: impl Iterator<Item = &'a Flight>) -> Vec<u64> {
        flights.map(|flight| flight.id.number).collect()
    }

    #[test]
    fn those_on_their_way_are_found() {
        let mut flights = Flights::default();
        for number in 0..1_000 {
            send(&mut flights, number, number * 100);
            if number != 500 {
                receive(&mut flights, number, number * 100 + 150);
            }
        }
        assert_eq!(numbers(flights.at(300, 0)), [2, 3]);
        assert_eq!(numbers(flights.at(90_000, 0)), [500, 899, 900]);
        assert_eq!(numbers(flights.at(350, 100)), [1, 2, 3]);
    }

    #[test]
    fn a_lost_one_ends_when_its_sender_knows() {
        let mut flights = Flights::default();
        send(&mut flights, 1, 1_000);
        let fact = Fact::Lost { message: id(1), group: GroupId::CONTROL, to: "b".into(), why: LostWhy::Cut };
        flights.handle_fact(1_500, &fact, false);
        assert_eq!(numbers(flights.at(1_400, 0)), [1]);
        assert_eq!(numbers(flights.at(1_600, 0)), Vec::<u64>::new());
    }

    #[test]
    fn late_sends_are_inserted_and_keep_their_ends() {
        let mut flights = Flights::default();
        receive(&mut flights, 7, 250);
        send(&mut flights, 1, 100);
        send(&mut flights, 3, 300);
        send(&mut flights, 7, 200);
        receive(&mut flights, 3, 400);
        receive(&mut flights, 1, 120);
        assert_eq!(numbers(flights.at(240, 0)), [7]);
        assert_eq!(numbers(flights.at(350, 0)), [3]);
        assert_eq!(numbers(flights.at(110, 0)), [1]);
    }

    #[test]
    fn it_is_bounded() {
        let mut flights = Flights::default();
        let count = FLIGHTS_MAX as u64 + 1_000;
        for number in 0..count {
            send(&mut flights, number, number * 10);
            receive(&mut flights, number, number * 10 + 5);
        }
        assert_eq!(flights.len(), FLIGHTS_MAX);
        assert_eq!(numbers(flights.at((count - 1) * 10 + 1, 0)), [count - 1]);
        flights.forget_before(count * 10);
        assert!(flights.is_empty());
    }
}
