//! Whether the other end of a connection on loopback is a program of the same user. Linux says it in `/proc/net/tcp`.
//!
//! Where it cannot be known, links on loopback need a secret as all others do.

use std::net::SocketAddr;

/// Whether this system says whose sockets are.
pub fn can_be_known() -> bool {
    cfg!(target_os = "linux") && std::fs::File::open("/proc/net/tcp").is_ok()
}

/// Whether both ends are on this machine's loopback.
pub(super) fn are_loopback(own: SocketAddr, other: SocketAddr) -> bool {
    own.ip().to_canonical().is_loopback() && other.ip().to_canonical().is_loopback()
}

/// Checks that the socket at `other`, connected to `own`, is one of this process's user.
///
/// # Errors
/// A sentence that says why not.
pub(super) async fn check(own: SocketAddr, other: SocketAddr) -> Result<(), String> {
    let asked = tokio::task::spawn_blocking(move || owner(own, other));
    match asked.await {
        Ok(Some(owner)) if Some(owner) == this_user() => Ok(()),
        Ok(Some(_)) => {
            Err(format!("{other} belongs to another user of this machine: set a secret on all nodes"))
        }
        Ok(None) | Err(_) => Err(format!("it cannot be known whose {other} is: set a secret on all nodes")),
    }
}

#[cfg(target_os = "linux")]
fn this_user() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

#[cfg(not(target_os = "linux"))]
fn this_user() -> Option<u32> {
    None
}

/// The user of the socket whose own address is `other` and whose peer is `own`.
fn owner(own: SocketAddr, other: SocketAddr) -> Option<u32> {
    // An IPv4 connection of an IPv6 socket stands in the second one.
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let table = std::fs::read_to_string(table).ok()?;
        find_owner(&table, own, other)
    })
}

fn find_owner(table: &str, own: SocketAddr, other: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, remote) = (fields.nth(1)?, fields.next()?);
        if !is(local, other) || !is(remote, own) {
            return None;
        }
        // state, queues, timer, retransmissions, user
        fields.nth(4)?.parse().ok()
    })
}

/// Whether the table's `address:port` is this one. Addresses are words in the machine's byte order.
fn is(field: &str, address: SocketAddr) -> bool {
    let Some((ip, port)) = field.split_once(':') else { return false };
    if u16::from_str_radix(port, 16) != Ok(address.port()) {
        return false;
    }
    let words = |octets: &[u8]| -> String {
        octets
            .chunks(4)
            .map(|word| {
                let word = word.try_into().map_or(0, u32::from_ne_bytes);
                format!("{word:08X}")
            })
            .collect()
    };
    match address.ip().to_canonical() {
        std::net::IpAddr::V4(v4) => ip == words(&v4.octets()) || ip == words(&v4.to_ipv6_mapped().octets()),
        std::net::IpAddr::V6(v6) => ip == words(&v6.octets()),
    }
}

#[cfg(all(test, target_os = "linux", target_endian = "little"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0
   1: 0100007F:1F41 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0
   2: 0100007F:9C40 0100007F:1F41 01 00000000:00000000 00:00000000 00000000  1001        0 3 1 0
   3: 0000000000000000FFFF00000100007F:9C41 0000000000000000FFFF00000100007F:1F41 01 0:0 00:0 0  7        0 4 1 0
   4: 00000000000000000000000001000000:9C42 00000000000000000000000001000000:1F41 01 0:0 00:0 0  8        0 5 1 0
";

    #[test]
    fn the_owner_of_the_other_end_is_found() {
        let find = |own: &str, other: &str| find_owner(TABLE, own.parse().unwrap(), other.parse().unwrap());
        assert_eq!(find("127.0.0.1:8001", "127.0.0.1:40000"), Some(1001));
        assert_eq!(find("127.0.0.1:40000", "127.0.0.1:8001"), Some(1000));
        assert_eq!(find("127.0.0.1:8001", "127.0.0.1:40001"), Some(7));
        assert_eq!(find("[::1]:8001", "[::1]:40002"), Some(8));
        assert_eq!(find("127.0.0.1:8001", "127.0.0.1:40009"), None);
        assert_eq!(find("127.0.0.1:8002", "127.0.0.1:40000"), None);
    }

    #[tokio::test]
    async fn a_connection_of_this_process_is_this_users() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, from) = listener.accept().await.unwrap();
        let (own, other) = (accepted.local_addr().unwrap(), from);
        assert_eq!(check(own, other).await, Ok(()));
        assert_eq!(check(dialled.local_addr().unwrap(), dialled.peer_addr().unwrap()).await, Ok(()));
        let nobody = "127.0.0.1:1".parse().unwrap();
        assert!(check(own, nobody).await.unwrap_err().contains("cannot be known"));
    }
}
