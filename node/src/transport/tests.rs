//! Links between two real listeners on loopback.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use bytes::Bytes;
use orrery_shared::engine::host::{CallError, Transport as _, Urgency};
use orrery_shared::ids::ClusterId;
use orrery_shared::machine::Member;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;

const LONG: Duration = Duration::from_secs(10);

struct Peer {
    links: Links,
    /// Why it was told to give itself up.
    dismissed: watch::Receiver<String>,
    member: Member,
    server: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.server.abort();
        self.links.close();
    }
}

async fn peer(name: &str, port: u16, cluster: Option<u64>, secret: &str) -> Peer {
    let listener = listen(([127, 0, 0, 1], port).into()).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let identity =
        PeerIdentity { cluster: cluster.map(ClusterId), node: name.into(), incarnation: 1, boot: 1 };
    let (tell, dismissed) = watch::channel(String::new());
    let on_dismissed: OnDismissed = Arc::new(move |why| drop(tell.send(why.to_owned())));
    let links = Links::new(identity, Secret(secret.into()), Arc::new(|_, _| {}), on_dismissed);
    let router = Router::new()
        .route(
            "/peer",
            get(|State(links): State<Links>, upgrade: WebSocketUpgrade| async {
                upgrade.on_upgrade(|socket| accept_peer(links, socket))
            }),
        )
        .with_state(links.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let member = Member { name: name.into(), address, ..Member::default() };
    Peer { links, dismissed, member, server }
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
    let a = peer("a", 0, None, "one secret").await;
    let b = peer("b", 0, Some(7), "one secret").await;
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
    let a = peer("a", 0, None, "one secret").await;
    let b = peer("b", 0, None, "one secret").await;
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
    let a = peer("a", 0, None, "one secret").await;
    let b = peer("b", 0, None, "one secret").await;
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
        let dialled_again = peer("b", 0, None, "another secret").await;
        a.links.members(std::slice::from_ref(&dialled_again.member));
    });
    assert_eq!(broken, Err(CallError::NoAnswer));

    drop(b);
    let again = loop {
        // The port is free once the old server's task is gone.
        match timeout(LONG, tokio::net::TcpListener::bind(("127.0.0.1", port))).await.unwrap() {
            Ok(free) => {
                drop(free);
                break peer("b", port, None, "one secret").await;
            }
            Err(_) => sleep(Duration::from_millis(5)).await,
        }
    };
    again.links.attach(echo());
    a.links.members(std::slice::from_ref(&again.member));
    until_connected(&a, &again).await;
    assert_eq!(ask(&a, &again, b"hi", LONG).await.unwrap(), "hi");
}

#[tokio::test]
async fn strangers_get_no_link() {
    let a = peer("a", 0, Some(1), "one secret").await;
    let wrong_secret = peer("b", 0, Some(1), "another secret").await;
    let wrong_cluster = peer("c", 0, Some(2), "one secret").await;
    let wrong_name = peer("d", 0, Some(1), "one secret").await;
    let misnamed = Member { name: "e".into(), ..wrong_name.member.clone() };
    a.links.members(&[wrong_secret.member.clone(), wrong_cluster.member.clone(), misnamed.clone()]);
    for (stranger, why) in
        [(&wrong_secret.member, "secret"), (&wrong_cluster.member, "cluster"), (&misnamed, "but d is here")]
    {
        let what = format!("{} is refused: {why}", stranger.name);
        until(&what, async || {
            let call = a.links.call(stranger, Urgency::Normal, Bytes::new(), LONG).await;
            let Err(CallError::NotSent(said)) = call else { panic!("{}: {call:?}", stranger.name) };
            said.contains(why)
        })
        .await;
        assert!(!a.links.connected(stranger), "{}", stranger.name);
    }
}

#[tokio::test]
async fn an_incarnation_that_was_given_up_gets_no_link_and_hears_why() {
    let a = peer("a", 0, Some(1), "one secret").await;
    let b = peer("b", 0, Some(1), "one secret").await;
    let stranger = peer("c", 0, Some(1), "another secret").await;
    let later = Member { incarnation: 2, ..a.member.clone() };
    for side in [&b, &stranger] {
        side.links.committed(std::slice::from_ref(&later));
    }
    let everybody = [a.member.clone(), b.member.clone(), stranger.member.clone()];
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
