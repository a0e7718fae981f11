//! The cache of three real nodes: every history is linearizable per address, without faults and with nodes that are killed,
//! stand still or are cut off.

mod stalled;
mod user;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use orrery_api::cache::StatsAnswer;
use orrery_harness::cluster::{Cluster, READY};
use orrery_harness::http::Client;
use orrery_linear::{Call, Histories, Losses};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tokio::task::JoinSet;
use user::{Mix, Notes, User};

use crate::faults::Faults;
use crate::{seed, turn};

const NODES: usize = 3;

/// Without faults: so many users,
const USERS: usize = 100;
/// on so many addresses,
const ADDRESSES: usize = 50;
/// for so long altogether.
const CALM: Duration = Duration::from_secs(60);
/// The histories are checked in pieces of this length.
const PIECE: Duration = Duration::from_secs(15);

/// With faults: so many users,
const USERS_IN_TROUBLE: usize = 16;
/// on so few addresses at a time,
const ADDRESSES_IN_TROUBLE: usize = 4;
/// for so long altogether,
const TROUBLE: Duration = Duration::from_secs(48);
/// with new addresses after so long.
const PIECE_IN_TROUBLE: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread")]
async fn without_faults_there_is_no_error_and_no_stale_read() -> Result<()> {
    let _turn = turn().await;
    let rng = StdRng::seed_from_u64(seed());
    let mut cluster = Cluster::start("cache", NODES).await?;
    let outcome = calm(&cluster, rng).await;
    cluster.explained(outcome)
}

async fn calm(cluster: &Cluster, mut rng: StdRng) -> Result<()> {
    let notes = Notes::new();
    let http = Client::default();
    let mix = Mix { reads: 95, think: Duration::ZERO, strict: true };
    let addresses: Vec<String> = (0..ADDRESSES).map(|number| format!("line{number}")).collect();
    let mut users: Vec<User> = (0..USERS)
        .map(|number| {
            let name = format!("user{number}");
            User::new(name, cluster.addresses(), http.clone(), rng.random(), notes.clone(), mix)
        })
        .collect();
    let began = Instant::now();
    let mut asked = 0;
    let mut losses = Losses::Never;
    while began.elapsed() < CALM {
        let until = Instant::now() + PIECE.min(CALM.saturating_sub(began.elapsed()));
        users = live(users, &addresses, until).await?;
        losses = may_have_lost(cluster).await?;
        asked += checked(notes.take(), losses)?;
        for address in &addresses {
            users[0].fence(address).await?;
        }
    }
    let (reads, hits) =
        (notes.counts.reads.load(Ordering::Relaxed), notes.counts.hits.load(Ordering::Relaxed));
    eprintln!("{asked} operations in {:.1?}, {losses:?} lost: {:?}", began.elapsed(), notes.counts);
    ensure!(hits * 10 > reads, "only {hits} of {reads} reads were answered from a copy");
    ensure!(notes.counts.taken.load(Ordering::Relaxed) > 0 && asked > 1_000, "too quiet: {:?}", notes.counts);
    Ok(())
}

/// Whether a node says that it lost a write. On a machine that stands still for longer than a lease that may be, and
/// then it is told.
async fn may_have_lost(cluster: &Cluster) -> Result<Losses> {
    let mut lost = 0;
    for at in 0..cluster.len() {
        let stats: StatsAnswer = cluster.get(at, "/cache/stats").await?;
        // What no home knew for a time was away for that time.
        lost += stats.stats.lost + stats.late.unresolved + stats.late.offered + stats.revocations;
    }
    Ok(if lost == 0 { Losses::Never } else { Losses::Possible })
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_stale_while_nodes_die_stand_still_and_are_cut_off() -> Result<()> {
    let _turn = turn().await;
    let rng = StdRng::seed_from_u64(seed());
    let mut cluster = Cluster::start_with("cache-faults", NODES, &["--faults"]).await?;
    let outcome = trouble(&mut cluster, rng).await;
    cluster.explained(outcome)
}

async fn trouble(cluster: &mut Cluster, mut rng: StdRng) -> Result<()> {
    let notes = Notes::new();
    let http = Client::default();
    let mix = Mix { reads: 60, think: Duration::from_millis(20), strict: false };
    let mut users: Vec<User> = (0..USERS_IN_TROUBLE)
        .map(|number| {
            let name = format!("user{number}");
            User::new(name, cluster.addresses(), http.clone(), rng.random(), notes.clone(), mix)
        })
        .collect();
    let mut faults = Faults::with_cuts();
    let began = Instant::now();
    let mut all = Vec::new();
    let mut piece = 0;
    while began.elapsed() < TROUBLE {
        piece += 1;
        let addresses: Vec<String> =
            (0..ADDRESSES_IN_TROUBLE).map(|number| format!("piece{piece}-{number}")).collect();
        let living = live(users, &addresses, Instant::now() + PIECE_IN_TROUBLE);
        let mut living = std::pin::pin!(living);
        users = loop {
            let pause = tokio::time::sleep(Faults::pause_before_next(&mut rng));
            tokio::select! {
                lived = &mut living => break lived?,
                () = pause => faults.step(cluster, &mut rng).await?,
            }
        };
        all.extend(addresses.iter().cloned());
    }
    faults.mend(cluster).await?;
    cluster.wait_leader().await?;
    // Everything that is known is still known, at every node.
    for at in 0..cluster.len() {
        let (name, nodes) = (format!("last{at}"), vec![cluster.address(at)]);
        let mut user = User::new(name, nodes, http.clone(), rng.random(), notes.clone(), mix);
        let deadline = Instant::now() + READY;
        for address in &all {
            while user.ask(address, Call::Read).await?.is_none() {
                if Instant::now() >= deadline {
                    bail!(
                        "{} does not answer for {address}:{}",
                        cluster.name(at),
                        stuck(cluster, address).await
                    );
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let asked = checked(notes.take(), Losses::Possible)?;
    eprintln!("{asked} operations in {:.1?}, {:?}, {faults:?}", began.elapsed(), notes.counts);
    ensure!(faults.kills > 0 && faults.pauses > 0 && faults.cuts > 0, "too quiet: {faults:?}");
    ensure!(asked > 1_000, "only {asked} operations");
    Ok(())
}

/// What every node says of a line that nobody can read.
async fn stuck(cluster: &Cluster, address: &str) -> String {
    let mut said = String::new();
    for at in 0..cluster.len() {
        let of_line = ["directory", "read"].map(|path| format!("/cache/{path}?address={address}"));
        for path in of_line.into_iter().chain(["/status".to_owned()]) {
            let answer = cluster.get::<Value>(at, &path).await;
            let answer = answer.map_or_else(|error| error.to_string(), |answer| answer.to_string());
            said.push_str(&format!("\n{} {path}: {answer}", cluster.name(at)));
        }
    }
    said
}

/// Lets them all live until then.
async fn live(users: Vec<User>, addresses: &[String], until: Instant) -> Result<Vec<User>> {
    let mut living = JoinSet::new();
    for mut user in users {
        let addresses = addresses.to_vec();
        living.spawn(async move { user.live(&addresses, until).await.map(|()| user) });
    }
    let mut users = Vec::new();
    while let Some(user) = living.join_next().await {
        users.push(user??);
    }
    Ok(users)
}

/// Checks every address; how many operations there were.
fn checked(histories: Histories, losses: Losses) -> Result<usize> {
    histories.check(losses).map_err(|(address, why)| anyhow::anyhow!("{address} is {why}"))?;
    Ok(histories.len())
}
