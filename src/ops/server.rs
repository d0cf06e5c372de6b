//! Serves HTTP with limits that `axum::serve` does not have: a number of
//! connections, a time for the request's head, and an age.

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

/// Connections at once; more wait in the system's backlog.
const MAX_CONNECTIONS: usize = 64;
/// A request's head must be there within this time; it also ends connections
/// that are kept open and not used.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection is cut after this time, so that clients which don't read
/// their answers can't hold all of them.
const MAX_AGE: Duration = Duration::from_secs(120);
/// Pause after the system refuses a connection, for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves `app` until the task is dropped.
pub async fn serve(listener: TcpListener, app: Router) {
    serve_at_most(MAX_CONNECTIONS, HEAD_TIMEOUT, listener, app).await;
}

async fn serve_at_most(connections: usize, head_timeout: Duration, listener: TcpListener, app: Router) {
    let free = Arc::new(Semaphore::new(connections));
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve_connection(stream, app.clone(), head_timeout, permit));
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept an HTTP connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    app: Router,
    head_timeout: Duration,
    _permit: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // A client that breaks off or is too slow is its own problem.
    if let Ok(Err(error)) = tokio::time::timeout(MAX_AGE, connection).await {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn answer(stream: &mut TcpStream) -> String {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("written");
        let mut text = String::new();
        stream.read_to_string(&mut text).await.expect("read");
        text
    }

    #[tokio::test]
    async fn silent_connections_are_ended_so_that_others_get_their_turn() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let app = Router::new().route("/", axum::routing::get(|| async { "here" }));
        let server = tokio::spawn(serve_at_most(2, Duration::from_millis(300), listener, app));
        // They take all places and say nothing, or never finish.
        let mut silent = TcpStream::connect(address).await.expect("connected");
        let mut slow = TcpStream::connect(address).await.expect("connected");
        slow.write_all(b"GET / HTT").await.expect("written");
        let mut third = TcpStream::connect(address).await.expect("connected");
        let text = tokio::time::timeout(Duration::from_secs(30), answer(&mut third)).await.expect("in time");
        assert!(text.starts_with("HTTP/1.1 200") && text.ends_with("here"), "{text}");
        for stream in [&mut silent, &mut slow] {
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await;
            assert!(ended.is_ok(), "still open");
        }
        server.abort();
    }
}
