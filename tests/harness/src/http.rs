//! A client for the HTTP of nodes and supervisors: connections that are kept, JSON bodies, a time limit for each request.
//!
//! On hyper alone, with the features that the node has anyway: a larger client would ask for more of the crates that both share, and
//! the node would be built once more for the tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// Where no other limit is told.
const LIMIT: Duration = Duration::from_secs(30);
/// Connections to one server that are kept while nobody uses them. What is beyond is closed.
const IDLE_MAX: usize = 64;

type Connection = SendRequest<Full<Bytes>>;

/// Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    idle: Arc<Mutex<BTreeMap<String, Vec<Connection>>>>,
    limit: Duration,
}

impl Default for Client {
    fn default() -> Self {
        Client::new(LIMIT)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Error {
    /// Nobody listens there: the request did not even arrive.
    Connect(anyhow::Error),
    /// It was sent, or may have been, and nobody knows what became of it.
    Unknown(anyhow::Error),
}

impl Error {
    /// Whether the request did not even arrive.
    pub fn is_connect(&self) -> bool {
        matches!(self, Error::Connect(_))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Connect(cause) | Error::Unknown(cause) => write!(out, "{cause:#}"),
        }
    }
}

impl std::error::Error for Error {}

impl Client {
    /// A client whose requests take at most so long, from their connection to the end of their answers.
    pub fn new(limit: Duration) -> Client {
        Client { idle: Arc::default(), limit }
    }

    pub fn get(&self, url: impl Into<String>) -> Outgoing<'_> {
        self.request(Method::GET, url.into())
    }

    pub fn post(&self, url: impl Into<String>) -> Outgoing<'_> {
        self.request(Method::POST, url.into())
    }

    pub fn delete(&self, url: impl Into<String>) -> Outgoing<'_> {
        self.request(Method::DELETE, url.into())
    }

    fn request(&self, method: Method, url: String) -> Outgoing<'_> {
        let headers = Vec::new();
        Outgoing { client: self, method, url, headers, body: Ok(Bytes::new()), limit: self.limit }
    }

    /// A connection that was kept and still stands.
    fn kept(&self, host: &str) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.get_mut(host)?;
        while let Some(connection) = kept.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    fn keep(&self, host: &str, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle.entry(host.to_owned()).or_default();
        if kept.len() < IDLE_MAX {
            kept.push(connection);
        }
    }
}

async fn connect(host: &str) -> Result<Connection, Error> {
    let tried = async {
        let stream = TcpStream::connect(host).await.with_context(|| format!("cannot reach {host}"))?;
        stream.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        // Ends by itself when the connection is dropped or the server closes.
        tokio::spawn(driver);
        anyhow::Ok(connection)
    };
    tried.await.map_err(Error::Connect)
}

/// A request that was not sent yet.
#[derive(Debug)]
pub struct Outgoing<'a> {
    client: &'a Client,
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: serde_json::Result<Bytes>,
    limit: Duration,
}

impl Outgoing<'_> {
    /// With this header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With this body.
    pub fn json(mut self, body: &impl Serialize) -> Self {
        self.body = serde_json::to_vec(body).map(Bytes::from);
        self.headers.push(("content-type", "application/json".to_owned()));
        self
    }

    /// With a limit of its own.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sends it and takes its whole answer.
    pub async fn send(self) -> Result<Response, Error> {
        let limit = self.limit;
        match tokio::time::timeout(limit, self.exchange()).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Error::Unknown(anyhow!("no answer within {limit:?}"))),
        }
    }

    async fn exchange(self) -> Result<Response, Error> {
        let unsent = |why: &'static str| Error::Connect(anyhow!("{}: {why}", self.url));
        let rest = self.url.strip_prefix("http://").ok_or_else(|| unsent("no http:// in front"))?;
        let at = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(at);
        let mut request =
            Request::builder().method(&self.method).uri(if path.is_empty() { "/" } else { path });
        request = request.header(header::HOST, host);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let body = self.body.map_err(|error| Error::Connect(error.into()))?;
        let mut request = request
            .body(Full::new(body))
            .map_err(|error| Error::Connect(anyhow!("{}: {error}", self.url)))?;
        let mut connection = self.client.kept(host);
        let (mut connection, response) = loop {
            let fresh = connection.is_none();
            let mut open = match connection.take() {
                Some(kept) => kept,
                None => connect(host).await?,
            };
            match open.try_send_request(request).await {
                Ok(response) => break (open, response),
                Err(mut failed) => match failed.take_message() {
                    // The server closed it in the meantime, and saw nothing of this request.
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Err(Error::Unknown(failed.into_error().into())),
                },
            }
        };
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(|error| Error::Unknown(error.into()))?;
        if connection.ready().await.is_ok() {
            self.client.keep(host, connection);
        }
        Ok(Response { status, url: self.url.clone(), body: body.to_bytes() })
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    /// Of the request.
    pub url: String,
    body: Bytes,
}

impl Response {
    /// Whether it is one of 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let told = || format!("{} answered {}: {}", self.url, self.status, self.text());
        serde_json::from_slice(&self.body).with_context(told)
    }
}
