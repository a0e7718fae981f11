//! What a cluster held comes back after all of it was lost, and after a majority was lost for ever: locks with their
//! tokens, messages, cached values. Tokens go on upwards, and nothing of the old cluster meets the new one.

use anyhow::{Context as _, Result, ensure};
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::process::until;
use serde_json::{Value, json};

use crate::turn;

const LONG_MS: u64 = 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_cluster_comes_back_from_a_backup_and_from_its_last_folder() -> Result<()> {
    let _turn = turn().await;
    let mut cluster = Cluster::start("backup", 3).await?;
    let outcome = scenario(&mut cluster).await;
    cluster.explained(outcome)
}

/// Asks until it is known to be done: on a busy machine an answer may be "unknown". Everything here may be asked twice.
async fn surely(cluster: &Cluster, at: usize, path: &str, body: &Value) -> Result<Value> {
    until("an answer", READY, || cluster.done(at, path, body)).await
}

async fn lock(cluster: &Cluster, at: usize, resource: &str, client: &str) -> Result<u64> {
    let body = json!({"resource": resource, "client": client, "ttl_ms": LONG_MS});
    let granted = surely(cluster, at, "/lock/acquire", &body).await?;
    granted["fencing_token"].as_u64().with_context(|| format!("no token in {granted}"))
}

/// The holder's name and token, where somebody holds it.
async fn holder(cluster: &Cluster, at: usize, resource: &str) -> Result<Option<(String, u64)>> {
    let locks = cluster.locks(at).await?;
    let held = locks.table.resources.iter().find(|held| held.resource == resource);
    Ok(held
        .and_then(|held| held.holders.first())
        .map(|holder| (holder.holder.client.to_string(), holder.fencing_token)))
}

async fn scenario(cluster: &mut Cluster) -> Result<()> {
    until("the shards", READY, || async {
        ensure!(cluster.record(0).await?.map.iter().all(|place| place.leader.is_some()));
        ensure!(!cluster.record(0).await?.map.is_empty());
        Ok(())
    })
    .await?;
    let token = lock(cluster, 0, "printer", "Ayu").await?;
    for number in 0..20 {
        let key = format!("backup/{number}");
        let message = json!({"topic": "jobs", "message": {"number": number}, "idempotency_key": key});
        surely(cluster, number % 3, "/queue/publish", &message).await?;
    }
    let value = json!({"address": "price/tea", "value": 42});
    surely(cluster, 1, "/cache/write", &value).await?;
    let file = cluster.folder().join("saved.orrery").display().to_string();
    let said = cluster.command(&["backup", "--at", &cluster.address(1), "--to", &file])?;
    ensure!(said.contains("verified") && said.contains("locks held: 1"), "{said}");
    ensure!(said.matches("messages: ").count() == 8, "{said}");
    let old = cluster.record(0).await?.cluster.context("no cluster")?;
    // The backup does not have it: its token must not be given again all the same.
    let later = lock(cluster, 0, "scanner", "Budi").await?;

    for at in 0..3 {
        cluster.kill(at)?;
        cluster.wipe(at)?;
    }
    let said = cluster.command(&["restore", "--from", &file, "--data", &cluster.data_folder(0)])?;
    ensure!(said.contains("new cluster"), "{said}");
    cluster.start_node(0)?;
    cluster.wait_leader().await?;
    let restored = cluster.record(0).await?.cluster.context("no cluster")?;
    ensure!(restored != old, "it took the old cluster's id");
    ensure!(holder(cluster, 0, "printer").await? == Some(("Ayu".into(), token)));
    ensure!(holder(cluster, 0, "scanner").await?.is_none());
    let next = lock(cluster, 0, "scanner", "Citra").await?;
    ensure!(next > later, "token {next} after {later}");
    ensure!(consume(cluster, 0, 20).await? == (0..20).collect::<Vec<u64>>());
    let read: Value = cluster.get(0, "/cache/read?address=price/tea").await?;
    ensure!(read["value"] == 42, "{read}");

    // Others come with empty folders, and the shards spread over them.
    cluster.start_node(1)?;
    until("node2 to have every group", READY, || async {
        let record = cluster.record(0).await?;
        ensure!(record.members.len() == 2 && record.members.iter().all(|member| member.voter), "{record:?}");
        let status = cluster.status(1).await?;
        ensure!(status.groups.len() == 9, "{:?}", status.groups);
        ensure!(status.groups.iter().all(|group| group.voters.len() == 2 && group.leader.is_some()));
        Ok(())
    })
    .await?;
    let message = json!({"topic": "jobs", "message": {"number": 77}, "idempotency_key": "backup/77"});
    surely(cluster, 1, "/queue/publish", &message).await?;
    // Node 1 is lost for ever, and with it the majority.
    cluster.kill(0)?;
    cluster.kill(1)?;
    let said = cluster.command(&["recover", "--data", &cluster.data_folder(1)])?;
    ensure!(said.contains("is lost") && said.contains("new cluster"), "{said}");
    cluster.start_node(1)?;
    until("the recovered node to lead", READY, || async {
        let status = cluster.status(1).await?;
        ensure!(status.leader_id.as_deref() == Some("node2"), "{status:?}");
        Ok(())
    })
    .await?;
    let recovered = cluster.record(1).await?;
    ensure!(recovered.cluster.is_some_and(|id| id != restored && id != old), "{recovered:?}");
    ensure!(recovered.members.len() == 1, "{recovered:?}");
    ensure!(holder(cluster, 1, "printer").await? == Some(("Ayu".into(), token)));
    ensure!(holder(cluster, 1, "scanner").await? == Some(("Citra".into(), next)));
    ensure!(lock(cluster, 1, "plotter", "Dewi").await? > next);
    ensure!(consume(cluster, 1, 1).await? == [77]);
    let read: Value = cluster.get(1, "/cache/read?address=price/tea").await?;
    ensure!(read["value"] == 42, "{read}");
    Ok(())
}

/// The numbers of so many messages, sorted; each is acknowledged.
async fn consume(cluster: &Cluster, at: usize, count: usize) -> Result<Vec<u64>> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let body = json!({"topic": "jobs", "group": "print", "consumer": "Eko", "max": 10, "wait_ms": 5_000});
        let consumed = surely(cluster, at, "/queue/consume", &body).await?;
        let messages = consumed["messages"].as_array().context("no messages")?;
        ensure!(!messages.is_empty(), "only {numbers:?} came back");
        for message in messages {
            numbers.push(message["message"]["number"].as_u64().context("no number")?);
            let ack = json!({"topic": "jobs", "group": "print", "message_ids": [message["id"]]});
            surely(cluster, at, "/queue/ack", &ack).await?;
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}
