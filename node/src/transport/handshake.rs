//! Before two nodes talk: who are you, are you of my cluster, are you still the one of that name, do you know its
//! secret?
//!
//! The accepting side sends a challenge, the dialling side introduces itself, the accepting side answers in kind or
//! says why not. Each proves the secret by an HMAC over both nonces and what it says of itself, so that the secret
//! never travels and a recorded proof is worth nothing.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use orrery_shared::ids::{BootEpoch, ClusterId, NodeName};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::frame::FRAME_VERSION;
use crate::config::Secret;

/// Longest a handshake may take, either side.
pub(super) const HANDSHAKE_MAX: Duration = Duration::from_millis(1_500);

const PROOF_CONTEXT: &[u8] = b"orrery peer handshake 1";

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerIdentity {
    /// Its cluster, once it knows it.
    pub cluster: Option<ClusterId>,
    /// Its name.
    pub node: NodeName,
    /// Incarnation of its name; 0 while it has none.
    pub incarnation: u32,
    /// Its boot.
    pub boot: BootEpoch,
}

/// First message, of the accepting side.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Challenge {
    /// Its frame version.
    pub version: u8,
    /// Random.
    pub nonce: [u8; 16],
}

/// Second message, of the dialling side; and third, of the accepting side, when it agrees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Introduction {
    /// Its frame version.
    pub version: u8,
    /// Who it is.
    pub identity: PeerIdentity,
    /// Whom it wants to talk to.
    pub to: NodeName,
    /// Random.
    pub nonce: [u8; 16],
    /// HMAC over both nonces and the identity.
    pub proof: [u8; 32],
}

/// Third message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// The accepting side agrees and introduces itself.
    Welcome(Introduction),
    /// It does not, and why.
    Refused(String),
    /// The dialling side's identity was given up. With a proof, because who believes this stops for good.
    Dismissed(Introduction, String),
}

/// Why two nodes do not talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mismatch {
    /// They do not fit each other. The sentence says how.
    Refused(String),
    /// The identity of the one that introduced itself was given up: its name has a later incarnation.
    Dismissed(String),
}

impl From<String> for Mismatch {
    fn from(why: String) -> Mismatch {
        Mismatch::Refused(why)
    }
}

/// Which side a proof is of: a proof cannot be sent back to its maker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Side {
    Dialling,
    Accepting,
}

/// Random bytes for one handshake.
pub(super) fn nonce() -> [u8; 16] {
    rand::random()
}

impl Challenge {
    pub fn new() -> Challenge {
        Challenge { version: FRAME_VERSION, nonce: nonce() }
    }
}

impl Introduction {
    /// What `identity` says to `to`, with its proof.
    pub fn new(
        secret: &Secret,
        side: Side,
        challenge: &[u8; 16],
        nonce: [u8; 16],
        identity: PeerIdentity,
        to: NodeName,
    ) -> Introduction {
        let proof = mac(secret, side, challenge, &nonce, &identity, &to).finalize().into_bytes().into();
        Introduction { version: FRAME_VERSION, identity, to, nonce, proof }
    }

    /// Checks the proof, the version, that both are of one cluster, and that the name was not given a later incarnation
    /// than this one (`committed`, where it is known).
    pub fn check(
        &self,
        secret: &Secret,
        side: Side,
        challenge: &[u8; 16],
        own: &PeerIdentity,
        committed: Option<u32>,
    ) -> Result<(), Mismatch> {
        if self.version != FRAME_VERSION {
            return Err(format!("frame version {} meets {FRAME_VERSION}", self.version).into());
        }
        mac(secret, side, challenge, &self.nonce, &self.identity, &self.to)
            .verify_slice(&self.proof)
            .map_err(|_| "the cluster secrets differ".to_owned())?;
        if self.to != own.node {
            return Err(format!("{} was looked for, but {} is here", self.to, own.node).into());
        }
        if self.identity.node == own.node {
            return Err(format!("two nodes are called {}", own.node).into());
        }
        let PeerIdentity { node, incarnation, .. } = &self.identity;
        match (self.identity.cluster, own.cluster, committed) {
            (Some(theirs), Some(ours), _) if theirs != ours => Err(Mismatch::Refused(format!(
                "{node} has data of cluster {theirs}, {} of cluster {ours}: they never were one cluster",
                own.node
            ))),
            // A later one than is known here is one that this node has not heard of yet.
            (Some(_), Some(_), Some(committed)) if *incarnation < committed => Err(Mismatch::Dismissed(
                format!("{node} is in incarnation {committed} by now: {incarnation} was given up"),
            )),
            _ => Ok(()),
        }
    }
}

fn mac(
    secret: &Secret,
    side: Side,
    challenge: &[u8; 16],
    nonce: &[u8; 16],
    identity: &PeerIdentity,
    to: &NodeName,
) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
    mac.update(PROOF_CONTEXT);
    mac.update(&[side as u8]);
    mac.update(challenge);
    mac.update(nonce);
    mac.update(&encode(&(identity, to)));
    mac
}

/// Handshake messages are postcard.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("names and numbers always encode")
}

/// The reverse.
pub(super) fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, String> {
    postcard::from_bytes(bytes).map_err(|_| "a handshake that cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(node: &str, cluster: Option<u64>) -> PeerIdentity {
        PeerIdentity { cluster: cluster.map(ClusterId), node: node.into(), incarnation: 1, boot: 3 }
    }

    fn check(theirs: PeerIdentity, to: &str, secrets: [&str; 2], own: PeerIdentity) -> Result<(), Mismatch> {
        check_incarnation(theirs, to, secrets, own, None)
    }

    fn check_incarnation(
        theirs: PeerIdentity,
        to: &str,
        secrets: [&str; 2],
        own: PeerIdentity,
        committed: Option<u32>,
    ) -> Result<(), Mismatch> {
        let [theirs_secret, own_secret] = secrets.map(|text| Secret(text.into()));
        let challenge = nonce();
        Introduction::new(&theirs_secret, Side::Dialling, &challenge, nonce(), theirs, to.into()).check(
            &own_secret,
            Side::Dialling,
            &challenge,
            &own,
            committed,
        )
    }

    #[test]
    fn members_of_one_cluster_meet() {
        let same = ["secret"; 2];
        assert_eq!(check(identity("a", Some(1)), "b", same, identity("b", Some(1))), Ok(()));
        assert_eq!(check(identity("a", None), "b", same, identity("b", Some(1))), Ok(()));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_reason() {
        let same = ["secret"; 2];
        for (result, word) in [
            (check(identity("a", Some(1)), "b", same, identity("b", Some(2))), "cluster"),
            (check(identity("a", None), "b", ["one", "two"], identity("b", None)), "secret"),
            (check(identity("a", None), "c", same, identity("b", None)), "looked for"),
            (check(identity("b", None), "b", same, identity("b", None)), "two nodes"),
        ] {
            let Err(Mismatch::Refused(why)) = result else { panic!("{word}: {result:?}") };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn an_incarnation_that_was_given_up_is_dismissed_and_a_later_one_is_not() {
        let same = ["secret"; 2];
        let of = |incarnation, cluster| PeerIdentity { incarnation, ..identity("a", cluster) };
        let met =
            |theirs, committed| check_incarnation(theirs, "b", same, identity("b", Some(1)), Some(committed));
        let Err(Mismatch::Dismissed(why)) = met(of(1, Some(1)), 2) else { panic!("it was let in") };
        assert!(why.contains("incarnation 2"), "{why}");
        assert_eq!(met(of(2, Some(1)), 2), Ok(()));
        assert_eq!(met(of(3, Some(1)), 2), Ok(()), "this node has not heard of it yet");
        assert_eq!(met(of(0, None), 2), Ok(()), "an empty disk asks for a new incarnation");
    }

    #[test]
    fn a_proof_is_worth_nothing_on_the_other_side_or_for_another_challenge() {
        let secret = Secret(b"secret".to_vec());
        let challenge = nonce();
        let said =
            Introduction::new(&secret, Side::Dialling, &challenge, nonce(), identity("a", None), "b".into());
        let own = identity("b", None);
        assert!(said.check(&secret, Side::Accepting, &challenge, &own, None).is_err());
        assert!(said.check(&secret, Side::Dialling, &nonce(), &own, None).is_err());
    }
}
