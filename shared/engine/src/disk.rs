//! A value of the node itself on its disk.

use std::io;

use bytes::Bytes;
use openraft::AsyncRuntime;
use openraft::async_runtime::{Oneshot, OneshotSender};

use crate::host::{Disk, Host, Write};

/// Writes a value of the node itself and waits for the sync.
pub(crate) async fn write<H: Host>(host: &H, key: &'static str, value: Bytes) -> io::Result<()> {
    let (sender, receiver) = <<H::Runtime as AsyncRuntime>::Oneshot as Oneshot>::channel();
    // The receiver is gone only when the node is.
    host.disk().submit(vec![Write::Node { key, value }], Box::new(move |result| drop(sender.send(result))));
    let result = receiver.await.unwrap_or_else(|_| Err(io::Error::other("the disk stopped")));
    if let Err(error) = &result {
        host.fail_stop(&format!("writing the node's {key} failed: {error}"));
    }
    result
}
