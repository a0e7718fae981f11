//! The one place where connections are made and taken.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use orrery_base::ids::NodeName;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use super::certificates::dns_name;
use super::trust::{Proof, Trust, explain};

/// What a node accepts connections from.
pub type Listener = TcpListener;

/// Bytes in both directions, encrypted or not.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// A connection that was dialled.
pub(super) struct Dialled {
    /// What is written is sent at once.
    pub stream: Pin<Box<dyn Duplex>>,
    /// Who answers there, where links are encrypted.
    pub proof: Option<Proof>,
    pub own_end: SocketAddr,
    pub other_end: SocketAddr,
}

/// Why there is no connection.
pub(super) enum Refusal {
    /// Nobody is there, or it went away.
    Unreachable(String),
    /// Somebody is there and does not fit.
    Mismatch(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Refusal {
        match explain(&error) {
            Some(why) => Refusal::Mismatch(why),
            None => Refusal::Unreachable(error.to_string()),
        }
    }
}

/// Binds. The error says which address is taken.
pub async fn listen(address: SocketAddr) -> io::Result<Listener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => format!("{address} is in use by another program"),
            _ => format!("cannot listen on {address}: {error}"),
        };
        io::Error::new(error.kind(), why)
    })
}

/// Connects to the node of that name at `host:port`. Small frames are not held back (TCP_NODELAY).
pub(super) async fn dial(trust: &Trust, address: &str, peer: &NodeName) -> Result<Dialled, Refusal> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (own_end, other_end) = (stream.local_addr()?, stream.peer_addr()?);
    let Some(connector) = trust.connector() else {
        return Ok(Dialled { stream: Box::pin(stream), proof: None, own_end, other_end });
    };
    let name = dns_name(peer).map_err(|error| Refusal::Mismatch(error.to_string()))?;
    let stream = connector.connect(ServerName::DnsName(name), stream).await.map_err(|error| {
        // Whoever does not know this protocol hangs up on its first message.
        match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Refusal::Mismatch("it ended the encryption's handshake".to_owned())
            }
            _ => error.into(),
        }
    })?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let proof = certificate.map(|certificate| Proof::Certificate(certificate.clone().into_owned()));
    Ok(Dialled { stream: Box::pin(stream), proof, own_end, other_end })
}
