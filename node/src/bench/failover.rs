//! How long a cluster grants nothing after its leader was killed.
//!
//! Each round: everybody agrees on a leader and has caught up; the leader is killed; a client of another node asks for a
//! lock until it has it; the killed node comes back.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orrery_api::node::Status;
use orrery_base::ids::Term;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::cluster::{self, Cluster, Settings};
use super::disk;
use crate::cli::BenchFailoverArgs;
use crate::client::Client;

/// The client gives up one try after this time and makes a new connection.
const TRY_MAX: Duration = Duration::from_millis(100);
/// Between two tries that were answered at once.
const TRY_PAUSE: Duration = Duration::from_millis(5);
/// A cluster that takes this long has not failed over.
const FAILOVER_MAX: Duration = Duration::from_secs(20);
/// Until all agree and have caught up.
const SETTLED_MAX: Duration = Duration::from_secs(30);

/// Of one kill.
struct Round {
    /// From the signal to the first lock.
    took: Duration,
    /// The leader that was killed, and the one after it.
    leaders: [String; 2],
    /// How many terms that took: more than one where nobody won at first.
    terms: Term,
}

/// The cluster, where everybody agrees.
struct Settled {
    leader: usize,
    term: Term,
}

/// `orrery bench failover`
pub async fn measure(args: &BenchFailoverArgs, data: &Path) -> Result<()> {
    disk::report(data)?;
    let settings = Settings { nodes: args.nodes, port: args.port, events: true };
    let mut cluster = Cluster::start(&data.join("orrery"), settings).await?;
    println!(
        "\n{} nodes, the leader is killed {} times; from SIGKILL to the next lock",
        args.nodes, args.kills
    );
    let mut rounds = Vec::new();
    let mut settled = settle(&cluster).await?;
    for number in 0..args.kills {
        let (round, after) = kill_leader(&mut cluster, number, settled).await?;
        rounds.push(round);
        settled = after;
    }
    cluster.stop().await;
    report(&rounds);
    check(&rounds, args)
}

async fn kill_leader(cluster: &mut Cluster, number: u32, before: Settled) -> Result<(Round, Settled)> {
    // The others take turns.
    let others = cluster.addresses().len() - 1;
    let asked = (before.leader + 1 + number as usize % others) % cluster.addresses().len();
    let address = cluster.addresses()[asked].clone();
    let killed = Instant::now();
    cluster.kill(before.leader)?;
    let resource = format!("failover-{number}");
    let took = timeout(FAILOVER_MAX, locked(&address, &resource, killed))
        .await
        .with_context(|| format!("no lock {FAILOVER_MAX:?} after kill {}", number + 1))?;
    cluster.start_again(before.leader).await?;
    let after = settle(cluster).await?;
    let leaders = [cluster::name(before.leader), cluster::name(after.leader)];
    Ok((Round { took, leaders, terms: after.term.saturating_sub(before.term) }, after))
}

/// Asks until the lock is there. Asking again for a lock that one has is granted, so a lost answer does no harm.
async fn locked(address: &str, resource: &str, since: Instant) -> Duration {
    let body = json!({ "resource": resource, "client": "failover", "ttl_ms": 60_000, "wait_ms": 0 });
    let mut connection: Option<Client> = None;
    loop {
        let ask = async {
            let mut client = match connection.take() {
                Some(client) => client,
                None => Client::connect(address).await?,
            };
            let answer = client.post("/lock/acquire", &body).await?;
            Ok::<_, anyhow::Error>((client, answer.0))
        };
        match timeout(TRY_MAX, ask).await {
            Ok(Ok((_, 200))) => return since.elapsed(),
            Ok(Ok((client, _))) => connection = Some(client),
            // A new connection; what became of the request is not known, and does not matter.
            Ok(Err(_)) | Err(_) => {}
        }
        sleep(TRY_PAUSE).await;
    }
}

/// Waits until all nodes name one leader and have applied what it has committed.
async fn settle(cluster: &Cluster) -> Result<Settled> {
    let settled = async {
        loop {
            if let Ok(settled) = look(cluster.addresses()).await {
                return settled;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SETTLED_MAX, settled)
        .await
        .with_context(|| format!("the nodes do not agree on a leader after {SETTLED_MAX:?}"))
}

async fn look(addresses: &[String]) -> Result<Settled> {
    let mut all: Vec<Status> = Vec::new();
    for address in addresses {
        let status = async { Client::connect(address).await?.get::<Status>("/status").await };
        all.push(timeout(Duration::from_millis(500), status).await??);
    }
    let first = all.first().context("no nodes")?;
    let leader = first.leader_id.clone().context("nobody leads")?;
    let agreed =
        all.iter().all(|status| status.leader_id.as_ref() == Some(&leader) && status.term == first.term);
    ensure!(agreed, "not all follow one leader");
    let connected = all.iter().all(|status| status.peers.iter().all(|peer| peer.connected));
    ensure!(connected, "not all links are open");
    let at = (0..addresses.len()).find(|at| cluster::name(*at) == leader).context("an unknown leader")?;
    let behind = all.iter().any(|status| status.last_applied < all[at].commit_index);
    ensure!(!behind, "a node has not caught up");
    Ok(Settled { leader: at, term: first.term })
}

/// The smallest value that is not below this part of all; they are sorted and not empty.
fn quantile_ms(sorted: &[Duration], part: f64) -> f64 {
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1].as_secs_f64() * 1e3
}

fn sorted(rounds: &[Round]) -> Vec<Duration> {
    let mut times: Vec<Duration> = rounds.iter().map(|round| round.took).collect();
    times.sort();
    times
}

fn report(rounds: &[Round]) {
    let times = sorted(rounds);
    let [p50, p90, p99, max] = [0.5, 0.9, 0.99, 1.0].map(|part| quantile_ms(&times, part));
    println!("{:<10}{:>10}{:>10}{:>10}{:>10}", "kills", "p50 ms", "p90 ms", "p99 ms", "max ms");
    println!("{:<10}{p50:>10.0}{p90:>10.0}{p99:>10.0}{max:>10.0}", rounds.len());
    let again = rounds.iter().filter(|round| round.terms > 1).count();
    println!("elections with more than one term: {again}");
    let mut slowest: Vec<(usize, &Round)> = rounds.iter().enumerate().collect();
    slowest.sort_by_key(|(_, round)| std::cmp::Reverse(round.took));
    println!("the slowest:");
    for (number, Round { took, leaders: [from, to], terms }) in slowest.into_iter().take(5) {
        println!(
            "  kill {:>4}: {:>6.0} ms, {from} -> {to}, {terms} term(s)",
            number + 1,
            took.as_secs_f64() * 1e3
        );
    }
}

fn check(rounds: &[Round], args: &BenchFailoverArgs) -> Result<()> {
    let times = sorted(rounds);
    for (name, part, bound) in [("p50", 0.5, args.p50_ms_max), ("max", 1.0, args.max_ms_max)] {
        let found = quantile_ms(&times, part);
        if let Some(bound) = bound
            && found > bound as f64
        {
            bail!("{name} is {found:.0} ms, over the bound of {bound} ms");
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{BenchCommand, Cli, Command};

    fn rounds(ms: &[u64]) -> Vec<Round> {
        let round = |ms: &u64| Round {
            took: Duration::from_millis(*ms),
            leaders: ["node1".into(), "node2".into()],
            terms: 1,
        };
        ms.iter().map(round).collect()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let times = sorted(&rounds(&[40, 10, 30, 20]));
        assert_eq!(
            [0.0, 0.5, 0.9, 0.99, 1.0].map(|part| quantile_ms(&times, part)),
            [10.0, 20.0, 40.0, 40.0, 40.0]
        );
    }

    #[test]
    fn a_bound_that_is_exceeded_is_a_failure() {
        let args = |more: &[&str]| {
            let line = ["orrery", "bench", "failover"].iter().chain(more);
            match Cli::try_parse_from(line).unwrap().command {
                Command::Bench(BenchCommand::Failover(args)) => args,
                _ => unreachable!("it says failover"),
            }
        };
        let rounds = rounds(&[300, 400, 900]);
        assert!(check(&rounds, &args(&[])).is_ok());
        assert!(check(&rounds, &args(&["--p50-ms-max", "400", "--max-ms-max", "900"])).is_ok());
        let error = check(&rounds, &args(&["--p50-ms-max", "399"])).unwrap_err().to_string();
        assert!(error.contains("p50 is 400 ms"), "{error}");
        let error = check(&rounds, &args(&["--max-ms-max", "899"])).unwrap_err().to_string();
        assert!(error.contains("max is 900 ms"), "{error}");
    }
}
