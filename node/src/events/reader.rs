//! One reader of a stream: hello, snapshot or resume, then batches and beats until it goes away.

use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_shared::event::stream::Frame;
use orrery_shared::ids::{BootEpoch, Sequence};
use serde::Deserialize;
use tokio::time::timeout;

use super::hub::{Hub, Progress};
use super::ring::{Codec, Encoded};

/// A reader that takes nothing for this long is let go.
const STUCK_MAX: Duration = Duration::from_secs(10);

/// Most chunks that are sent before a reader looks up again.
const CHUNKS_MAX: usize = 64;

/// The query string of `/ws/events`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReaderQuery {
    /// The boot that `after` is of.
    pub boot: Option<BootEpoch>,
    /// The last sequence that the reader has.
    pub after: Option<Sequence>,
    /// `boot`: from the first event that is kept, without a snapshot.
    pub from: Option<From>,
    /// `json` or `postcard`.
    #[serde(default)]
    pub codec: CodecName,
}

/// Where a stream begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// At the boot's first event that is kept.
    Boot,
}

/// How a stream is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodecName {
    /// Text frames.
    #[default]
    Json,
    /// Binary frames.
    Postcard,
}

/// The reader went away, or takes nothing.
struct Gone;

struct Reader<'a> {
    hub: &'a Hub,
    codec: Codec,
    sink: SplitSink<&'a mut WebSocket, Message>,
    /// Last sequence that it was sent.
    cursor: Sequence,
    beat: u64,
}

/// Serves one reader until it goes away.
pub async fn serve_reader(hub: Hub, mut socket: WebSocket, query: ReaderQuery) {
    let _counted = hub.count_reader();
    let mut progress = hub.subscribe();
    let codec = match query.codec {
        CodecName::Json => Codec::Json,
        CodecName::Postcard => Codec::Postcard,
    };
    let (sink, mut stream) = (&mut socket).split();
    let mut reader = Reader { hub: &hub, codec, sink, cursor: 0, beat: 0 };
    let serve = async {
        reader.begin(&query).await?;
        loop {
            let seen = progress.borrow_and_update().clone();
            reader.follow(&seen).await?;
            if progress.changed().await.is_err() {
                return Err(Gone);
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
            (_, _, Some(From::Boot)) => {
                self.cursor = tail - 1;
                Ok(())
            }
            _ => self.snapshot().await,
        }
    }

    /// Sends what is new.
    async fn follow(&mut self, seen: &Progress) -> Result<(), Gone> {
        while self.cursor < seen.head {
            let Some(chunks) = self.hub.after(self.cursor, CHUNKS_MAX) else {
                self.gap(self.cursor + 1).await?;
                continue;
            };
            if chunks.is_empty() {
                break;
            }
            for chunk in chunks {
                let encoded = chunk.encoded_after(self.codec, self.cursor);
                self.feed(encoded).await?;
                self.cursor = chunk.last;
            }
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

    /// Events from `first` on are gone; a snapshot makes up for them.
    async fn gap(&mut self, first: Sequence) -> Result<(), Gone> {
        let snapshot = self.hub.snapshot();
        self.hub.count_gap();
        self.cursor = snapshot.seq;
        self.send(Frame::Gap { first, last: snapshot.seq }).await?;
        self.send(Frame::Snapshot(Box::new(snapshot))).await
    }

    async fn snapshot(&mut self) -> Result<(), Gone> {
        let snapshot = self.hub.snapshot();
        self.cursor = snapshot.seq;
        self.send(Frame::Snapshot(Box::new(snapshot))).await
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
