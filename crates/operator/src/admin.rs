//! What an administrator may change while the process runs, on a port of the loopback interface only: `kubectl port-forward`
//! reaches it, other pods do not.
//!
//! `GET /log-level` says the level; `PUT /log-level` with `debug`, `info`, `warn`, `error` or a number changes it until the next
//! start.

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Bytes},
};

use crate::{log, webhook::text};

/// A level is a word.
const LONGEST: usize = 64;

/// Answers a request.
pub async fn handle<B>(request: Request<B>) -> Response<Full<Bytes>>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() != "/log-level" {
        return text(StatusCode::NOT_FOUND, "give /log-level\n");
    }
    match *request.method() {
        Method::GET => match log::level() {
            Some(level) => text(StatusCode::OK, &format!("{level}\n")),
            None => text(StatusCode::CONFLICT, "logging was not started by this process\n"),
        },
        Method::PUT => {
            let Ok(body) = Limited::new(request.into_body(), LONGEST).collect().await else {
                return text(StatusCode::BAD_REQUEST, "give a log level as the body\n");
            };
            match log::set_level(String::from_utf8_lossy(&body.to_bytes()).trim()) {
                Ok(level) => text(StatusCode::OK, &format!("{level}\n")),
                Err(message) => text(StatusCode::BAD_REQUEST, &format!("{message}\n")),
            }
        }
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "GET or PUT\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(method: Method, path: &str, body: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let response = handle(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    #[tokio::test]
    async fn only_the_log_level_is_there_and_only_words_for_it_are_taken() {
        assert_eq!(ask(Method::GET, "/debug/pprof", "").await.0, 404);
        assert_eq!(ask(Method::DELETE, "/log-level", "").await.0, 405);
        let (status, message) = ask(Method::PUT, "/log-level", "loud").await;
        assert_eq!((status, message.contains("\"loud\" is no log level")), (400, true), "{message}");
        assert_eq!(ask(Method::PUT, "/log-level", &"x".repeat(1000)).await.0, 400);
    }
}
