//! The dialling end of a link: connects, reconnects, sends requests, hands answers back.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_base::ids::NodeName;
use orrery_engine::host::{CallError, Urgency};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::accept::given_up;
use super::frame::{FRAME_BYTES_MAX, Frame, Kind, PEER_VERSION};
use super::handshake::{self, HANDSHAKE_MAX, Hello, Mismatch, Verdict};
use super::outbox::Outbox;
use super::text::printable;
use super::wire::{self, Dialled, Duplex, Refusal};
use super::{PEER_PATH, PEER_READ_BYTES, Shared};

/// Pause before the first new try, and the longest one. Each pause is drawn between half and all of it.
const BACKOFF_MIN: Duration = Duration::from_millis(20);
const BACKOFF_MAX: Duration = Duration::from_millis(500);

/// A link on which requests wait and nothing came for this long is taken for dead and dialled anew.
const SILENCE_MAX: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<Pin<Box<dyn Duplex>>>;

/// Where an answer goes.
type Asker = oneshot::Sender<Result<Bytes, CallError>>;

/// The link to one peer.
pub(super) struct Link {
    peer: NodeName,
    address: String,
    open: AtomicBool,
    next_id: AtomicU64,
    waiting: Mutex<HashMap<u64, Asker>>,
    outbox: Outbox,
    nudged: Notify,
    /// Why the peer did not fit when it last answered; empty before that, and once it fits.
    complaint: Mutex<String>,
    task: Mutex<Option<AbortHandle>>,
}

impl Link {
    /// Starts dialling, for as long as the link is not closed.
    pub fn open(shared: Arc<Shared>, peer: NodeName, address: String) -> Arc<Link> {
        let link = Arc::new(Link {
            peer,
            address,
            open: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            waiting: Mutex::default(),
            outbox: Outbox::default(),
            nudged: Notify::new(),
            complaint: Mutex::default(),
            task: Mutex::default(),
        });
        let task = tokio::spawn(link.clone().run(shared));
        *link.task.lock() = Some(task.abort_handle());
        link
    }

    /// `host:port` of the peer.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether requests can be sent now.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// The peer is there: dial now.
    pub fn nudge(&self) {
        self.nudged.notify_one();
    }

    /// Ends the link for good.
    pub fn close(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        self.open.store(false, Ordering::Release);
        self.fail_all();
    }

    /// One request and its answer.
    pub async fn call(&self, urgency: Urgency, request: Bytes, within: Duration) -> Result<Bytes, CallError> {
        if !self.is_open() {
            let complaint = self.complaint.lock();
            let why = if complaint.is_empty() { String::new() } else { format!(": {complaint}") };
            return Err(CallError::NotSent(format!("there is no connection to {}{why}", self.peer)));
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.waiting.lock().insert(id, asker);
        let _forget = Forget { link: self, id };
        let frame = Frame { kind: Kind::Request, urgency, id, payload: request };
        if self.outbox.push(frame, |frame| self.waiting.lock().contains_key(&frame.id)).is_err() {
            return Err(CallError::NotSent(format!("the queue to {} is full", self.peer)));
        }
        // The link may have broken between the first look and the push: then nobody drains the queue any more.
        if !self.is_open() {
            self.fail_all();
        }
        match timeout(within, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) | Err(_) => Err(CallError::NoAnswer),
        }
    }

    async fn run(self: Arc<Self>, shared: Arc<Shared>) {
        let mut backoff = BACKOFF_MIN;
        loop {
            match timeout(HANDSHAKE_MAX, self.connect(&shared)).await {
                Ok(Ok(socket)) => {
                    backoff = BACKOFF_MIN;
                    self.complaint.lock().clear();
                    self.open.store(true, Ordering::Release);
                    (shared.on_link)(&self.peer, true);
                    let why = self.talk(socket).await;
                    self.open.store(false, Ordering::Release);
                    self.fail_all();
                    (shared.on_link)(&self.peer, false);
                    tracing::debug!(peer = %self.peer, why, "link broke");
                }
                Ok(Err(Refusal::Unreachable(why))) => {
                    tracing::trace!(peer = %self.peer, why, "not reachable")
                }
                Ok(Err(Refusal::Mismatch(why))) => {
                    backoff = BACKOFF_MAX;
                    let before = std::mem::replace(&mut *self.complaint.lock(), why.clone());
                    if why != before {
                        tracing::error!(peer = %self.peer, address = self.address, "no link: {why}");
                    }
                }
                Err(_) => tracing::trace!(peer = %self.peer, "no handshake in time"),
            }
            let pause = backoff.mul_f64(0.5 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = sleep(pause) => backoff = (backoff * 2).min(BACKOFF_MAX),
                () = self.nudged.notified() => backoff = BACKOFF_MIN,
            }
        }
    }

    async fn connect(&self, shared: &Shared) -> Result<Socket, Refusal> {
        let unreachable = |error: &dyn std::fmt::Display| Refusal::Unreachable(error.to_string());
        let Dialled { stream, proof, own_end, other_end } =
            wire::dial(&shared.trust, &self.address, &self.peer).await?;
        let url = format!("ws://{}{PEER_PATH}", self.address);
        let config = WebSocketConfig::default()
            .read_buffer_size(PEER_READ_BYTES)
            .max_message_size(Some(FRAME_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let (mut socket, _) = client_async_with_config(url, stream, Some(config)).await.map_err(broken)?;

        let greeting = receive(&mut socket).await?;
        handshake::check_version(&greeting).map_err(Refusal::Mismatch)?;
        // After the greeting: before the other end accepted the connection, the system does not say whose it is.
        let proof = match proof {
            Some(proof) => proof,
            None => shared.trust.admit(None, own_end, other_end).await.map_err(Refusal::Mismatch)?,
        };
        let own = shared.identity.read().clone();
        let hello = Hello { version: PEER_VERSION, identity: own.clone(), to: self.peer.clone() };
        let message = Message::Binary(handshake::encode(&hello).into());
        socket.send(message).await.map_err(|error| unreachable(&error))?;
        match handshake::decode(&receive(&mut socket).await?).map_err(Refusal::Mismatch)? {
            Verdict::Welcome(theirs) => {
                let committed = shared.incarnation_of(&theirs.node);
                match theirs.check(&proof, &own, committed) {
                    Ok(()) if theirs.node == self.peer => Ok(socket),
                    Ok(()) => Err(Refusal::Mismatch(format!("{} answers there", printable(&theirs.node)))),
                    Err(Mismatch::Refused(why)) => Err(Refusal::Mismatch(why)),
                    Err(Mismatch::Dismissed { incarnation }) => {
                        Err(Refusal::Mismatch(given_up(&theirs.node, theirs.incarnation, incarnation)))
                    }
                }
            }
            Verdict::Refused(why) => Err(Refusal::Mismatch(printable(&why))),
            // What the other side proved holds for this number, too.
            Verdict::Dismissed { incarnation } => {
                let why = given_up(&own.node, own.incarnation, incarnation);
                (shared.on_dismissed)(&format!("{} says that {why}", self.peer));
                Err(Refusal::Mismatch(why))
            }
        }
    }

    /// Until the connection breaks; says why it did.
    async fn talk(&self, socket: Socket) -> String {
        let (mut sink, mut stream) = socket.split();
        let write = async {
            let mut batch = Vec::new();
            loop {
                self.outbox.take(&mut batch).await;
                for frame in batch.drain(..) {
                    // Its asker gave up before it was sent: then it need not be sent.
                    if self.waiting.lock().contains_key(&frame.id) {
                        sink.feed(Message::Binary(frame.encode())).await?;
                    }
                }
                sink.flush().await?;
            }
            #[expect(unreachable_code, reason = "names the error type of the block")]
            Ok::<(), tokio_tungstenite::tungstenite::Error>(())
        };
        let heard = Mutex::new(Instant::now());
        let read = async {
            while let Some(message) = stream.next().await {
                let message = message.map_err(|error| error.to_string())?;
                *heard.lock() = Instant::now();
                match message {
                    Message::Binary(bytes) => {
                        self.answer(Frame::decode(&bytes).map_err(|error| error.to_string())?)
                    }
                    Message::Close(_) => return Err("closed by the peer".to_owned()),
                    _ => {}
                }
            }
            Err::<(), String>("closed".to_owned())
        };
        let watch = async {
            loop {
                sleep(SILENCE_MAX / 5).await;
                if self.waiting.lock().is_empty() {
                    *heard.lock() = Instant::now();
                } else if heard.lock().elapsed() > SILENCE_MAX {
                    return;
                }
            }
        };
        tokio::select! {
            result = write => result.err().map(|error| error.to_string()).unwrap_or_default(),
            result = read => result.err().unwrap_or_default(),
            () = watch => "silent for too long".to_owned(),
        }
    }

    fn answer(&self, frame: Frame) {
        let Some(asker) = self.waiting.lock().remove(&frame.id) else { return };
        let result = match frame.kind {
            Kind::Reply => Ok(frame.payload),
            Kind::NotServed => Err(CallError::NotSent(format!("{} is starting", self.peer))),
            Kind::Request => return,
        };
        // The asker may have given up in this moment.
        let _ = asker.send(result);
    }

    /// The connection is gone: what was not written surely did not arrive; of the rest nobody knows.
    fn fail_all(&self) {
        for frame in self.outbox.drain() {
            if let Some(asker) = self.waiting.lock().remove(&frame.id) {
                let _ = asker.send(Err(CallError::NotSent(format!("the connection to {} broke", self.peer))));
            }
        }
        for (_, asker) in std::mem::take(&mut *self.waiting.lock()) {
            let _ = asker.send(Err(CallError::NoAnswer));
        }
    }
}

/// Why a connection broke off before it was a link.
fn broken(error: tokio_tungstenite::tungstenite::Error) -> Refusal {
    match error {
        tokio_tungstenite::tungstenite::Error::Io(error) => error.into(),
        other => Refusal::Unreachable(other.to_string()),
    }
}

async fn receive(socket: &mut Socket) -> Result<Bytes, Refusal> {
    match socket.next().await {
        Some(Ok(Message::Binary(bytes))) => Ok(bytes),
        Some(Ok(_)) => Err(Refusal::Mismatch("not a node: it speaks something else".to_owned())),
        Some(Err(error)) => Err(broken(error)),
        None => Err(Refusal::Unreachable("closed".to_owned())),
    }
}

/// Removes a request from `waiting` when its caller drops it.
struct Forget<'a> {
    link: &'a Link,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.link.waiting.lock().remove(&self.id);
    }
}
