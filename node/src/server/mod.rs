//! Serves HTTP: accepts connections as long as that is possible, bounds how many there are and how long one may do
//! nothing, and closes them so that clients can read the last answer.
//!
//! Invariant: nobody who does nothing keeps anybody else out; a peer least of all.

mod io;
mod limits;
mod seats;

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use orrery_base::error::ErrorCode;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt as _;

pub use limits::{Limits, raise_descriptors};

use crate::answer::Failure;
use crate::transport::{Incoming as PeerConnection, Listener, PEER_PATH, PROTOCOL, explain};
use io::Connection;
use seats::{Seat, Seats};

/// The probe that asks only whether the process runs.
pub const LIVEZ: &str = "/livez";

/// What a connection begins with where TLS is spoken: a record of a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Longest that the handshake of TLS may take.
const TLS_MAX: Duration = Duration::from_secs(3);

/// Largest header of a request.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// Between two looks for connections that take too long.
const SWEEP: Duration = Duration::from_millis(250);

/// Pause after nobody could be accepted: the first one, and the longest.
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(5);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_millis(200);

/// What is done when nobody can be accepted for long.
pub type OnDeaf = Box<dyn Fn() + Send + Sync>;

/// The connection of a request, among the request's extensions.
#[derive(Clone)]
pub struct Caller {
    seat: Arc<Seat>,
    pub from: SocketAddr,
    pub at: SocketAddr,
    /// What the other end proved to be, where the connection is encrypted.
    pub certificate: Option<Arc<CertificateDer<'static>>>,
}

impl Caller {
    /// The connection ends after this answer, which says so.
    pub fn close_after_answer(&self) {
        self.seat.close_after_answer();
    }
}

impl PeerConnection for Caller {
    fn own_end(&self) -> SocketAddr {
        self.at
    }

    fn other_end(&self) -> SocketAddr {
        self.from
    }

    fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.certificate.as_deref().cloned()
    }

    async fn evicted(&self) {
        self.seat.evicted.notified().await;
    }

    fn is_peers(&self) {
        self.seat.is_peers();
    }
}

#[derive(Clone)]
pub struct Site {
    pub router: Router,
    /// How peers' links are encrypted; on encrypted connections they alone are served.
    pub tls: Option<TlsAcceptor>,
}

/// Serves `site` until `stopped` says so. Open requests go on until they are answered or this future is dropped.
pub async fn serve(
    listener: Listener,
    site: Site,
    limits: Limits,
    on_deaf: OnDeaf,
    stopped: watch::Receiver<bool>,
) {
    let seats = Seats::new(limits);
    let mut connections = JoinSet::new();
    {
        let mut stopping = pin!(stops(stopped.clone()));
        let mut accepting = pin!(accept(&listener, &seats, &on_deaf));
        let mut sweep = interval(SWEEP);
        loop {
            tokio::select! {
                (stream, seat, caller) = &mut accepting => {
                    let connection =
                        Connection::new(stream, seat, limits.half_closed_max, limits.linger_max);
                    let all = seats.clone();
                    connections.spawn(attend(connection, caller, site.clone(), all, stopped.clone()));
                    accepting.set(accept(&listener, &seats, &on_deaf));
                }
                _ = sweep.tick() => seats.evict_slow(),
                _ = connections.join_next(), if !connections.is_empty() => {}
                () = stopping.as_mut() => break,
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The next connection, with its place.
async fn accept(listener: &Listener, seats: &Seats, on_deaf: &OnDeaf) -> (TcpStream, seats::Taken, Caller) {
    let mut deaf: Option<Instant> = None;
    let mut pause = ACCEPT_PAUSE_MIN;
    let mut warned = false;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                if warned {
                    tracing::info!("connections are accepted again");
                }
                // Without it, small answers could wait for the other side's delayed acknowledgement.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY");
                }
                // It went away already.
                let Ok(at) = stream.local_addr() else { continue };
                let taken = seats.take().await;
                let caller = Caller { seat: taken.0.clone(), from, at, certificate: None };
                return (stream, taken, caller);
            }
            Err(error) if is_the_callers(&error) => {}
            Err(error) => {
                // No descriptor or no memory is left: whoever does nothing gives one back.
                seats.evict_one();
                let since = *deaf.get_or_insert_with(Instant::now);
                if since.elapsed() >= seats.limits().deaf_max {
                    if !warned {
                        tracing::error!(%error, "no connection can be accepted: leadership is given up");
                        warned = true;
                    }
                    on_deaf();
                    deaf = Some(Instant::now());
                }
                sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// Whether an error of accepting says something of the one connection only.
fn is_the_callers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one connection until it ends. Its first byte says whether it is encrypted: no HTTP request begins like that.
async fn attend(
    connection: Connection,
    mut caller: Caller,
    site: Site,
    seats: Seats,
    stopped: watch::Receiver<bool>,
) {
    let seat = caller.seat.clone();
    let opened = async {
        match connection.first_byte().await {
            Ok(Some(TLS_HANDSHAKE)) => {}
            Ok(Some(_)) => return Some(Opened::Plain(connection)),
            Ok(None) | Err(_) => return None,
        }
        let Some(acceptor) = &site.tls else {
            if seats.may_warn() {
                tracing::warn!(from = %caller.from, "an encrypted link was refused: this node has no secret and no certificates");
            }
            return None;
        };
        match timeout(TLS_MAX, acceptor.accept(connection)).await {
            Ok(Ok(stream)) => Some(Opened::Encrypted(Box::new(stream))),
            Ok(Err(error)) => {
                if let Some(why) = explain(&error).filter(|_| seats.may_warn()) {
                    tracing::warn!(from = %caller.from, "an encrypted link was refused: {why}");
                }
                None
            }
            Err(_) => None,
        }
    };
    let opened = tokio::select! {
        opened = opened => opened,
        () = seat.evicted.notified() => return,
        () = stops(stopped.clone()) => return,
    };
    match opened {
        None => {}
        Some(Opened::Plain(connection)) => speak(connection, caller, site.router, stopped).await,
        Some(Opened::Encrypted(stream)) => {
            let session = stream.get_ref().1;
            let speaks = session.alpn_protocol() == Some(PROTOCOL);
            let certificate = session.peer_certificates().and_then(|chain| chain.first()).cloned();
            let Some(certificate) = certificate.filter(|_| speaks) else { return };
            caller.certificate = Some(Arc::new(certificate));
            speak(stream, caller, site.router, stopped).await;
        }
    }
}

/// A connection of which the first byte came.
enum Opened {
    Plain(Connection),
    Encrypted(Box<TlsStream<Connection>>),
}

async fn stops(mut stopped: watch::Receiver<bool>) {
    if stopped.wait_for(|stopped| *stopped).await.is_err() {
        // The sender is gone, so no stop will be asked for.
        std::future::pending::<()>().await;
    }
}

/// Speaks HTTP on one connection until it ends.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    caller: Caller,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let seat = caller.seat.clone();
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let counted = request.uri().path() != PEER_PATH;
        // `begin` comes before anything is polled: from then on a closed sending half does not count as a client that
        // went away. `/livez` is answered even where no more requests are admitted.
        let asks_whether_it_lives = request.uri().path() == LIVEZ;
        let admitted = !counted || caller.seat.begin() || asks_whether_it_lives;
        answer(request, router.clone(), caller.clone(), admitted)
    });
    let served = http1::Builder::new()
        .max_buf_size(HEADER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let mut stopping = pin!(stops(stopped));
    let mut is_stopping = false;
    loop {
        tokio::select! {
            result = served.as_mut() => {
                if let Err(error) = result {
                    tracing::trace!(%error, "a connection broke");
                }
                return;
            }
            () = seat.evicted.notified() => return,
            () = stopping.as_mut(), if !is_stopping => {
                is_stopping = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    router: Router,
    caller: Caller,
    admitted: bool,
) -> Result<Response<Answered>, Infallible> {
    let seat = caller.seat.clone();
    let mut request: Request = request.map(Body::new);
    let counted = request.uri().path() != PEER_PATH;
    if counted && caller.certificate.is_some() {
        let nothing = Failure::new(ErrorCode::NotFound, "Encrypted connections are for nodes.");
        return Ok(nothing.into_response().map(|body| Answered { body, seat }));
    }
    let mut response = if !admitted {
        seat.close_after_answer();
        crowded().into_response()
    } else {
        request.extensions_mut().insert(caller);
        match router.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    };
    if seat.closes_after_answer() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if counted && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        seat.streams();
    }
    Ok(response.map(|body| Answered { body, seat }))
}

fn crowded() -> Failure {
    Failure::new(
        ErrorCode::LimitReached,
        "All connections of this node are being answered; nothing was done. Try again, or ask another node.",
    )
}

/// The body of an answer; at its end the connection is idle.
struct Answered {
    body: Body,
    seat: Arc<Seat>,
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answered {
    fn drop(&mut self) {
        self.seat.answered();
    }
}
