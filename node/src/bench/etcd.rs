//! An etcd cluster beside ours: same machine, same disk, same clients, its JSON gateway.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyper::Method;
use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::cluster::stop;
use crate::client::Client;
use crate::demo::process;

const READY_MAX: Duration = Duration::from_secs(30);

pub struct Etcd {
    addresses: Vec<String>,
    children: Vec<Child>,
}

impl Etcd {
    /// Starts members on empty folders with etcd's default settings and waits until they serve.
    pub async fn start(folder: &Path, members: u16, port: u16) -> Result<Etcd> {
        std::fs::create_dir_all(folder)?;
        let client = |number: u16| format!("127.0.0.1:{}", port + 2 * number);
        let peer = |number: u16| format!("http://127.0.0.1:{}", port + 2 * number + 1);
        let all: Vec<String> = (1..=members).map(|number| format!("m{number}={}", peer(number))).collect();
        let mut children = Vec::new();
        for number in 1..=members {
            let name = format!("m{number}");
            let own = format!("http://{}", client(number));
            let arguments: Vec<String> = [
                ("--name", name.clone()),
                ("--data-dir", folder.join(&name).display().to_string()),
                ("--listen-client-urls", own.clone()),
                ("--advertise-client-urls", own),
                ("--listen-peer-urls", peer(number)),
                ("--initial-advertise-peer-urls", peer(number)),
                ("--initial-cluster", all.join(",")),
                ("--initial-cluster-state", "new".to_owned()),
                ("--log-level", "error".to_owned()),
            ]
            .into_iter()
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect();
            let log = folder.join(format!("{name}.log"));
            let child = process::start(Path::new("etcd"), &arguments, &[], &log)
                .context("the program etcd is needed (Debian: etcd-server)")?;
            children.push(child);
        }
        let etcd = Etcd { addresses: (1..=members).map(client).collect(), children };
        if timeout(READY_MAX, etcd.ready()).await.is_err() {
            bail!("etcd has no leader after {READY_MAX:?}; see the logs in {}", folder.display());
        }
        Ok(etcd)
    }

    /// `host:port` of each member.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    async fn ready(&self) {
        for address in &self.addresses {
            loop {
                let healthy = async {
                    let mut client = Client::connect(address).await?;
                    client.send(Method::GET, "/health", bytes::Bytes::new()).await
                };
                match timeout(Duration::from_secs(2), healthy).await {
                    Ok(Ok((200, _))) => break,
                    _ => sleep(Duration::from_millis(50)).await,
                }
            }
        }
    }

    pub async fn stop(self) {
        stop(self.children).await;
    }
}
