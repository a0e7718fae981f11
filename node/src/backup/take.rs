//! `orrery backup`: from a cluster that goes on.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orrery_api::node::Cluster;
use orrery_base::ids::{GroupId, NodeName};
use tokio::time::timeout;

use super::file::{self, MAGIC};
use super::{describe, read_all};
use crate::cli::BackupArgs;
use crate::client::Client;

/// How long a node may take to begin an answer, or to go on with it.
const PROGRESS_MAX: Duration = Duration::from_secs(30);

/// Takes a backup and reads it back.
pub async fn run(args: BackupArgs) -> Result<()> {
    let to = &args.to;
    ensure!(!to.exists(), "{} is there already: give another name", to.display());
    let mut name = to.file_name().context("--to is no file")?.to_owned();
    name.push(".part");
    let part = to.with_file_name(name);
    let taken = take(&args.at, &part).await;
    if let Err(error) = taken {
        // It was ours, and is not complete.
        let _ = fs::remove_file(&part);
        return Err(error);
    }
    // What was not read back was not saved.
    let groups = read_all(&part)?;
    fs::rename(&part, to).with_context(|| format!("cannot name {}", to.display()))?;
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder).and_then(|folder| folder.sync_all()).context("cannot sync the folder")?;
    }
    let bytes = fs::metadata(to)?.len();
    println!("{}: {bytes} bytes, read back and verified", to.display());
    describe(&groups);
    Ok(())
}

async fn take(at: &str, part: &Path) -> Result<()> {
    let cluster: Cluster = timeout(PROGRESS_MAX, async { Client::connect(at).await?.get("/cluster").await })
        .await
        .with_context(|| format!("{at} does not answer"))?
        .with_context(|| format!("{at} does not say which cluster it belongs to"))?;
    ensure!(cluster.cluster.is_some(), "{at} is not part of a cluster yet");
    let file = File::create_new(part).with_context(|| format!("cannot write {}", part.display()))?;
    let mut file = BufWriter::new(file);
    file.write_all(MAGIC)?;
    let shards = if cluster.map.is_empty() { 0 } else { cluster.shards };
    let mut sums = Vec::new();
    for group in (0..=shards).map(GroupId) {
        let sum = take_group(at, &cluster, group, &mut file).await?;
        sums.push(sum);
    }
    file.write_all(&file::end(&sums))?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(())
}

/// From the node that was named, where it has the group, otherwise from one that has it.
async fn take_group(at: &str, cluster: &Cluster, group: GroupId, file: &mut impl Write) -> Result<u64> {
    let address = |name: &NodeName| {
        cluster.members.iter().find(|member| member.node == *name).map(|member| member.address.as_str())
    };
    let place = cluster.map.iter().find(|place| place.shard == group);
    let holders: Vec<&str> = match place {
        Some(place) => place.leader.iter().chain(&place.replicas).filter_map(address).collect(),
        None => cluster.members.iter().map(|member| member.address.as_str()).collect(),
    };
    let here = place.is_none() || holders.contains(&at);
    let mut refused = Vec::new();
    let mut asked: Vec<&str> = Vec::new();
    for holder in here.then_some(at).into_iter().chain(holders) {
        if asked.contains(&holder) {
            continue;
        }
        asked.push(holder);
        match fetch(holder, group, file).await {
            Ok(sum) => return Ok(sum),
            Err(Refused::Before(why)) => refused.push(format!("{holder}: {why:#}")),
            Err(Refused::Within(why)) => {
                return Err(why.context(format!("{holder} broke off in the middle of group {group}")));
            }
        }
    }
    bail!("group {group} cannot be saved now ({})", refused.join("; "))
}

/// When it was refused.
enum Refused {
    /// Nothing was written: another node can be asked.
    Before(anyhow::Error),
    /// The file has a part of it.
    Within(anyhow::Error),
}

/// Writes what a node answers; its checksum.
async fn fetch(from: &str, group: GroupId, file: &mut impl Write) -> Result<u64, Refused> {
    let path = format!("/backup?group={}", group.0);
    let mut last = [0; 8];
    let begun = async {
        let mut client =
            timeout(PROGRESS_MAX, Client::connect(from)).await.context("it does not answer")??;
        timeout(PROGRESS_MAX, client.download(&path)).await.context("it does not answer")?
    };
    let mut body = begun.await.map_err(Refused::Before)?;
    let rest = async {
        while let Some(bytes) = timeout(PROGRESS_MAX, body.next()).await.context("it went silent")?? {
            file.write_all(&bytes)?;
            // The checksum is the last thing that comes.
            let tail = [&last[..], &bytes[..]].concat();
            if let Some(end) = tail.last_chunk::<8>() {
                last = *end;
            }
        }
        anyhow::Ok(())
    };
    rest.await.map_err(Refused::Within)?;
    Ok(u64::from_le_bytes(last))
}
