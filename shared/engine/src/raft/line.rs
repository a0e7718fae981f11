//! A line of things that wait, bounded in number and bytes, out of which batches are taken.

use std::collections::VecDeque;

/// What one batch, and the whole line, may have.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most things in a batch.
    pub batch: usize,
    /// Most bytes in a batch, unless a single thing has more.
    pub batch_bytes: usize,
    /// Most things that wait.
    pub waiting: usize,
    /// Most bytes that wait, unless a thing waits alone.
    pub waiting_bytes: usize,
}

/// First come, first served; who goes away leaves.
#[derive(Debug)]
pub struct Line<T> {
    bounds: Bounds,
    /// In the order of their numbers.
    things: VecDeque<Thing<T>>,
    bytes: usize,
    next: u64,
}

#[derive(Debug)]
struct Thing<T> {
    number: u64,
    bytes: usize,
    value: T,
}

impl<T> Line<T> {
    pub fn new(bounds: Bounds) -> Self {
        Line { bounds, things: VecDeque::new(), bytes: 0, next: 0 }
    }

    pub fn len(&self) -> usize {
        self.things.len()
    }

    /// At the end of the line, with the number that it gets there. None at a bound: it does not wait.
    pub fn join(&mut self, value: T, bytes: usize) -> Option<u64> {
        let Bounds { waiting, waiting_bytes, .. } = self.bounds;
        let crowded = !self.things.is_empty() && self.bytes + bytes > waiting_bytes;
        if self.things.len() >= waiting || crowded {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.bytes += bytes;
        self.things.push_back(Thing { number, bytes, value });
        Some(number)
    }

    /// Whether it was still there.
    pub fn leave(&mut self, number: u64) -> bool {
        let Ok(at) = self.things.binary_search_by_key(&number, |thing| thing.number) else { return false };
        let left = self.things.remove(at);
        self.bytes -= left.as_ref().map_or(0, |left| left.bytes);
        left.is_some()
    }

    /// The next batch; empty when nobody waits.
    pub fn take(&mut self) -> Vec<T> {
        let Bounds { batch, batch_bytes, .. } = self.bounds;
        let mut bytes = 0;
        let within = |thing: &&Thing<T>| {
            let first = bytes == 0;
            bytes += thing.bytes;
            first || bytes <= batch_bytes
        };
        let count = self.things.iter().take(batch).take_while(within).count();
        let taken = self.things.drain(..count);
        let (mut values, mut gone) = (Vec::with_capacity(count), 0);
        for thing in taken {
            gone += thing.bytes;
            values.push(thing.value);
        }
        self.bytes -= gone;
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<char> {
        Line::new(Bounds { batch: 3, batch_bytes: 10, waiting: 6, waiting_bytes: 40 })
    }

    #[test]
    fn batches_have_bounds_and_at_least_one() {
        let table: [(&[usize], &[usize]); 6] = [
            (&[], &[]),
            (&[1, 1, 1, 1], &[3, 1]),
            (&[0, 0, 0, 0], &[3, 1]),
            (&[5, 5, 1], &[2, 1]),
            (&[30, 1, 1], &[1, 2]),
            (&[4, 30, 1], &[1, 1, 1]),
        ];
        for (waiting, batches) in table {
            let mut line = line();
            for bytes in waiting {
                assert!(line.join('x', *bytes).is_some());
            }
            for batch in batches {
                assert_eq!(line.take().len(), *batch, "{waiting:?}");
            }
            assert_eq!((line.len(), line.bytes), (0, 0), "{waiting:?}");
            assert!(line.take().is_empty());
        }
    }

    #[test]
    fn the_line_has_bounds_and_whoever_leaves_makes_room() {
        let mut line = line();
        let first = line.join('a', 39).expect("room");
        assert_eq!(line.join('b', 2), None, "too many bytes");
        let second = line.join('c', 1).expect("room");
        assert!(line.leave(first));
        assert!(!line.leave(first) && !line.leave(99));
        assert!(line.join('d', 2).is_some());
        assert_eq!(line.take(), ['c', 'd']);
        assert!(!line.leave(second), "taken");
        assert!(line.join('e', 1_000).is_some(), "alone");
        for _ in 1..6 {
            assert!(line.join('f', 0).is_none(), "a larger one waits");
        }
        assert_eq!(line.take(), ['e']);
        let joined = (0..10).filter_map(|_| line.join('g', 0)).count();
        assert_eq!(joined, 6);
    }
}
