//! A server on loopback, and clients that write bytes to it.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::routing::{get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::http::read_json;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(60);
const LARGE: usize = 64 << 20;

struct Server {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `/`: at once. `/slow`: after a third of a second. `/never`: not at all; `cancelled` counts who gave up. `/json`: a body.
async fn server(limits: Limits, cancelled: Arc<AtomicUsize>) -> Server {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let never = move || {
        let count = Count(cancelled.clone());
        async move {
            std::future::pending::<()>().await;
            drop(count);
        }
    };
    let json = |request: Request| async {
        read_json::<serde_json::Value>(request).await.map(|value| value.to_string())
    };
    let router = Router::new()
        .route("/", get(|| async { "hi" }))
        .route("/livez", get(|| async { "ok" }))
        .route("/slow", get(|| async { sleep(Duration::from_millis(300)).await }))
        .route("/never", get(never))
        .route("/large", get(|| async { vec![b'x'; LARGE] }))
        .route("/json", post(json))
        .route(PEER_PATH, get(|| async { "peer" }));
    let listener = crate::transport::listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stopping, stopped) = watch::channel(false);
    let task = tokio::spawn(serve(listener, Site { router, tls: None }, limits, Box::new(|| {}), stopped));
    Server { address, stopping, task }
}

fn limits(connections_max: usize) -> Limits {
    Limits { newcomers_max: 4, ..Limits::new(connections_max, None) }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn sent(&self, text: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// What comes until the end, or until it was reset.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(LONG, stream.read_to_end(&mut bytes)).await.expect("the connection ends");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    match read {
        Ok(_) => text,
        Err(error) => format!("{text}({error})"),
    }
}

/// One answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"hi") {
        let read = timeout(LONG, stream.read_buf(&mut bytes)).await.expect("an answer").unwrap();
        assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const GET: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

#[tokio::test]
async fn idle_connections_and_half_sent_headers_keep_nobody_out() {
    let server = server(limits(8), Arc::default()).await;
    let mut crowd = Vec::new();
    for number in 0..200 {
        crowd.push(server.sent(if number % 2 == 0 { "GET / HT" } else { "" }).await);
    }
    let mut asks = server.sent(GET).await;
    answer(&mut asks).await;
    // It is asked again and again, and stays while others go.
    for _ in 0..50 {
        crowd.push(server.sent("GET").await);
        asks.write_all(GET.as_bytes()).await.unwrap();
        answer(&mut asks).await;
    }
    assert_eq!(rest(crowd.remove(0)).await, "", "the first one was sent away");
}

#[tokio::test]
async fn who_is_answered_stays_and_who_is_too_many_is_told() {
    let server = server(limits(4), Arc::default()).await;
    let mut busy = Vec::new();
    for _ in 0..4 {
        busy.push(server.sent("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await);
    }
    // A request that comes before theirs would be answered: asked until theirs are there.
    let told = loop {
        let mut stream = server.sent(GET).await;
        let mut bytes = vec![0; 1_024];
        let read = timeout(LONG, stream.read(&mut bytes)).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        if !text.starts_with("HTTP/1.1 200") {
            break text;
        }
    };
    assert!(told.starts_with("HTTP/1.1 429") && told.contains("connection: close"), "{told}");
    assert!(told.contains("limit_reached"), "{told}");
    let alive = server.sent("GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    let alive = rest(alive).await;
    assert!(alive.starts_with("HTTP/1.1 200"), "that the process runs is said however many ask: {alive}");
    let peer = server.sent("GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(rest(peer).await.ends_with("peer"), "a peer waits for no client");
    for stream in &busy {
        let mut byte = [0];
        let closed = stream.try_read(&mut byte);
        assert!(
            matches!(&closed, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "{closed:?}"
        );
    }
}

#[tokio::test]
async fn slow_headers_idle_clients_and_those_who_do_not_read_are_closed() {
    let limits = Limits { header_max: SHORT, idle_max: SHORT * 8, unread_max: SHORT, ..limits(8) };
    let server = server(limits, Arc::default()).await;
    let began = Instant::now();
    assert_eq!(rest(server.sent("GET / HTTP/1.1\r\nhos").await).await, "");
    assert!(began.elapsed() >= SHORT);
    let began = Instant::now();
    let text = rest(server.sent(GET).await).await;
    assert!(text.ends_with("hi") && began.elapsed() >= SHORT * 8, "idle for longer: {text}");
    let mut second = server.sent(GET).await;
    answer(&mut second).await;
    let began = Instant::now();
    second.write_all(b"GET / HT").await.unwrap();
    assert_eq!(rest(second).await, "");
    assert!(began.elapsed() < SHORT * 8, "half a header is not idle");
    // More than the system's buffers hold: it is cut off in the middle.
    let mut large = server.sent("GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await;
    sleep(SHORT * 12).await;
    let mut bytes = Vec::new();
    let read = timeout(LONG, large.read_to_end(&mut bytes)).await.expect("it ends");
    assert!(read.is_err() || bytes.len() < LARGE, "{} bytes", bytes.len());
}

#[tokio::test]
async fn a_half_closed_client_gets_its_answers() {
    let server = server(limits(8), Arc::default()).await;
    let slow = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut stream = server.sent(&format!("{slow}{GET}")).await;
    stream.shutdown().await.unwrap();
    let text = rest(stream).await;
    assert_eq!(text.matches("HTTP/1.1 200").count(), 2, "{text}");
    let mut stream = server.connect().await;
    let body = "{}";
    let post =
        "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(format!("{post}{body}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let text = rest(stream).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("{}"), "{text}");
}

#[tokio::test]
async fn a_client_that_went_away_is_not_waited_for() {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let limits = Limits { half_closed_max: SHORT, ..limits(8) };
    let server = server(limits, cancelled.clone()).await;
    drop(server.sent("GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await);
    let deadline = Instant::now() + LONG;
    while cancelled.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < deadline, "it is answered for ever");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_body_over_the_bound_is_answered_so_that_a_client_that_sends_first_can_read_it() {
    let server = server(limits(8), Arc::default()).await;
    let head = |length: usize, more: &str| {
        format!(
            "POST /json HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n"
        )
    };
    // All of it is taken, and the connection goes on.
    let mut stream = server.sent(&head(3 << 20, "")).await;
    stream.write_all(&vec![b'x'; 3 << 20]).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    let text = answer(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("HTTP/1.1 200"), "{text}");
    assert!(!text.contains("connection: close"), "{text}");
    // More than is thrown away: the answer says that the connection ends, and can be read although more is sent.
    let mut stream = server.sent(&head(12 << 20, "")).await;
    stream.write_all(&vec![b'x'; 12 << 20]).await.unwrap();
    let text = rest(stream).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("connection: close"), "{text}");
    assert!(text.contains("too_large"), "{text}");
    // Whoever asks first need not send it.
    let text = rest(server.sent(&head(2 << 20, "expect: 100-continue\r\n")).await).await;
    assert!(text.starts_with("HTTP/1.1 413") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn what_is_no_request_is_answered_and_closed() {
    let server = server(limits(8), Arc::default()).await;
    let text = rest(server.sent("NONSENSE\r\n\r\n").await).await;
    assert!(text.starts_with("HTTP/1.1 400") && text.contains("connection: close"), "{text}");
}

#[tokio::test]
async fn a_stopping_server_answers_what_is_open_and_ends() {
    let mut server = server(limits(8), Arc::default()).await;
    let idle = server.connect().await;
    let stream = server.sent("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let mut ready = server.sent(GET).await;
    answer(&mut ready).await;
    server.stopping.send(true).unwrap();
    let text = rest(stream).await;
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    assert_eq!(rest(idle).await, "");
    drop(ready);
    timeout(LONG, &mut server.task).await.expect("it ends").unwrap();
}
