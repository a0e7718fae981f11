//! One reader of a stream: hello, snapshot or resume, then batches and beats until it goes away.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_api::stream::{Beginning, CodecName, Heartbeats, ReaderQuery};
use orrery_base::ids::Sequence;
use orrery_event::stream::{Frame, NodeSnapshot};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use super::chosen::Chosen;
use super::hub::{Hub, Progress, ReaderGuard};
use super::pulse::Pulse;
use super::ring::{Codec, Encoded, Next};

/// A reader that takes nothing for this long is let go.
const STUCK_MAX: Duration = Duration::from_secs(10);

/// The reader went away, or takes nothing.
struct Gone;

struct Reader<'a> {
    hub: &'a Hub,
    codec: Codec,
    chosen: Chosen,
    sink: SplitSink<&'a mut WebSocket, Message>,
    /// Last sequence that it was sent.
    cursor: Sequence,
    beat: u64,
    /// Which change of the members it knows.
    members: u64,
}

/// Serves one reader until it goes away. `chosen` is the hub's word for what the query asks for, `admitted` that it may come.
pub async fn serve_reader(
    hub: Hub,
    mut socket: WebSocket,
    query: ReaderQuery,
    chosen: Chosen,
    admitted: ReaderGuard,
) {
    let _admitted = admitted;
    let mut progress = hub.subscribe();
    let codec = match query.codec {
        CodecName::Json => Codec::Json,
        CodecName::Postcard => Codec::Postcard,
    };
    let (sink, mut stream) = (&mut socket).split();
    let mut reader =
        Reader { hub: &hub, codec, chosen, sink, cursor: 0, beat: 0, members: progress.borrow().members };
    let mut pulses = (query.heartbeats == Heartbeats::Each).then(|| hub.recorder().pulses());
    let serve = async {
        reader.begin(&query).await?;
        loop {
            let seen = progress.borrow_and_update().clone();
            reader.follow(&seen).await?;
            loop {
                tokio::select! {
                    changed = progress.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return Err(Gone),
                    },
                    pulse = next(&mut pulses) => reader.pulse(&pulse).await?,
                }
            }
        }
        #[expect(unreachable_code, reason = "names the type of the block")]
        Ok::<(), Gone>(())
    };
    // What a reader says is not looked at, but reading answers its pings and notices that it closed.
    let listen = async { while let Some(Ok(_)) = stream.next().await {} };
    tokio::select! {
        _ = serve => {}
        () = listen => {}
    }
}

impl Reader<'_> {
    async fn begin(&mut self, query: &ReaderQuery) -> Result<(), Gone> {
        let hello = self.hub.hello();
        let (boot, head, tail) = (hello.boot, hello.head, hello.tail);
        self.send(Frame::Hello(hello)).await?;
        match (query.boot, query.after, query.from) {
            (Some(asked), Some(after), _) if asked == boot && after <= head => {
                if after + 1 < tail {
                    self.gap(after + 1).await
                } else {
                    self.cursor = after;
                    Ok(())
                }
            }
            // A reader that knew an earlier boot gets all of this one, or a snapshot where its beginning is gone.
            (Some(_), Some(_), Some(Beginning::Boot)) if tail > 1 => self.snapshot().await,
            (_, _, Some(Beginning::Boot)) => {
                self.cursor = tail - 1;
                Ok(())
            }
            _ => self.snapshot().await,
        }
    }

    /// Sends what is new.
    async fn follow(&mut self, seen: &Progress) -> Result<(), Gone> {
        if seen.members != self.members {
            self.members = seen.members;
            self.send(Frame::Hello(self.hub.hello())).await?;
        }
        while self.cursor < seen.head {
            let (encoded, last) = match self.hub.after(self.cursor) {
                None => {
                    self.gap(self.cursor + 1).await?;
                    continue;
                }
                Some(Next::Nothing) => break,
                Some(Next::Chunk(chunk)) => {
                    (chunk.encoded_after(&self.chosen, self.codec, self.cursor), chunk.last)
                }
            };
            if let Some(encoded) = encoded {
                self.feed(encoded).await?;
            }
            self.cursor = last;
        }
        if seen.beat > self.beat && self.cursor >= seen.beat_head {
            self.beat = seen.beat;
            let encoded = match self.codec {
                Codec::Json => seen.beat_json.clone(),
                Codec::Postcard => seen.beat_postcard.clone(),
            };
            self.feed(encoded).await?;
        }
        self.flush().await
    }

    async fn pulse(&mut self, pulse: &Pulse) -> Result<(), Gone> {
        self.feed(pulse.encoded(self.codec)).await?;
        self.flush().await
    }

    /// Events from `first` on are gone; a snapshot makes up for them.
    async fn gap(&mut self, first: Sequence) -> Result<(), Gone> {
        let snapshot = self.chosen_snapshot();
        self.hub.count_gap();
        self.send(Frame::Gap { first, last: snapshot.seq }).await?;
        self.send_snapshot(snapshot).await
    }

    async fn snapshot(&mut self) -> Result<(), Gone> {
        let snapshot = self.chosen_snapshot();
        self.send_snapshot(snapshot).await
    }

    /// Snapshots are not shared between readers: all that are on their way have one bound.
    async fn send_snapshot(&mut self, snapshot: NodeSnapshot) -> Result<(), Gone> {
        let encoded = Encoded::of(self.codec, &Frame::Snapshot(Box::new(snapshot)));
        let _room = self.hub.room_for_snapshot(encoded.bytes()).await;
        self.feed(encoded).await?;
        self.flush().await
    }

    fn chosen_snapshot(&mut self) -> NodeSnapshot {
        let mut snapshot = self.hub.snapshot();
        self.cursor = snapshot.seq;
        self.chosen.choice().narrow(&mut snapshot);
        snapshot
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Gone> {
        self.feed(Encoded::of(self.codec, &frame)).await?;
        self.flush().await
    }

    async fn feed(&mut self, encoded: Encoded) -> Result<(), Gone> {
        let message = match encoded {
            Encoded::Text(text) => Message::Text(text),
            Encoded::Binary(bytes) => Message::Binary(bytes),
        };
        settle(timeout(STUCK_MAX, self.sink.feed(message)).await)
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        settle(timeout(STUCK_MAX, self.sink.flush()).await)
    }
}

fn settle<E>(result: Result<Result<(), E>, tokio::time::error::Elapsed>) -> Result<(), Gone> {
    match result {
        Ok(Ok(())) => Ok(()),
        _ => Err(Gone),
    }
}

/// The next heartbeat, where they were asked for. A slow reader misses some: their numbers say so.
async fn next(pulses: &mut Option<Receiver<Arc<Pulse>>>) -> Arc<Pulse> {
    while let Some(receiver) = pulses {
        match receiver.recv().await {
            Ok(pulse) => return pulse,
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => *pulses = None,
        }
    }
    std::future::pending().await
}
