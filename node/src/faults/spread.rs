//! One set of faults for several nodes: each gets those of its own messages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::Method;
use orrery_api::fault::{FAULTS_MAX, FaultSet, Faults, LinkFault, Unreached};
use orrery_base::error::{ApiError, ErrorBody, ErrorCode};
use orrery_base::ids::NodeName;
use orrery_base::names;
use tokio::time::timeout;

use crate::client::Client;

/// How long one node may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// What shall become of faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: tell what there is.
    Look,
    /// These directions are to suffer just this.
    Set(Vec<LinkFault>),
    /// These directions are to be whole.
    Heal(Vec<LinkFault>),
    HealAll,
}

impl Change {
    /// The part of one node; none where it has none.
    pub fn of(&self, node: &NodeName) -> Option<Change> {
        let own = |faults: &[LinkFault]| -> Vec<LinkFault> {
            faults.iter().filter(|fault| fault.from == *node).cloned().collect()
        };
        match self {
            Change::Look | Change::HealAll => Some(self.clone()),
            Change::Set(faults) => Some(own(faults)).filter(|own| !own.is_empty()).map(Change::Set),
            Change::Heal(faults) => Some(own(faults)).filter(|own| !own.is_empty()).map(Change::Heal),
        }
    }

    fn request(&self) -> Result<(Method, Bytes), serde_json::Error> {
        let body = |faults: &Vec<LinkFault>| {
            serde_json::to_vec(&FaultSet { faults: faults.clone() }).map(Bytes::from)
        };
        Ok(match self {
            Change::Look => (Method::GET, Bytes::new()),
            Change::HealAll => (Method::DELETE, Bytes::new()),
            Change::Set(faults) => (Method::POST, body(faults)?),
            Change::Heal(faults) => (Method::DELETE, body(faults)?),
        })
    }
}

/// Checks a set: each direction once, between nodes that are there.
pub fn check(faults: &[LinkFault], nodes: &BTreeSet<NodeName>) -> Result<(), ApiError> {
    let refuse = |code: ErrorCode, why: String| Err(ApiError::new(code, why));
    if faults.len() > FAULTS_MAX {
        return refuse(ErrorCode::BadRequest, format!("A set has at most {FAULTS_MAX} faults."));
    }
    let mut seen = BTreeSet::new();
    for LinkFault { from, to, fault } in faults {
        names::check(from).map_err(|why| why.error("from"))?;
        names::check(to).map_err(|why| why.error("to"))?;
        if let Some(unknown) = [from, to].into_iter().find(|name| !nodes.contains(*name)) {
            return refuse(ErrorCode::NotFound, format!("There is no node {unknown}."));
        }
        if from == to {
            return refuse(ErrorCode::BadRequest, format!("{from} sends itself nothing over a link."));
        }
        if !seen.insert((from, to)) {
            return refuse(
                ErrorCode::BadRequest,
                format!("The direction from {from} to {to} is there twice."),
            );
        }
        fault.check()?;
    }
    Ok(())
}

/// Asks each of these nodes, by name and `host:port`, for its part, all at the same time.
pub async fn spread(change: &Change, nodes: &BTreeMap<NodeName, String>) -> Faults {
    let asked = nodes.iter().filter_map(|(node, address)| Some((node, address, change.of(node)?)));
    let answers = join_all(asked.map(async |(node, address, part)| {
        let answer = match timeout(ANSWER_MAX, ask(address, &part)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("{node} did not answer within {} s.", ANSWER_MAX.as_secs())),
        };
        (node, answer)
    }))
    .await;
    let mut all = Faults::default();
    for (node, answer) in answers {
        match answer {
            Ok(faults) => all.faults.extend(faults.faults),
            Err(why) => all.unreached.push(Unreached { node: node.clone(), why }),
        }
    }
    all
}

async fn ask(address: &str, part: &Change) -> Result<Faults, String> {
    let (method, body) = part.request().map_err(|error| error.to_string())?;
    let answer = async { Client::connect(address).await?.send(method, "/faults?scope=node", body).await };
    let (status, bytes) = answer.await.map_err(|error| format!("{error:#}."))?;
    match status {
        200 => serde_json::from_slice(&bytes).map_err(|error| format!("It answered nonsense: {error}.")),
        404 => Err("It was started without --faults.".to_owned()),
        _ => Err(match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => body.error.message,
            Err(_) => format!("It answered {status}."),
        }),
    }
}

#[cfg(test)]
mod tests {
    use orrery_base::fault::Fault;

    use super::*;

    fn fault(from: &str, to: &str) -> LinkFault {
        LinkFault { from: from.into(), to: to.into(), fault: Fault::CUT }
    }

    #[test]
    fn each_node_gets_what_it_sends() {
        let change = Change::Set(vec![fault("a", "b"), fault("b", "a"), fault("a", "c")]);
        assert_eq!(change.of(&"a".into()), Some(Change::Set(vec![fault("a", "b"), fault("a", "c")])));
        assert_eq!(change.of(&"c".into()), None);
        assert_eq!(Change::HealAll.of(&"c".into()), Some(Change::HealAll));
    }

    #[test]
    fn sets_that_cannot_be_meant_are_refused() {
        let nodes = ["a".into(), "b".into()].into();
        assert!(check(&[fault("a", "b"), fault("b", "a")], &nodes).is_ok());
        let slow = Fault { delay_ms: 10_001, ..Fault::NONE };
        let slow = LinkFault { fault: slow, ..fault("a", "b") };
        for (faults, word) in [
            (vec![fault("a", "x")], "no node x"),
            (vec![fault("a", "a")], "itself"),
            (vec![fault("a", "b"), fault("a", "b")], "twice"),
            (vec![slow], "delay_ms"),
            (vec![fault("a", "b"); FAULTS_MAX + 1], "at most"),
        ] {
            let why = check(&faults, &nodes).err().map(|error| error.message).unwrap_or_default();
            assert!(why.contains(word), "{why}");
        }
    }
}
