//! The one place where connections are made and taken: TLS would slip in here and nowhere else.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// What a node accepts connections from.
pub type Listener = TcpListener;

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

/// Connects to `host:port`. Small frames are not held back (TCP_NODELAY).
pub(super) async fn dial(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
