//! Where streams are: derived from where the page was loaded from.

use orrery_base::ids::{BootEpoch, Sequence};

/// Shortest and longest pause before a stream is tried again, milliseconds.
pub const BACKOFF_MS: std::ops::RangeInclusive<u32> = 150..=2_000;

/// Where the page was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Host without its port, as the browser writes it.
    pub hostname: String,
    /// `host:port`.
    pub host: String,
    pub secure: bool,
}

impl Place {
    /// Where this browser is.
    pub fn here() -> Option<Place> {
        let location = leptos::prelude::window().location();
        let (hostname, host) = (location.hostname().ok()?, location.host().ok()?);
        Some(Place { hostname, host, secure: location.protocol().ok()? == "https:" })
    }

    /// Where to reach a member that is known as `host:port`, beside these others. Members on several hosts, and those of
    /// a page that came from one of them, are where they say. Members of one host that calls itself something else
    /// (`127.0.0.1` for `localhost`, or behind a tunnel) are under the host that the page was loaded from.
    pub fn address_of<'a>(&self, member: &str, members: impl Iterator<Item = &'a str> + Clone) -> String {
        let split =
            |address: &'a str| address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let anywhere = |host: &str| matches!(host, "0.0.0.0" | "[::]" | "::" | "*" | "");
        let Some((host, port)) = member.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok())
        else {
            return member.to_owned();
        };
        let mut hosts =
            members.clone().filter_map(split).map(|(host, _)| host).filter(|host| !anywhere(host));
        let several = hosts.next().is_some_and(|first| hosts.any(|other| other != first));
        let from_member = members.clone().any(|address| address == self.host);
        if anywhere(host) || !(several || from_member) {
            return [&self.hostname, ":", port].concat();
        }
        member.to_owned()
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
            assert_eq!(place(hostname, false).address_of(member, [member].into_iter()), address);
        }
    }

    #[test]
    fn members_on_several_hosts_are_where_they_say() {
        let five = ["10.0.0.1:8001", "10.0.0.2:8001", "10.0.0.3:8001", "10.0.0.4:8001", "[fd00::5]:8001"];
        let at = |hostname: &str, host: &str| Place {
            hostname: hostname.into(),
            host: host.into(),
            secure: false,
        };
        for place in [at("10.0.0.2", "10.0.0.2:8001"), at("localhost", "localhost:8001")] {
            for member in five {
                assert_eq!(place.address_of(member, five.into_iter()), member);
            }
        }
        // Of one host that advertises its own address, the page was loaded from a member: it is where it says.
        let here = ["10.0.0.1:8001", "10.0.0.1:8002"];
        assert_eq!(at("10.0.0.1", "10.0.0.1:8001").address_of(here[1], here.into_iter()), here[1]);
        // Through a tunnel only the ports are known.
        assert_eq!(at("localhost", "localhost:9000").address_of(here[1], here.into_iter()), "localhost:8002");
        let mixed = ["10.0.0.1:8001", "0.0.0.0:8002", "10.0.0.3:8003"];
        assert_eq!(at("10.0.0.1", "10.0.0.1:8001").address_of(mixed[1], mixed.into_iter()), "10.0.0.1:8002");
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
