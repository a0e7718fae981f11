//! What becomes of a body that nobody wants.
//!
//! Many clients read no answer before they have sent all of their request. So what is left of a body that is answered early is
//! taken and thrown away, within bounds; and where it does not end within them, the answer says that the connection ends.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::server::Caller;

/// Most that is thrown away of one body.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest time for it.
const DISCARD_MAX: Duration = Duration::from_secs(2);

/// Throws away the body of a request that is answered without it.
pub async fn discard_body(request: Request) {
    let (parts, body) = request.into_parts();
    discard(&parts.headers, body, parts.extensions.get::<Caller>()).await;
}

/// Throws away what is left of a body.
pub(super) async fn discard(headers: &HeaderMap, mut body: Body, caller: Option<&Caller>) {
    if body.is_end_stream() {
        return;
    }
    // With `Expect: 100-continue` the client has not sent the body yet, and need not.
    let ended = !headers.contains_key(header::EXPECT) && {
        let mut bytes = 0;
        let all = async {
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, bytes::Bytes::len);
                if bytes > DISCARDED_BYTES_MAX {
                    return false;
                }
            }
            true
        };
        timeout(DISCARD_MAX, all).await.unwrap_or(false)
    };
    if let Some(caller) = caller.filter(|_| !ended) {
        caller.close_after_answer();
    }
}
