//! Before two nodes talk: who are you, are you of my cluster, are you still the one of that name?
//!
//! Who is on the other side, and that nobody is between, was proved before: by TLS, or on loopback by the system (`trust`).
//! The accepting side says its version, the dialling side introduces itself, the accepting side answers in kind or says
//! why not.

use std::time::Duration;

use orrery_base::ids::{BootEpoch, ClusterId, NodeName};
use serde::{Deserialize, Serialize};

use super::frame::PEER_VERSION;
use super::text::printable;
use super::trust::Proof;

/// Longest a handshake may take, either side: TCP, TLS and ours are five round trips, of up to 300 ms in the profile `wan`.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_secs(3);

/// Largest message of a handshake.
pub(super) const MESSAGE_BYTES_MAX: usize = 4_096;

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerIdentity {
    /// Its cluster, once it knows it.
    pub cluster: Option<ClusterId>,
    pub node: NodeName,
    /// Incarnation of its name; 0 while it has none.
    pub incarnation: u32,
    pub boot: BootEpoch,
}

/// First message, of the accepting side. Every release can read its first byte, and the releases of version 1 all of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Greeting {
    /// Version of the peers' protocol.
    pub version: u8,
    /// Nothing. Version 1 has a random number there.
    reserved: [u8; 16],
}

/// Second message, of the dialling side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Version of the peers' protocol.
    pub version: u8,
    pub identity: PeerIdentity,
    /// Whom it wants to talk to.
    pub to: NodeName,
}

/// Third message. The releases of version 1 read a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// The accepting side agrees and introduces itself.
    Welcome(PeerIdentity),
    /// It does not, and why.
    Refused(String),
    /// The dialling side's identity was given up: its name has this incarnation by now. A number, no text: what follows from
    /// it is not for a peer to say.
    Dismissed {
        /// The one that the name has now.
        incarnation: u32,
    },
}

/// Why two nodes do not talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// They do not fit each other. The sentence says how.
    Refused(String),
    /// The identity of the one that introduced itself was given up: its name has a later incarnation.
    Dismissed { incarnation: u32 },
}

impl From<String> for Mismatch {
    fn from(why: String) -> Mismatch {
        Mismatch::Refused(why)
    }
}

impl Greeting {
    pub fn new() -> Greeting {
        Greeting { version: PEER_VERSION, reserved: [0; 16] }
    }
}

impl PeerIdentity {
    /// Whether a peer that says this of itself fits the node `own`: it is who it proved to be, both are of one cluster, and its
    /// name was not given a later incarnation than this one (`committed`, where it is known).
    pub(super) fn check(
        &self,
        proof: &Proof,
        own: &PeerIdentity,
        committed: Option<u32>,
    ) -> Result<(), Mismatch> {
        let PeerIdentity { node, incarnation, .. } = self;
        proof.is_of(node).map_err(|why| format!("{}: {why}", printable(node)))?;
        if *node == own.node {
            return Err(format!("two nodes are called {}", own.node).into());
        }
        match (self.cluster, own.cluster, committed) {
            (Some(theirs), Some(ours), _) if theirs != ours => Err(Mismatch::Refused(format!(
                "{} has data of cluster {theirs}, {} of cluster {ours}: they never were one cluster",
                printable(node),
                own.node
            ))),
            // A later one than is known here is one that this node has not heard of yet.
            (Some(_), Some(_), Some(committed)) if *incarnation < committed => {
                Err(Mismatch::Dismissed { incarnation: committed })
            }
            _ => Ok(()),
        }
    }
}

/// Whether both ends speak the same version, by a message's first byte.
pub(super) fn check_version(message: &[u8]) -> Result<(), String> {
    match message.first() {
        Some(&PEER_VERSION) => Ok(()),
        Some(version) => Err(format!(
            "it speaks version {version} of the peers' protocol, this node {PEER_VERSION}: run the same release on all nodes"
        )),
        None => Err("an empty message".to_owned()),
    }
}

/// Handshake messages are postcard.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("names and numbers always encode")
}

pub(super) fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, String> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(format!("a handshake of more than {MESSAGE_BYTES_MAX} bytes"));
    }
    postcard::from_bytes(bytes).map_err(|_| "a handshake that cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(node: &str, cluster: Option<u64>) -> PeerIdentity {
        PeerIdentity { cluster: cluster.map(ClusterId), node: node.into(), incarnation: 1, boot: 3 }
    }

    #[test]
    fn members_of_one_cluster_meet() {
        let own = identity("b", Some(1));
        for theirs in [Some(1), None] {
            assert_eq!(identity("a", theirs).check(&Proof::SameUser, &own, None), Ok(()));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason() {
        for (theirs, own, word) in [
            (identity("a", Some(1)), identity("b", Some(2)), "cluster"),
            (identity("b", None), identity("b", None), "two nodes"),
        ] {
            let result = theirs.check(&Proof::SameUser, &own, None);
            let Err(Mismatch::Refused(why)) = result else { panic!("{word}: {result:?}") };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn an_incarnation_that_was_given_up_is_dismissed_and_a_later_one_is_not() {
        let of = |incarnation, cluster| PeerIdentity { incarnation, ..identity("a", cluster) };
        let met = |theirs: PeerIdentity, committed| {
            theirs.check(&Proof::SameUser, &identity("b", Some(1)), Some(committed))
        };
        assert_eq!(met(of(1, Some(1)), 2), Err(Mismatch::Dismissed { incarnation: 2 }));
        assert_eq!(met(of(2, Some(1)), 2), Ok(()));
        assert_eq!(met(of(3, Some(1)), 2), Ok(()), "this node has not heard of it yet");
        assert_eq!(met(of(0, None), 2), Ok(()), "an empty disk asks for a new incarnation");
    }

    #[test]
    fn golden_bytes_of_version_2() {
        assert_eq!(encode(&Greeting::new()), [&[2][..], &[0; 16]].concat());
        let hello = Hello { version: 2, identity: identity("a", Some(7)), to: "b".into() };
        let golden = [2, 1, 7, 1, b'a', 1, 3, 1, b'b'];
        assert_eq!(encode(&hello), golden);
        assert_eq!(decode::<Hello>(&golden), Ok(hello));
        let dismissed = Verdict::Dismissed { incarnation: 3 };
        assert_eq!((encode(&dismissed), decode(&[2, 3])), (vec![2, 3], Ok(dismissed)));
    }

    #[test]
    fn releases_of_version_1_read_why_they_are_refused() {
        // Their verdict: welcome, refused with a text, dismissed.
        assert_eq!(encode(&Verdict::Refused("no".to_owned())), [1, 2, b'n', b'o']);
        assert!(check_version(&[1; 17]).is_err_and(|why| why.contains("same release")));
        assert_eq!(check_version(&encode(&Greeting::new())), Ok(()));
    }

    #[test]
    fn a_long_message_is_not_read() {
        let long = encode(&Verdict::Refused("x".repeat(MESSAGE_BYTES_MAX)));
        assert!(decode::<Verdict>(&long).is_err());
    }
}
