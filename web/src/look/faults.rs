//! What is broken just now.

use orrery_base::fault::Fault;
use orrery_base::ids::NodeName;
use orrery_event::fact::LEFT_CLUSTER;
use orrery_projection::view::{Process, View};

/// A wall clock that is further off than this is shown as altered.
pub const CLOCK_OFFSET_SHOWN_US: u64 = 200_000;

/// For so long a gap in a node's events is listed.
const GAP_SHOWN_US: u64 = 30_000_000;

/// One thing that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
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
    /// A link of which somebody broke one direction.
    Link {
        from: NodeName,
        to: NodeName,
        fault: Fault,
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
pub fn broken(view: &View) -> Vec<Broken> {
    let mut broken = Vec::new();
    for node in view.in_order() {
        let (name, since_us) = (node.name.clone(), node.process_since_us);
        match node.process {
            // It was asked to.
            Process::Down if node.exit_cause == LEFT_CLUSTER => {}
            Process::Down => {
                broken.push(Broken::Down { node: name, since_us, killed: killed(&node.exit_cause) });
            }
            Process::Paused => broken.push(Broken::Paused { node: name, since_us }),
            Process::Up | Process::Unknown => {}
        }
        if node.clock_offset_us.unsigned_abs() > CLOCK_OFFSET_SHOWN_US && node.process != Process::Down {
            broken.push(Broken::Clock { node: node.name.clone(), offset_us: node.clock_offset_us });
        }
    }
    for ((from, to), link) in &view.links {
        if !link.fault.is_none() {
            let (from, to, fault) = (from.clone(), to.clone(), link.fault);
            broken.push(Broken::Link { from, to, fault });
        }
    }
    let now_us = view.at.wall_us();
    for gap in view.gaps.iter().filter(|gap| now_us.saturating_sub(gap.to_us) < GAP_SHOWN_US) {
        broken.push(Broken::Gap { node: gap.node.clone(), events: gap.last.saturating_sub(gap.first) + 1 });
    }
    broken
}
