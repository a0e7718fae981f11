//! One keep-alive HTTP connection, for the supervisor's progress lines and the benchmark.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use orrery_base::error::ErrorBody;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

/// A connection to one server; requests go one after the other.
pub struct Client {
    address: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects to `host:port`.
    pub async fn connect(address: &str) -> Result<Client> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends by itself when the sender is dropped or the server closes.
        tokio::spawn(connection);
        Ok(Client { address: address.to_owned(), sender })
    }

    /// A JSON body by POST: status and body.
    pub async fn post(&mut self, path: &str, body: &impl Serialize) -> Result<(u16, Bytes)> {
        let body = serde_json::to_vec(body)?;
        self.send(Method::POST, path, body.into()).await
    }

    /// A JSON answer by GET; another status than 200 is an error.
    pub async fn get<T: DeserializeOwned>(&mut self, path: &str) -> Result<T> {
        let (status, bytes) = self.send(Method::GET, path, Bytes::new()).await?;
        anyhow::ensure!(status == 200, "{} answered {status} to {path}", self.address);
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// An answer by GET that is taken piece by piece; another status than 200 is an error.
    pub async fn download(&mut self, path: &str) -> Result<Download> {
        let request = Request::builder().method(Method::GET).uri(path).header(header::HOST, &self.address);
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(Bytes::new()))?).await?;
        let status = response.status().as_u16();
        if status != 200 {
            let bytes = response.into_body().collect().await?.to_bytes();
            let said = serde_json::from_slice::<ErrorBody>(&bytes).map(|body| body.error.message);
            anyhow::bail!("{}", said.unwrap_or_else(|_| format!("it answered {status}")));
        }
        Ok(Download { body: response.into_body() })
    }

    /// Any request: status and body.
    pub async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<(u16, Bytes)> {
        // Whatever changes something says that it is JSON, also without a body.
        let changes = method != Method::GET;
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, &self.address);
        if changes {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// A body that is taken piece by piece.
pub struct Download {
    body: Incoming,
}

impl Download {
    /// The next piece; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}
