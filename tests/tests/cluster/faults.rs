//! Somebody who kills, pauses, restarts and resumes nodes at random, and cuts links.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use orrery_harness::cluster::{Cluster, READY};
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;
use serde_json::json;

/// How often it did what.
#[derive(Debug, Default)]
pub struct Faults {
    pub kills: u32,
    pub pauses: u32,
    pub restarts: u32,
    pub resumes: u32,
    /// Faults that hit the leader.
    pub leaders: u32,
    /// Times without a majority.
    pub no_majority: u32,
    /// Links that were cut, in one direction each.
    pub cuts: u32,
    /// What is cut now: from, to.
    cut: Vec<(usize, usize)>,
    /// Whether links are cut at all; the nodes need `--faults` for it.
    cuts_links: bool,
}

impl Faults {
    /// Links are cut, too.
    pub fn with_cuts() -> Faults {
        Faults { cuts_links: true, ..Faults::default() }
    }

    /// One fault or one repair. Rarely more nodes are down than a majority can spare, and then not for long.
    pub async fn step(&mut self, cluster: &mut Cluster, rng: &mut StdRng) -> Result<()> {
        cluster.check_alive()?;
        if self.cuts_links && rng.random_bool(0.5) {
            return self.cut_or_heal(cluster, rng).await;
        }
        let spare = cluster.len() - crate::majority(cluster.len());
        let impaired: Vec<usize> = (0..cluster.len()).filter(|at| is_impaired(cluster, *at)).collect();
        let harm = if impaired.len() < spare {
            impaired.is_empty() || rng.random_bool(0.5)
        } else {
            impaired.len() == spare && rng.random_bool(0.15)
        };
        if !harm {
            if let Some(at) = impaired.into_iter().choose(rng) {
                self.repair(cluster, at)?;
            }
            return Ok(());
        }
        let leader = if rng.random_bool(0.4) { leader(cluster).await } else { None };
        let healthy = (0..cluster.len()).filter(|at| !impaired.contains(at)).choose(rng);
        let Some(at) = leader.filter(|at| !impaired.contains(at)).or(healthy) else { return Ok(()) };
        self.leaders += u32::from(leader == Some(at));
        self.no_majority += u32::from(impaired.len() == spare);
        if rng.random_bool(0.5) {
            cluster.kill(at)?;
            self.kills += 1;
        } else {
            cluster.pause(at)?;
            self.pauses += 1;
        }
        Ok(())
    }

    /// One direction of a link, or everything to and from one node. A cut is on top of what is down: then nothing goes on.
    async fn cut_or_heal(&mut self, cluster: &Cluster, rng: &mut StdRng) -> Result<()> {
        if !self.cut.is_empty() && rng.random_bool(0.6) {
            return self.heal_links(cluster).await;
        }
        let at = rng.random_range(0..cluster.len());
        let others = (0..cluster.len()).filter(|other| *other != at);
        let links: Vec<(usize, usize)> = match rng.random_range(0..3) {
            0 => others.map(|other| (at, other)).collect(),
            1 => others.flat_map(|other| [(at, other), (other, at)]).collect(),
            _ => others.take(1).map(|other| (other, at)).collect(),
        };
        for link in links.into_iter().filter(|(from, _)| !is_impaired(cluster, *from)) {
            // Without an answer it may be cut all the same; to heal what is not cut does no harm.
            self.cut.push(link);
            self.cuts += u32::from(self.set_link(cluster, link, true).await?);
        }
        Ok(())
    }

    async fn heal_links(&mut self, cluster: &Cluster) -> Result<()> {
        for link in std::mem::take(&mut self.cut) {
            if !self.set_link(cluster, link, false).await? {
                self.cut.push(link);
            }
        }
        Ok(())
    }

    /// Whether the node took it. One that stands still does not answer, and one that was killed has forgotten its cuts.
    async fn set_link(&self, cluster: &Cluster, (from, to): (usize, usize), cut: bool) -> Result<bool> {
        if is_impaired(cluster, from) {
            return Ok(!cut && !cluster.is_running(from));
        }
        let body = json!({"peer": cluster.name(to), "cut": cut});
        match tokio::time::timeout(Duration::from_secs(1), cluster.post(from, "/fault/link", &body)).await {
            Ok(Ok((200, _))) => Ok(true),
            // It knows no peers before it has joined; nothing is cut there then.
            Ok(Ok((404, _))) => Ok(!cut),
            Ok(Ok((status, answer))) => bail!("/fault/link answered {status}: {answer}"),
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// Everything runs again, and every link works.
    pub async fn mend(&mut self, cluster: &mut Cluster) -> Result<()> {
        cluster.heal()?;
        let deadline = Instant::now() + READY;
        while !self.cut.is_empty() {
            ensure!(Instant::now() < deadline, "links stay cut: {:?}", self.cut);
            self.heal_links(cluster).await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn repair(&mut self, cluster: &mut Cluster, at: usize) -> Result<()> {
        if cluster.is_paused(at) {
            self.resumes += 1;
            cluster.resume(at)
        } else {
            self.restarts += 1;
            cluster.start_node(at)
        }
    }

    /// The time until the next one.
    pub fn pause_before_next(rng: &mut StdRng) -> Duration {
        Duration::from_millis(rng.random_range(250..1_400))
    }
}

fn is_impaired(cluster: &Cluster, at: usize) -> bool {
    cluster.is_paused(at) || !cluster.is_running(at)
}

/// Whom some healthy node takes for the leader now.
async fn leader(cluster: &Cluster) -> Option<usize> {
    let healthy = (0..cluster.len()).find(|at| !is_impaired(cluster, *at))?;
    let status = tokio::time::timeout(Duration::from_millis(300), cluster.status(healthy)).await;
    cluster.number(&status.ok()?.ok()?.leader_id?).ok()
}
