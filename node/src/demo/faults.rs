//! A set of faults for the nodes of the demo: each running one gets those of its own messages.

use std::collections::{BTreeMap, BTreeSet};

use orrery_api::fault::{Faults, Unreached};
use orrery_base::error::ApiError;
use orrery_base::ids::NodeName;

use super::supervisor::Supervisor;
use crate::faults::{Change, check, spread};

impl Supervisor {
    /// `GET`, `POST` and `DELETE /faults`. Who does not run or is paused is not asked.
    pub async fn faults(&self, change: Change) -> Result<Faults, ApiError> {
        let (mut reachable, mut others) = (BTreeMap::new(), BTreeSet::new());
        {
            let nodes = self.shared.nodes.lock();
            for (name, node) in nodes.iter() {
                match &node.running {
                    Some(running) if !running.paused => {
                        reachable.insert(name.clone(), node.address.clone());
                    }
                    _ => {
                        others.insert(name.clone());
                    }
                }
            }
        }
        if let Change::Set(faults) | Change::Heal(faults) = &change {
            let all: BTreeSet<NodeName> = reachable.keys().chain(&others).cloned().collect();
            check(faults, &all)?;
        }
        let mut all = spread(&change, &reachable).await;
        all.faults.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
        let silent = others.into_iter().filter(|name| change.of(name).is_some());
        all.unreached.extend(silent.map(|node| {
            let why = format!("{node} does not run, or is paused: it sends nothing.");
            Unreached { node, why }
        }));
        Ok(all)
    }
}
