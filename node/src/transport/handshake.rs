//! Before two nodes talk: who are you, are you of my cluster, do you know its secret?
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

    /// Checks the proof, the version, and that both are of one cluster. The sentence says what does not fit.
    pub fn check(
        &self,
        secret: &Secret,
        side: Side,
        challenge: &[u8; 16],
        own: &PeerIdentity,
    ) -> Result<(), String> {
        if self.version != FRAME_VERSION {
            return Err(format!("frame version {} meets {FRAME_VERSION}", self.version));
        }
        mac(secret, side, challenge, &self.nonce, &self.identity, &self.to)
            .verify_slice(&self.proof)
            .map_err(|_| "the cluster secrets differ".to_owned())?;
        if self.to != own.node {
            return Err(format!("{} was looked for, but {} is here", self.to, own.node));
        }
        if self.identity.node == own.node {
            return Err(format!("two nodes are called {}", own.node));
        }
        match (self.identity.cluster, own.cluster) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(format!(
                "{} has data of cluster {theirs}, {} of cluster {ours}: they never were one cluster",
                self.identity.node, own.node
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

    fn check(theirs: PeerIdentity, to: &str, secrets: [&str; 2], own: PeerIdentity) -> Result<(), String> {
        let [theirs_secret, own_secret] = secrets.map(|text| Secret(text.into()));
        let challenge = nonce();
        Introduction::new(&theirs_secret, Side::Dialling, &challenge, nonce(), theirs, to.into()).check(
            &own_secret,
            Side::Dialling,
            &challenge,
            &own,
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
            let why = result.expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn a_proof_is_worth_nothing_on_the_other_side_or_for_another_challenge() {
        let secret = Secret(b"secret".to_vec());
        let challenge = nonce();
        let said =
            Introduction::new(&secret, Side::Dialling, &challenge, nonce(), identity("a", None), "b".into());
        let own = identity("b", None);
        assert!(said.check(&secret, Side::Accepting, &challenge, &own).is_err());
        assert!(said.check(&secret, Side::Dialling, &nonce(), &own).is_err());
    }
}
