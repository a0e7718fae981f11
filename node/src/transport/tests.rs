//! Links between two real listeners on loopback.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use orrery_base::ids::ClusterId;
use orrery_engine::host::{CallError, Transport as _, Urgency};
use orrery_machine::Member;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::certificates::Authority;
use super::*;
use crate::config::{Credentials, Secret};
use crate::server::{Caller, Limits, Site, serve};

const LONG: Duration = Duration::from_secs(10);

struct Peer {
    links: Links,
    /// What it was told of its incarnation.
    dismissed: watch::Receiver<String>,
    member: Member,
    server: JoinHandle<()>,
    _stopping: watch::Sender<bool>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
        self.links.close();
    }
}

async fn peer(name: &str, port: u16, cluster: Option<u64>) -> Peer {
    peer_with(name, name, port, cluster, &Credentials::None).await
}

fn secrets(own: &str, accepted: &[&str]) -> Credentials {
    let secret = |text: &str| Secret(text.into());
    Credentials::Secret { own: secret(own), accepted: accepted.iter().map(|text| secret(text)).collect() }
}

async fn peer_of(name: &str, cluster: Option<u64>, credentials: &Credentials) -> Peer {
    peer_with(name, name, 0, cluster, credentials).await
}

/// `certified` is the name in its certificate.
async fn peer_with(
    name: &str,
    certified: &str,
    port: u16,
    cluster: Option<u64>,
    credentials: &Credentials,
) -> Peer {
    let listener = listen(([127, 0, 0, 1], port).into()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let identity =
        PeerIdentity { cluster: cluster.map(ClusterId), node: name.into(), incarnation: 1, boot: 1 };
    let (tell, dismissed) = watch::channel(String::new());
    let on_dismissed: OnDismissed = Arc::new(move |why| drop(tell.send(why.to_owned())));
    let trust = Trust::new(&certified.into(), credentials, Path::new("")).unwrap();
    let links = Links::new(identity, trust, Arc::new(|_, _| {}), on_dismissed);
    let router = Router::new().route(PEER_PATH, get(accept)).with_state(links.clone());
    let site = Site { router, tls: links.trust().acceptor() };
    let (stopping, stopped) = watch::channel(false);
    let server = tokio::spawn(serve(listener, site, Limits::new(64, None), Box::new(|| {}), stopped));
    let member = Member { name: name.into(), address, ..Member::default() };
    Peer { links, dismissed, member, server, _stopping: stopping }
}

async fn accept(
    State(links): State<Links>,
    Extension(caller): Extension<Caller>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let admission = links.admit(Some(&caller)).await;
    let upgrade = upgrade.max_message_size(admission.message_bytes_max());
    upgrade.on_upgrade(|socket| accept_peer(links, socket, admission, Some(caller)))
}

/// Answers with what was asked, `slow` after a second, `never` not at all.
fn echo() -> Serve {
    echo_counting(&watch::Sender::new(0))
}

/// The same, and says how many requests have arrived.
fn echo_counting(arrived: &watch::Sender<usize>) -> Serve {
    let arrived = arrived.clone();
    Arc::new(move |_, request: Bytes| {
        arrived.send_modify(|count| *count += 1);
        Box::pin(async move {
            match &request[..] {
                b"slow" => sleep(Duration::from_secs(1)).await,
                b"never" => return None,
                _ => {}
            }
            Some(request)
        })
    })
}

async fn until(what: &str, reached: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !reached().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

async fn until_connected(from: &Peer, to: &Peer) {
    let what = format!("a link from {} to {}", from.member.name, to.member.name);
    until(&what, async || from.links.connected(&to.member)).await;
}

async fn ask(from: &Peer, to: &Peer, what: &'static [u8], within: Duration) -> Result<Bytes, CallError> {
    from.links.call(&to.member, Urgency::Normal, Bytes::from_static(what), within).await
}

#[tokio::test]
async fn requests_and_answers_in_both_directions() {
    let a = peer("a", 0, None).await;
    let b = peer("b", 0, Some(7)).await;
    let everybody = [a.member.clone(), b.member.clone()];
    for side in [&a, &b] {
        side.links.attach(echo());
        side.links.members(&everybody);
    }
    until_connected(&a, &b).await;
    until_connected(&b, &a).await;
    let slow = ask(&a, &b, b"slow", LONG);
    let quick = async {
        let began = Instant::now();
        assert_eq!(ask(&a, &b, b"hi", LONG).await.unwrap(), "hi");
        assert_eq!(ask(&b, &a, b"ho", LONG).await.unwrap(), "ho");
        assert!(began.elapsed() < Duration::from_millis(900), "a slow answer holds nothing up");
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert_eq!(slow.unwrap(), "slow");
    assert_eq!(ask(&a, &b, b"never", Duration::from_millis(30)).await, Err(CallError::NoAnswer));
}

#[tokio::test]
async fn what_was_not_sent_is_told_at_once() {
    let a = peer("a", 0, None).await;
    let b = peer("b", 0, None).await;
    let nobody = Member { name: "c".into(), address: "127.0.0.1:1".into(), ..Member::default() };
    a.links.members(&[b.member.clone(), nobody.clone()]);
    let began = Instant::now();
    let result = a.links.call(&nobody, Urgency::Normal, Bytes::new(), LONG).await;
    assert!(matches!(result, Err(CallError::NotSent(_))), "{result:?}");
    until_connected(&a, &b).await;
    let starting = ask(&a, &b, b"hi", LONG).await;
    assert!(matches!(&starting, Err(CallError::NotSent(why)) if why.contains("starting")), "{starting:?}");
    assert!(began.elapsed() < LONG);
}

#[tokio::test]
async fn a_peer_that_comes_back_is_connected_quickly() {
    let a = peer("a", 0, None).await;
    let b = peer("b", 0, None).await;
    let port = b.member.address.rsplit(':').next().unwrap().parse().unwrap();
    let arrived = watch::Sender::new(0);
    a.links.attach(echo());
    b.links.attach(echo_counting(&arrived));
    a.links.members(std::slice::from_ref(&b.member));
    b.links.members(std::slice::from_ref(&a.member));
    until_connected(&a, &b).await;

    // The connection breaks in the middle of a call: nobody knows what became of it, and it is told at once.
    let (broken, ()) = tokio::join!(ask(&a, &b, b"never", LONG), async {
        timeout(LONG, arrived.subscribe().wait_for(|count| *count == 1)).await.unwrap().unwrap();
        let dialled_again = peer("b", 0, None).await;
        a.links.members(std::slice::from_ref(&dialled_again.member));
    });
    assert_eq!(broken, Err(CallError::NoAnswer));

    drop(b);
    let again = loop {
        // The port is free once the old server's task is gone.
        match timeout(LONG, tokio::net::TcpListener::bind(("127.0.0.1", port))).await.unwrap() {
            Ok(free) => {
                drop(free);
                break peer("b", port, None).await;
            }
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    };
    again.links.attach(echo());
    a.links.members(std::slice::from_ref(&again.member));
    until_connected(&a, &again).await;
    assert_eq!(ask(&a, &again, b"hi", LONG).await.unwrap(), "hi");
}

/// Waits until `from` says of `to` why there is no link.
async fn until_refused(from: &Peer, to: &Member, why: &str) {
    let what = format!("{} is refused: {why}", to.name);
    until(&what, async || {
        let call = from.links.call(to, Urgency::Normal, Bytes::new(), LONG).await;
        let Err(CallError::NotSent(said)) = call else { panic!("{}: {call:?}", to.name) };
        said.contains(why)
    })
    .await;
    assert!(!from.links.connected(to), "{}", to.name);
}

#[tokio::test]
async fn strangers_get_no_link() {
    let a = peer("a", 0, Some(1)).await;
    let wrong_cluster = peer("c", 0, Some(2)).await;
    let wrong_name = peer("d", 0, Some(1)).await;
    let misnamed = Member { name: "e".into(), ..wrong_name.member.clone() };
    a.links.members(&[wrong_cluster.member.clone(), misnamed.clone()]);
    until_refused(&a, &wrong_cluster.member, "cluster").await;
    until_refused(&a, &misnamed, "but d is here").await;
}

#[tokio::test]
async fn whoever_knows_the_secret_gets_an_encrypted_link_and_nobody_else_does() {
    let ours = secrets("the secret of our school", &[]);
    let a = peer_of("a", Some(1), &ours).await;
    let b = peer_of("b", Some(1), &ours).await;
    let wrong_secret = peer_of("c", Some(1), &secrets("the secret of another school", &[])).await;
    let wrong_cluster = peer_of("d", Some(2), &ours).await;
    let plain = peer("p", 0, Some(1)).await;
    let misnamed = Member { name: "e".into(), ..b.member.clone() };
    let others = [&wrong_secret.member, &wrong_cluster.member, &plain.member, &misnamed].map(Clone::clone);
    b.links.attach(echo());
    a.links.members(&[std::slice::from_ref(&b.member), &others].concat());
    until_connected(&a, &b).await;
    assert_eq!(ask(&a, &b, b"hi", LONG).await.unwrap(), "hi");
    until_refused(&a, &wrong_secret.member, "differ").await;
    until_refused(&a, &wrong_cluster.member, "cluster").await;
    until_refused(&a, &plain.member, "encryption").await;
    until_refused(&a, &misnamed, "another name").await;
    // The other way round: what does not fit dials.
    for stranger in [&wrong_secret, &plain] {
        stranger.links.members(std::slice::from_ref(&a.member));
    }
    until_refused(&wrong_secret, &a.member, "differ").await;
    until_refused(&plain, &a.member, "encrypted").await;
}

#[tokio::test]
async fn a_certificate_is_good_for_its_name_only() {
    let ours = secrets("the secret of our school", &[]);
    let a = peer_of("a", Some(1), &ours).await;
    let impostor = peer_with("b", "c", 0, Some(1), &ours).await;
    impostor.links.members(std::slice::from_ref(&a.member));
    until_refused(&impostor, &a.member, "not one of b").await;
    a.links.members(std::slice::from_ref(&impostor.member));
    until_refused(&a, &impostor.member, "another name").await;
}

#[tokio::test]
async fn a_secret_is_changed_while_all_nodes_stay_linked() {
    let [old, new] = ["the secret of last year", "the secret of this year"];
    let steps = [secrets(old, &[]), secrets(old, &[new]), secrets(new, &[old]), secrets(new, &[])];
    let mut peers = Vec::new();
    for (number, credentials) in steps.iter().enumerate() {
        peers.push(peer_of(&format!("n{number}"), Some(1), credentials).await);
    }
    for (earlier, later) in [(0, 1), (1, 2), (2, 3)] {
        let pair = [&peers[earlier], &peers[later]];
        let members = pair.map(|peer| peer.member.clone());
        for side in pair {
            side.links.members(&members);
        }
        until_connected(pair[0], pair[1]).await;
        until_connected(pair[1], pair[0]).await;
    }
    peers[0].links.members(std::slice::from_ref(&peers[3].member));
    until_refused(&peers[0], &peers[3].member, "differ").await;
}

#[tokio::test]
async fn certificates_of_files_make_links_and_two_authorities_are_accepted_for_a_while() {
    let folder = std::env::temp_dir().join(format!("orrery-certs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let credentials = Credentials::Certificates { folder: folder.clone() };
    let [old, new] = [(); 2].map(|()| Authority::generate(30).unwrap());
    let accepted = format!("{}{}", old.certificate().pem(), new.certificate().pem());
    std::fs::write(folder.join("ca.pem"), accepted).unwrap();
    for (name, authority) in [("a", &old), ("B_2", &new)] {
        let own = authority.issue(&name.into(), Some(30)).unwrap();
        std::fs::write(folder.join(format!("{name}.pem")), own.certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}-key.pem")), own.key.serialize_pem()).unwrap();
    }
    let a = peer_of("a", None, &credentials).await;
    let b = peer_of("B_2", None, &credentials).await;
    b.links.attach(echo());
    a.links.members(std::slice::from_ref(&b.member));
    until_connected(&a, &b).await;
    assert_eq!(ask(&a, &b, b"hi", LONG).await.unwrap(), "hi");
    // One that nobody signed, and one of another node.
    for (name, own) in [
        ("x", Authority::generate(30).unwrap().issue(&"x".into(), None).unwrap()),
        ("y", old.issue(&"a".into(), None).unwrap()),
    ] {
        std::fs::write(folder.join(format!("{name}.pem")), own.certificate.pem()).unwrap();
        std::fs::write(folder.join(format!("{name}-key.pem")), own.key.serialize_pem()).unwrap();
    }
    let x = peer_of("x", None, &credentials).await;
    x.links.members(std::slice::from_ref(&a.member));
    until_refused(&x, &a.member, "differ").await;
    let error = Trust::new(&"y".into(), &credentials, Path::new("")).err().unwrap().to_string();
    assert!(error.contains("not one of y"), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Passes on what it is sent, and turns one bit of every byte number `nth` that goes to the client.
async fn man_in_the_middle(to: String, nth: usize) -> (String, Arc<AtomicUsize>) {
    let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let turned = Arc::new(AtomicUsize::new(0));
    let counter = turned.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (to, counter) = (to.clone(), counter.clone());
            tokio::spawn(async move {
                let Ok(server) = TcpStream::connect(to).await else { return };
                let (mut from_client, mut to_client) = client.into_split();
                let (mut from_server, mut to_server) = server.into_split();
                let there = tokio::io::copy(&mut from_client, &mut to_server);
                let back = async {
                    let (mut passed, mut bytes) = (0, vec![0; 4_096]);
                    loop {
                        let read = from_server.read(&mut bytes).await?;
                        if read == 0 {
                            return std::io::Result::Ok(());
                        }
                        for (at, byte) in bytes[..read].iter_mut().enumerate() {
                            if (passed + at + 1) % nth == 0 {
                                *byte ^= 1;
                                counter.fetch_add(1, Ordering::SeqCst);
                            }
                        }
                        passed += read;
                        to_client.write_all(&bytes[..read]).await?;
                    }
                };
                tokio::select! {
                    _ = there => {}
                    _ = back => {}
                }
            });
        }
    });
    (address, turned)
}

#[tokio::test]
async fn what_is_altered_on_the_way_is_never_taken_for_an_answer() {
    let ours = secrets("the secret of our school", &[]);
    let a = peer_of("a", Some(1), &ours).await;
    let b = peer_of("b", Some(1), &ours).await;
    b.links.attach(echo());
    // Some are altered in the handshake, some long after.
    for nth in [50, 700, 2_000, 5_000] {
        let (address, turned) = man_in_the_middle(b.member.address.clone(), nth).await;
        let through = Member { address, ..b.member.clone() };
        a.links.members(std::slice::from_ref(&through));
        let deadline = Instant::now() + LONG;
        while turned.load(Ordering::SeqCst) < 3 {
            assert!(Instant::now() < deadline, "nothing came by");
            match a.links.call(&through, Urgency::Normal, Bytes::from_static(b"hi"), LONG).await {
                Ok(answer) => assert_eq!(answer, "hi"),
                Err(_) => sleep(Duration::from_millis(5)).await,
            }
        }
    }
    assert_eq!(*a.dismissed.borrow(), "", "nobody told it to go");
}

async fn websocket(to: &Peer) -> tokio_tungstenite::WebSocketStream<TcpStream> {
    let address = &to.member.address;
    let stream = TcpStream::connect(address).await.unwrap();
    tokio_tungstenite::client_async(format!("ws://{address}{PEER_PATH}"), stream).await.unwrap().0
}

async fn message(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Option<Bytes> {
    match timeout(LONG, socket.next()).await.expect("an answer or an end") {
        Some(Ok(Message::Binary(bytes))) => Some(bytes),
        _ => None,
    }
}

#[tokio::test]
async fn a_node_of_the_release_before_is_told_why_it_gets_no_link() {
    for a in
        [peer("a", 0, Some(1)).await, peer_of("a", Some(1), &secrets("the secret of our school", &[])).await]
    {
        let mut socket = websocket(&a).await;
        assert_eq!(message(&mut socket).await.unwrap().len(), 17, "what it takes for a challenge");
        socket.send(Message::Binary(vec![1, 0, 1, b'b', 1, 1, 1, b'a'].into())).await.unwrap();
        let verdict = message(&mut socket).await.unwrap();
        let text = String::from_utf8_lossy(&verdict);
        assert!(verdict[0] == 1 && text.contains("same release"), "{text}");
    }
}

#[tokio::test]
async fn who_proved_nothing_says_little() {
    let a = peer_of("a", Some(1), &secrets("the secret of our school", &[])).await;
    let mut socket = websocket(&a).await;
    message(&mut socket).await.unwrap();
    // The other side may hang up before all of it is sent.
    let _ = socket.send(Message::Binary(vec![2; 64 * 1024].into())).await;
    assert_eq!(message(&mut socket).await, None, "closed without an answer");
}

#[tokio::test]
async fn an_incarnation_that_was_given_up_gets_no_link_and_hears_why() {
    let a = peer("a", 0, Some(1)).await;
    let b = peer("b", 0, Some(1)).await;
    let later = Member { incarnation: 2, ..a.member.clone() };
    b.links.committed(std::slice::from_ref(&later));
    let everybody = [a.member.clone(), b.member.clone()];
    a.links.members(&everybody);
    b.links.members(&everybody);
    let mut dismissed = a.dismissed.clone();
    let why = timeout(LONG, dismissed.wait_for(|why| !why.is_empty())).await.unwrap().unwrap().clone();
    assert!(why.contains("incarnation 2"), "{why}");
    assert!(!a.links.connected(&b.member) && !b.links.connected(&a.member));

    // It comes back as the one that it is now.
    a.links.identify(|identity| identity.incarnation = 2);
    until_connected(&a, &b).await;
    until_connected(&b, &a).await;
}
