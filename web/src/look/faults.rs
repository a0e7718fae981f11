//! What is broken just now.

use orrery_base::ids::NodeName;
use orrery_event::fact::LEFT_CLUSTER;
use orrery_projection::view::{Process, View};

/// A wall clock that is further off than this is shown as altered.
pub const CLOCK_OFFSET_SHOWN_US: u64 = 200_000;

/// For so long a gap in a node's events is listed.
const GAP_SHOWN_US: u64 = 30_000_000;

/// One thing that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process that is not there.
    Down {
        node: NodeName,
        since_us: u64,
        killed: bool,
    },
    Paused {
        node: NodeName,
        since_us: u64,
    },
    /// A link that somebody cut.
    Cut {
        from: NodeName,
        to: NodeName,
    },
    /// A link that somebody slowed down, or made lose messages.
    Impaired {
        from: NodeName,
        /// The node that they go to.
        to: NodeName,
        /// They arrive so much later, milliseconds; 0 where they do not.
        delay_ms: u32,
        /// So many of a hundred get lost, 0 to 100.
        loss_percent: u8,
    },
    /// Events that will never come.
    Gap {
        node: NodeName,
        events: u64,
    },
    /// A wall clock that is off.
    Clock {
        node: NodeName,
        offset_us: i64,
    },
}

fn killed(cause: &str) -> bool {
    cause.as_bytes().windows(4).any(|word| word == b"kill")
}

/// Everything that is broken in the view.
pub fn faults(view: &View) -> Vec<Fault> {
    let mut faults = Vec::new();
    for node in view.in_order() {
        let (name, since_us) = (node.name.clone(), node.process_since_us);
        match node.process {
            // It was asked to.
            Process::Down if node.exit_cause == LEFT_CLUSTER => {}
            Process::Down => {
                faults.push(Fault::Down { node: name, since_us, killed: killed(&node.exit_cause) });
            }
            Process::Paused => faults.push(Fault::Paused { node: name, since_us }),
            Process::Up | Process::Unknown => {}
        }
        if node.clock_offset_us.unsigned_abs() > CLOCK_OFFSET_SHOWN_US && node.process != Process::Down {
            faults.push(Fault::Clock { node: node.name.clone(), offset_us: node.clock_offset_us });
        }
    }
    for ((from, to), link) in &view.links {
        if link.cut {
            faults.push(Fault::Cut { from: from.clone(), to: to.clone() });
        } else if link.is_impaired() {
            let (from, to) = (from.clone(), to.clone());
            let (delay_ms, loss_percent) = (link.delay_ms, link.loss_percent);
            faults.push(Fault::Impaired { from, to, delay_ms, loss_percent });
        }
    }
    let now_us = view.at.wall_us();
    for gap in view.gaps.iter().filter(|gap| now_us.saturating_sub(gap.to_us) < GAP_SHOWN_US) {
        faults.push(Fault::Gap { node: gap.node.clone(), events: gap.last.saturating_sub(gap.first) + 1 });
    }
    faults
}
