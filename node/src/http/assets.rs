//! The dashboard's files, from inside the binary.

use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Router, middleware};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;

use super::guard::{self, Guard};
use super::{method_not_allowed, not_found};
use crate::dashboard::{Asset, Coding, asset, compressed};

/// The dashboard's files, compressed for browsers that take it. A path without a file is 404 for every method and every
/// origin: that nothing is there is no secret.
pub fn dashboard(guard: Guard) -> Router {
    let files = any(file).layer(CompressionLayer::new().gzip(true));
    let checked: Router =
        Router::new().fallback(files).layer(middleware::from_fn_with_state(guard.clone(), guard::check));
    let missing: Router =
        Router::new().fallback(not_found).layer(middleware::from_fn_with_state(guard, guard::let_read));
    let choose = move |request: Request| {
        let there = asset(request.uri().path()).is_some();
        if there { checked.clone().oneshot(request) } else { missing.clone().oneshot(request) }
    };
    Router::new().fallback(choose)
}

async fn file(request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return method_not_allowed(request).await.into_response();
    }
    let Some(file) = best(request.uri().path(), request.headers()) else {
        return not_found(request).await.into_response();
    };
    let known = request.headers().get(header::IF_NONE_MATCH);
    if known.is_some_and(|known| known.as_bytes() == file.etag.as_bytes()) {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    respond(file)
}

/// The file in the smallest form that the browser takes.
fn best(path: &str, headers: &HeaderMap) -> Option<Asset> {
    let mut taken = Coding::ALL.into_iter().filter(|coding| takes(headers, *coding));
    taken.find_map(|coding| compressed(path, coding)).or_else(|| asset(path))
}

/// Whether the browser takes this coding (RFC 9110, section 12.5.3): it is named, or else `*`, and not with a weight of zero.
fn takes(headers: &HeaderMap, coding: Coding) -> bool {
    let lists = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    let mut any = false;
    for accepted in lists.flat_map(|list| list.split(',')) {
        let mut parts = accepted.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let zero = |weight: &str| weight.parse::<f32>().is_ok_and(|weight| weight == 0.0);
        let taken = !parts.filter_map(|part| part.strip_prefix("q=")).any(zero);
        match name {
            "*" => any = taken,
            name if name.eq_ignore_ascii_case(coding.name()) => return taken,
            _ => {}
        }
    }
    any
}

fn respond(file: Asset) -> Response {
    let csp = file.content_type.starts_with("text/html").then(|| policy(&file.bytes));
    let mut response = Response::new(Body::from(file.bytes.into_owned()));
    let headers = response.headers_mut();
    if let Some(coding) = file.coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let cache = if file.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::from_str(&file.etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(csp) = csp.and_then(|csp| HeaderValue::from_str(&csp).ok()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, csp);
    }
    response
}

/// What the page may do: run its own scripts (the inline ones by their hashes) and WebAssembly, and talk to the nodes.
/// These are on any host, and one that joins later is on a host that nobody knows yet: what the page may connect to
/// cannot be listed when it is loaded.
fn policy(page: &[u8]) -> String {
    let scripts = script_hashes(page);
    format!(
        "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'{scripts}; style-src 'self' 'unsafe-inline'; \
         img-src 'self' data:; font-src 'self' data:; connect-src 'self' http: https: ws: wss:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn script_hashes(page: &[u8]) -> String {
    static LAST: OnceLock<(Vec<u8>, String)> = OnceLock::new();
    let (hashed, hashes) = LAST.get_or_init(|| (page.to_vec(), hash_scripts(page)));
    // A debug build reads the page anew each time; a release build has one page only.
    if hashed == page { hashes.clone() } else { hash_scripts(page) }
}

fn hash_scripts(page: &[u8]) -> String {
    let text = String::from_utf8_lossy(page);
    let mut hashes = String::new();
    let mut rest = &*text;
    while let Some((tag, after)) = rest.split_once("<script").and_then(|(_, tag)| tag.split_once('>')) {
        let Some((script, after)) = after.split_once("</script>") else { break };
        if !tag.contains("src=") && !script.is_empty() {
            hashes.push_str(&format!(" 'sha256-{}'", BASE64.encode(Sha256::digest(script.as_bytes()))));
        }
        rest = after;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_file_is_for_those_who_take_it() {
        for (value, brotli, gzip) in [
            (Some("gzip, deflate, br, zstd"), true, true),
            (Some("br;q=1.0, gzip;q=0.8"), true, true),
            (Some("*"), true, true),
            (Some("*;q=0"), false, false),
            (Some("br;q=0, *"), false, true),
            (Some("*, gzip; q=0.0"), true, false),
            (Some("gzip;q=0"), false, false),
            (Some("BR"), true, false),
            (Some("deflate"), false, false),
            (None, false, false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            let taken = [Coding::Brotli, Coding::Gzip].map(|coding| takes(&headers, coding));
            assert_eq!(taken, [brotli, gzip], "{value:?}");
        }
    }

    #[test]
    fn inline_scripts_are_allowed_by_their_hash() {
        let page = b"<script src=\"a.js\"></script><script type=module>alert(1)</script><p>";
        let digest = BASE64.encode(Sha256::digest(b"alert(1)"));
        assert_eq!(hash_scripts(page), format!(" 'sha256-{digest}'"));
    }
}
