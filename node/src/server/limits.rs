//! How many connections there may be, and for how long one may do nothing.

use std::time::Duration;

/// Descriptors that the node keeps for itself where it has plenty: files, what it dials, peers that dial it.
const OWN_DESCRIPTORS: u64 = 256;

/// Bounds of a server's connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections of clients, 1 and more. At the bound, the one that was idle for the longest time goes.
    pub connections_max: usize,
    /// Connections beyond it whose first request has not come yet: peers get in although all clients are busy.
    pub newcomers_max: usize,
    /// Longest time until a request's header is complete.
    pub header_max: Duration,
    /// Longest time between two requests.
    pub idle_max: Duration,
    /// Longest time in which a client reads nothing of what waits for it.
    pub unread_max: Duration,
    /// How long a request is worked on after its client closed its sending half. A client that went away looks the
    /// same, and what it waits for is cancelled then.
    pub half_closed_max: Duration,
    /// Longest time in which a closed connection waits for its client to read the last answer.
    pub linger_max: Duration,
    /// Longest time without being able to accept anybody; then leadership is given up.
    pub deaf_max: Duration,
}

impl Limits {
    /// So many clients, where the process may have `descriptors` open files: at most half of these, or all but 256.
    #[must_use]
    pub fn new(connections_max: usize, descriptors: Option<u64>) -> Limits {
        let room = descriptors.map_or(usize::MAX, |all| {
            usize::try_from(all - OWN_DESCRIPTORS.min(all / 2)).unwrap_or(usize::MAX)
        });
        let connections_max = connections_max.min(room).max(1);
        Limits {
            connections_max,
            newcomers_max: (connections_max / 4).clamp(1, 64),
            header_max: Duration::from_secs(10),
            idle_max: Duration::from_secs(75),
            unread_max: Duration::from_secs(60),
            half_closed_max: Duration::from_secs(2),
            linger_max: Duration::from_secs(1),
            deaf_max: Duration::from_secs(2),
        }
    }
}

/// Raises the number of files that this process may have open to what the system allows it. Gives that number, where
/// it is known and bounded.
#[cfg(unix)]
pub fn raise_descriptors() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the number of open files stays at {:?}", limit.current);
    }
    getrlimit(Resource::Nofile).current
}

/// There is no such bound here.
#[cfg(not(unix))]
pub fn raise_descriptors() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_descriptors_for_the_node() {
        for (descriptors, clients) in
            [(Some(64), 32), (Some(512), 256), (Some(1_024), 768), (Some(1 << 20), 4_096), (None, 4_096)]
        {
            assert_eq!(Limits::new(4_096, descriptors).connections_max, clients, "{descriptors:?}");
        }
        assert_eq!(Limits::new(10, Some(64)).connections_max, 10);
        assert_eq!(Limits::new(4_096, Some(0)).connections_max, 1);
    }

    #[cfg(unix)]
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        raise_descriptors();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
