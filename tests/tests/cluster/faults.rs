//! Somebody who kills, pauses, restarts and resumes nodes at random.

use std::time::Duration;

use anyhow::Result;
use orrery_tests::cluster::Cluster;
use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

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
}

impl Faults {
    /// One fault or one repair. Rarely more nodes are down than a majority can spare, and then not for long.
    pub async fn step(&mut self, cluster: &mut Cluster, rng: &mut StdRng) -> Result<()> {
        cluster.check_alive()?;
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
