//! `serve-model`: one model at the root of one port.

use super::support::{Answer, Server, limits, model, name, options, raw};
use crate::SingleDoor;
use endpoint::Servable;
use std::net::SocketAddr;
use std::sync::Arc;
use telemetry::Metrics;
use tokio::net::TcpListener;
use tokio::sync::watch;

async fn start(server: &Server, key: Option<&str>) -> (SocketAddr, watch::Sender<bool>) {
    let (bytes, signature) = model(2.0);
    let servable = Servable::load(&bytes, &signature).unwrap();
    let metrics = Arc::new(Metrics::new(server.log.counters()));
    let options = options("http://127.0.0.1".into());
    let door = SingleDoor::new((&name("m"), servable), key, &options, server.log.clone(), metrics).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(web::serve(listener, None, door, limits(), stopped));
    (address, stop)
}

async fn call(address: SocketAddr, line: &str, key: &str, body: &str) -> Answer {
    let length = body.len();
    raw(
        address,
        &format!(
            "{line} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ),
    )
    .await
}

#[tokio::test]
async fn a_model_file_is_served_closed_unless_opened() {
    let server = Server::start().await;
    let body = r#"{"Inputs":{"data":[{"x":4}]}}"#;
    let (closed, _stop) = start(&server, Some("the-key")).await;
    assert_eq!(call(closed, "POST /score", "wrong", body).await.status, 401);
    let good = call(closed, "POST /score", "the-key", body).await;
    assert_eq!((good.status, good.body.as_str()), (200, r#"{"Results": [8.0]}"#));
    for (path, status) in [("/", 200), ("/health", 200), ("/docs/", 200), ("/swagger.json", 401), ("/x", 401)]
    {
        assert_eq!(call(closed, &format!("GET {path}"), "wrong", "").await.status, status, "{path}");
    }
    let (open, _stop) = start(&server, None).await;
    assert_eq!(call(open, "POST /score", "whatever", body).await.status, 200);
    assert_eq!(call(open, "GET /openapi.json", "", "").await.status, 200);
    assert_eq!(call(open, "GET /x", "", "").await.status, 404);
}
