//! `GET /openapi.json`, the document of the API, and Swagger UI over it at `GET /docs/`: all of it from inside the binary.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use utoipa_swagger_ui::Config;

use super::not_found;

/// As it is checked in; a test writes it out of the types.
pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// The folder of Swagger UI.
const FOLDER: &str = "/docs/";

/// What the page may do: run Swagger UI's own files, and call the node that they came from. Its pictures are in its style sheet; the
/// one style that it writes into the page is that of its logo.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'sha256-RL3ie0nH+Lzz2YNqQN83mnU0J1ot4QL7b99vMdIX99w='; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `none`: otherwise it asks a service of other people whether the document is valid.
static CONFIG: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/openapi.json").validator_url("none")));

/// `GET /openapi.json`
pub async fn document() -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    with_headers(Body::from(DOCUMENT), [(header::CONTENT_TYPE, JSON)])
}

/// `GET /docs`: the files name each other relative to their folder.
pub async fn folder() -> Redirect {
    Redirect::permanent(FOLDER)
}

/// `GET /docs/{file}`. The large files are compressed in the binary, and every browser takes them so.
pub async fn file(request: Request) -> Response {
    let Some((content_type, compressed, bytes)) = find(request.uri()) else {
        return not_found(request).await.into_response();
    };
    let mut response = with_headers(
        Body::from(bytes),
        [
            (header::CONTENT_TYPE, content_type),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
            (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ],
    );
    if compressed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn find(uri: &Uri) -> Option<(HeaderValue, bool, Vec<u8>)> {
    let name = uri.path().strip_prefix(FOLDER)?;
    let file = utoipa_swagger_ui::serve(name, CONFIG.clone()).ok()??;
    Some((HeaderValue::from_str(&file.content_type).ok()?, file.gzpipped, file.bytes.into_owned()))
}

fn with_headers<const N: usize>(body: Body, headers: [(HeaderName, HeaderValue); N]) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().extend(headers);
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
