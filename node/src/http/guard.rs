//! Who may call: Host and Origin must be the cluster's own.
//!
//! A page of another site that the user has open could otherwise call a node on loopback (by a plain cross-site
//! request, or by making its own name resolve to 127.0.0.1). Programs that are no browsers send no Origin.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use orrery_base::error::ErrorCode;
use parking_lot::RwLock;

use super::discard::discard_body;
use crate::answer::Failure;
use crate::server::LIVEZ;

/// What load balancers and orchestrators ask, by whatever name or address they know the node. It tells nothing that is secret.
const PROBES: [&str; 3] = [LIVEZ, "/readyz", "/health"];

/// The names and ports under which the cluster is reached. Cheap to clone; all clones are the same list.
#[derive(Clone, Default)]
pub struct Guard {
    allowed: Arc<RwLock<Allowed>>,
}

#[derive(Default)]
struct Allowed {
    hosts: BTreeSet<String>,
    ports: BTreeSet<u16>,
}

impl Guard {
    /// The loopback names and these addresses (`host:port`): each of the hosts with each of the ports.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Guard {
        let guard = Guard::default();
        guard.allowed.write().hosts.insert("localhost".to_owned());
        guard.allow(addresses);
        guard
    }

    /// Adds addresses, for example of a member that joined.
    pub fn allow<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) {
        let mut allowed = self.allowed.write();
        for (host, port) in addresses.into_iter().filter_map(split) {
            allowed.hosts.insert(host.to_ascii_lowercase());
            allowed.ports.insert(port);
        }
    }

    /// Whether `host:port` is the cluster's.
    fn accepts(&self, authority: &str) -> bool {
        let (host, port) = split(authority).unwrap_or((authority, 80));
        let allowed = self.allowed.read();
        let loopback = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        allowed.ports.contains(&port) && (loopback || allowed.hosts.contains(&host.to_ascii_lowercase()))
    }

    fn accepts_header(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|origin| self.accepts_origin(origin))
    }

    fn accepts_origin(&self, origin: &str) -> bool {
        origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(|authority| {
            // Where an origin names no port, its scheme's is meant.
            let with_port = match split(authority) {
                Some(_) => authority.to_owned(),
                None if origin.starts_with("https://") => format!("{authority}:443"),
                None => format!("{authority}:80"),
            };
            self.accepts(&with_port)
        })
    }
}

fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = authority.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

/// Refuses strangers; answers preflights; tells browsers which origin may read the answer.
pub async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if !PROBES.contains(&request.uri().path())
        && let Some(host) = host(request.headers(), request.uri())
        && !guard.accepts(&host)
    {
        discard_body(request).await;
        let message = format!("This node is not reached under the name {host}.");
        return Failure::new(ErrorCode::ForbiddenOrigin, message).into_response();
    }
    let origin = request.headers().get(header::ORIGIN);
    if origin.is_some_and(|origin| !guard.accepts_header(origin)) {
        discard_body(request).await;
        let message = "Pages of other sites may not call this cluster.";
        return Failure::new(ErrorCode::ForbiddenOrigin, message).into_response();
    }
    let origin = origin.cloned();
    if origin.is_some() && is_preflight(&request) {
        return readable(preflight(), origin);
    }
    readable(next.run(request).await, origin)
}

/// Refuses nobody, and tells browsers of the cluster's pages that they may read the answer.
pub async fn let_read(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let origin = request.headers().get(header::ORIGIN).filter(|origin| guard.accepts_header(origin)).cloned();
    readable(next.run(request).await, origin)
}

fn readable(mut response: Response, origin: Option<HeaderValue>) -> Response {
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        let exposed = HeaderValue::from_static("idempotency-key, retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }
    response
}

fn host(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    match headers.get(header::HOST) {
        Some(host) => Some(String::from_utf8_lossy(host.as_bytes()).into_owned()),
        None => uri.authority().map(|authority| authority.to_string()),
    }
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, DELETE"));
    let allowed = HeaderValue::from_static("content-type, idempotency-key");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clusters_names_and_ports() {
        let guard = Guard::new(["127.0.0.1:8000", "127.0.0.1:8001", "node2.school:8002"]);
        for yes in ["localhost:8001", "127.0.0.1:8000", "127.0.0.1:8002", "[::1]:8001", "Node2.School:8002"] {
            assert!(guard.accepts(yes), "{yes}");
        }
        for no in ["evil.example:8001", "127.0.0.1:9999", "localhost", "", "10.0.0.7:8001"] {
            assert!(!guard.accepts(no), "{no}");
        }
        for yes in ["http://localhost:8000", "http://127.0.0.1:8001"] {
            assert!(guard.accepts_origin(yes), "{yes}");
        }
        for no in [
            "null",
            "http://evil.example:8000",
            "http://localhost",
            "file://localhost:8000",
            "localhost:8000",
        ] {
            assert!(!guard.accepts_origin(no), "{no}");
        }
        guard.allow(["10.0.0.7:8001"]);
        assert!(guard.accepts("10.0.0.7:8001"));
    }
}
