//! Where streams are: derived from where the page was loaded from.

use orrery_shared::ids::{BootEpoch, Sequence};

/// Shortest and longest pause before a stream is tried again, milliseconds.
pub const BACKOFF_MS: std::ops::RangeInclusive<u32> = 150..=2_000;

/// Where the page was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host without its port, as the browser writes it.
    pub hostname: String,
    /// `host:port`.
    pub host: String,
    /// Over TLS.
    pub secure: bool,
}

impl Place {
    /// A member's `host:port`, with its host replaced by the one that the page was loaded from.
    pub fn address_of(&self, member: &str) -> String {
        match member.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => format!("{}:{port}", self.hostname),
            _ => member.to_owned(),
        }
    }

    /// The URL of an address's stream, resumed after a cursor where there is one.
    pub fn stream_url(&self, address: &str, cursor: Option<(BootEpoch, Sequence)>) -> String {
        let scheme = if self.secure { "wss" } else { "ws" };
        // A node that was started anew meanwhile tells its whole boot, where it still has it.
        let resume =
            cursor.map(|(boot, after)| format!("&boot={boot}&after={after}&from=boot")).unwrap_or_default();
        format!("{scheme}://{address}/ws/events?codec=postcard{resume}")
    }

    /// The URL of a path at the place itself.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.host)
    }
}

/// The pause before try number `tries` (0 is the first after a break), spread by `random` from 0 to 1 so that
/// a classroom does not come back in one moment.
pub fn backoff_ms(tries: u32, random: f64) -> u32 {
    let most = BACKOFF_MS.start().saturating_mul(1 << tries.min(8)).min(*BACKOFF_MS.end());
    let least = f64::from(*BACKOFF_MS.start());
    (least + (f64::from(most) - least) * (0.5 + random.clamp(0.0, 1.0) / 2.0)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(hostname: &str, secure: bool) -> Place {
        Place { hostname: hostname.into(), host: format!("{hostname}:8000"), secure }
    }

    #[test]
    fn members_are_where_the_page_is_from() {
        for (hostname, member, address) in [
            ("127.0.0.1", "127.0.0.1:8001", "127.0.0.1:8001"),
            ("localhost", "127.0.0.1:8002", "localhost:8002"),
            ("[::1]", "127.0.0.1:8003", "[::1]:8003"),
            ("192.168.1.7", "0.0.0.0:8004", "192.168.1.7:8004"),
            ("localhost", "elsewhere", "elsewhere"),
        ] {
            assert_eq!(place(hostname, false).address_of(member), address);
        }
    }

    #[test]
    fn a_stream_is_resumed_by_its_cursor() {
        let place = place("localhost", false);
        assert_eq!(place.stream_url("localhost:8001", None), "ws://localhost:8001/ws/events?codec=postcard");
        assert_eq!(
            place.stream_url("localhost:8001", Some((3, 99))),
            "ws://localhost:8001/ws/events?codec=postcard&boot=3&after=99&from=boot"
        );
    }

    #[test]
    fn the_pause_grows_and_is_bounded() {
        assert_eq!(backoff_ms(0, 0.5), *BACKOFF_MS.start());
        let pauses: Vec<u32> = (0..20).map(|tries| backoff_ms(tries, 1.0)).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(BACKOFF_MS.end()));
        assert!((0..20).all(|tries| backoff_ms(tries, 0.0) >= *BACKOFF_MS.start()));
    }
}
