//! `GET`, `POST` and `DELETE /faults`, and `POST /fault/link`: breaks links on purpose. Only with `--faults`.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Request, State};
use orrery_api::fault::{CutLink, CutLinks, FaultQuery, FaultScope, FaultSet, Faults, LinkFault};
use orrery_base::error::ErrorCode;
use orrery_base::fault::Fault;
use orrery_base::ids::NodeName;
use orrery_engine::host::Host as _;

use super::body::{Asked, Keyed, optional_json, query};
use super::{Failure, Json, NodeState};
use crate::faults::{Change, check, spread};

type Scoped = Asked<FaultQuery>;
/// What all three answer.
pub type Answered = Result<Json<Faults>, Failure>;

/// `GET /faults`
pub async fn list(State(state): State<NodeState>, query: Scoped) -> Answered {
    change(&state, Change::Look, query).await
}

/// `POST /faults`
pub async fn set(
    State(state): State<NodeState>,
    query: Scoped,
    Keyed { body, .. }: Keyed<FaultSet>,
) -> Answered {
    change(&state, Change::Set(body.faults), query).await
}

/// `DELETE /faults`: without a body all of them.
pub async fn heal(State(state): State<NodeState>, query: Scoped, request: Request) -> Answered {
    let change_to = match optional_json::<FaultSet>(request).await? {
        Some(set) => Change::Heal(set.faults),
        None => Change::HealAll,
    };
    change(&state, change_to, query).await
}

async fn change(state: &NodeState, change: Change, scoped: Scoped) -> Answered {
    let FaultQuery { scope } = query(scoped)?;
    let own = &state.engine.local().name;
    let mut others: BTreeMap<NodeName, String> =
        state.engine.members().into_iter().map(|member| (member.name, member.address)).collect();
    if let Change::Set(faults) | Change::Heal(faults) = &change {
        let nodes: BTreeSet<NodeName> = others.keys().cloned().collect();
        check(faults, &nodes)?;
        if scope == FaultScope::Node
            && let Some(foreign) = faults.iter().find(|fault| fault.from != *own)
        {
            let why = format!("What {} sends is not broken at {own} (scope=node).", foreign.from);
            return Err(Failure::bad_request(why));
        }
    }
    others.remove(own);
    if scope == FaultScope::Node {
        others.clear();
    }
    // The others first: what this node is told to cut may be its own way to them.
    let mut all = spread(&change, &others).await;
    if let Some(part) = change.of(own) {
        apply(state, part);
        let own_ones = state.transport.faults().into_iter();
        all.faults.extend(own_ones.map(|(to, fault)| LinkFault { from: own.clone(), to, fault }));
    }
    all.faults.sort_by(|a, b| (&a.from, &a.to).cmp(&(&b.from, &b.to)));
    Ok(Json(200, all))
}

fn apply(state: &NodeState, part: Change) {
    let faults: Vec<(NodeName, Fault)> = match part {
        Change::Look => return,
        Change::Set(links) => links.into_iter().map(|link| (link.to, link.fault)).collect(),
        Change::Heal(links) => links.into_iter().map(|link| (link.to, Fault::NONE)).collect(),
        Change::HealAll => state.transport.faults().into_keys().map(|to| (to, Fault::NONE)).collect(),
    };
    for (to, fault) in &faults {
        tracing::info!(%to, "the fault of a link is set: {fault}");
    }
    state.transport.set(faults).into_iter().for_each(|fact| state.engine.host().emit(fact));
}

/// `POST /fault/link`
pub async fn link(
    State(state): State<NodeState>,
    Keyed { body, .. }: Keyed<CutLink>,
) -> Result<Json<CutLinks>, Failure> {
    let (own, peer) = (&state.engine.local().name, body.peer.into_text());
    if peer == *own || !state.engine.members().iter().any(|member| member.name == peer) {
        return Err(Failure::new(ErrorCode::NotFound, format!("{own} has no peer called {peer}.")));
    }
    let fault = Fault { cut: body.cut, ..state.transport.fault_to(&peer) };
    apply(&state, Change::Set(vec![LinkFault { from: own.clone(), to: peer, fault }]));
    let cut = state.transport.faults().into_iter().filter(|(_, fault)| fault.cut).map(|(peer, _)| peer);
    Ok(Json(200, CutLinks { cut: cut.collect() }))
}
