//! openraft's own suite over the log and the state machine.

use std::sync::Arc;

use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use openraft_rt_tokio::TokioRuntime;
use orrery_base::ids::{GroupId, NodeId};

use super::world::{MemoryDisk, TestHost, quick};
use crate::raft::log::LogStore;
use crate::raft::publish::Publisher;
use crate::raft::state::{Listeners, StateMachine};
use crate::types::Types;

type C = Types<TokioRuntime>;

struct Builder;

impl StoreBuilder<C, LogStore<TestHost>, StateMachine<TestHost>> for Builder {
    async fn build(&self) -> Result<((), LogStore<TestHost>, StateMachine<TestHost>), StorageError<C>> {
        let host = TestHost::lonely(MemoryDisk::default());
        let publisher = Arc::new(Publisher::new(host.clone()));
        let (group, config) = (GroupId::CONTROL, quick());
        let silence = Box::new(|| None);
        let log = LogStore::open(
            host.clone(),
            group,
            NodeId(1),
            &config,
            publisher.clone(),
            silence,
            Arc::default(),
        )
        .expect("a log");
        let state = StateMachine::open(
            host,
            group,
            &config,
            publisher,
            log.clone(),
            Listeners::default(),
            Arc::default(),
        )
        .await
        .expect("a state machine");
        Ok(((), log, state))
    }
}

#[test]
fn openrafts_storage_suite_passes() {
    use openraft::AsyncRuntime;
    TokioRuntime::run(async { Suite::test_all(Builder).await }).expect("the suite passes");
}
