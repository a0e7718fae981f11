//! Readers of the event streams, as a classroom's browsers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use futures_util::StreamExt as _;
use tokio::task::JoinSet;
use tokio_tungstenite::{client_async, tungstenite::Message};

/// Readers that take everything and look at nothing.
pub struct Watching {
    tasks: JoinSet<()>,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    frames: AtomicU64,
    bytes: AtomicU64,
}

/// What the readers got.
pub struct Read {
    pub frames: u64,
    pub bytes: u64,
}

/// Opens `readers` streams to every node.
pub async fn start(addresses: &[String], readers: usize) -> Result<Watching> {
    let mut tasks = JoinSet::new();
    let seen = Arc::new(Seen::default());
    for address in addresses {
        for _ in 0..readers {
            let stream = tokio::net::TcpStream::connect(address).await?;
            let (mut socket, _) = client_async(format!("ws://{address}/ws/events"), stream)
                .await
                .with_context(|| format!("no event stream at {address}"))?;
            let seen = seen.clone();
            tasks.spawn(async move {
                while let Some(Ok(message)) = socket.next().await {
                    let length = match &message {
                        Message::Text(text) => text.len(),
                        Message::Binary(bytes) => bytes.len(),
                        _ => 0,
                    };
                    seen.frames.fetch_add(1, Ordering::Relaxed);
                    seen.bytes.fetch_add(length as u64, Ordering::Relaxed);
                }
            });
        }
    }
    Ok(Watching { tasks, seen })
}

impl Watching {
    /// Closes all and says what they got.
    pub fn stop(mut self) -> Read {
        self.tasks.abort_all();
        Read {
            frames: self.seen.frames.load(Ordering::Relaxed),
            bytes: self.seen.bytes.load(Ordering::Relaxed),
        }
    }
}
