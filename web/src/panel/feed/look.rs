//! Which sentences the feed shows, and the sign before each.

use std::sync::Arc;

use orrery_narrate::{Line, Topic};

/// Lines that are drawn.
const LINES: usize = 80;

pub fn glyph(topic: Topic) -> &'static str {
    match topic {
        Topic::Log => "▢",
        Topic::Request => "→",
        Topic::Lock => "▣",
        Topic::Link => "⚡",
        Topic::Ring => "◍",
        Topic::Queue => "✉",
        Topic::Cache => "▤",
        Topic::Election => "♛",
        Topic::Process => "◉",
        Topic::Deadlock => "⟳",
    }
}

/// The newest sentences, newest first: every one, or only those that are more than the steady work.
pub fn shown(lines: &[Arc<Line>], every: bool) -> Vec<Arc<Line>> {
    let wanted = lines.iter().rev().filter(|line| every || line.topic >= Topic::Lock || line.bad);
    wanted.take(LINES).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Arrows, geometric shapes and dingbats are in the fonts of every system; newer symbols are boxes on many.
    #[test]
    fn fonts_have_every_glyph() {
        use Topic as T;
        let all = [
            T::Log,
            T::Request,
            T::Lock,
            T::Link,
            T::Ring,
            T::Queue,
            T::Cache,
            T::Election,
            T::Process,
            T::Deadlock,
        ];
        for topic in all {
            let known = |c: char| matches!(u32::from(c), 0x2190..=0x21ff | 0x25a0..=0x25ff | 0x2600..=0x26b8 | 0x2701..=0x27ff);
            assert!(glyph(topic).chars().all(known), "{}", glyph(topic));
        }
    }

    #[test]
    fn steady_work_is_shown_only_when_it_is_asked_for_or_bad() {
        let line = |at_us: u64, topic: Topic, bad: bool| {
            let words = ["".into(), "".into()];
            let node = "node1".into();
            Arc::new(Line { at_us, node, topic, bad, count: 1, others: 0, late: false, alike: "", words })
        };
        let mut lines =
            vec![line(1, Topic::Log, false), line(2, Topic::Request, true), line(3, Topic::Lock, false)];
        let times = |lines: &[Arc<Line>], every: bool| {
            shown(lines, every).iter().map(|line| line.at_us).collect::<Vec<_>>()
        };
        assert_eq!(times(&lines, true), [3, 2, 1]);
        assert_eq!(times(&lines, false), [3, 2]);
        lines.extend((4..200).map(|at_us| line(at_us, Topic::Election, false)));
        assert_eq!((times(&lines, false).len(), times(&lines, false)[0]), (LINES, 199));
    }
}
