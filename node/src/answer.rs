//! From values and errors to HTTP answers.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use orrery_base::error::{ApiError, ErrorBody, ErrorCode};
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// A JSON body with its status.
pub struct Json<T>(pub u16, pub T);

/// A typed error: its code's status, and `{"error":{"code","message"}}`.
#[derive(Debug)]
pub struct Failure(pub ApiError);

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Failure(error)
    }
}

impl Failure {
    /// Status 400.
    pub fn bad_request(message: impl Into<String>) -> Failure {
        Failure(ApiError::bad_request(message))
    }

    /// Of a code with its sentence.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure(ApiError::new(code, message))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        json(self.0, &self.1)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Failure(error) = self;
        let mut response = json(error.code.status(), &ErrorBody { error: error.clone() });
        if error.code.status() == 503 {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(key) =
            error.idempotency_key.as_deref().and_then(|key| HeaderValue::from_bytes(key.as_bytes()).ok())
        {
            response.headers_mut().insert("idempotency-key", key);
        }
        response
    }
}

fn json(status: u16, value: &impl Serialize) -> Response {
    let body = serde_json::to_vec(value).expect("answers have string keys only");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status of the API");
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    response
}
