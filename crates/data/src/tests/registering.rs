//! Registering into a real store, from a reader and from a URL.

use super::*;
use crate::{Assets, Source};
use domain::{Actor, DataVersion, ErrorCode, Fault, Name, Version};
use std::io::{Read, Write};
use std::net::TcpListener;
use store::Store;

const TABLE: &[u8] = b"a,b\n1,x\n2,y\n";

async fn assets(dir: &Path, allow: &str) -> Assets {
    let settings = format!(
        "allow = [{allow}]\nconnect_timeout = \"2s\"\nidle_timeout = \"5s\"\ntimeout = \"10s\"\nmax_bytes = 1000\nmax_redirects = 0"
    );
    let outbound = outbound::Client::new(&toml::from_str(&settings).unwrap()).unwrap();
    Assets::new(Store::open(dir).await.unwrap(), outbound)
}

async fn put(assets: &Assets, source: Source, options: ReadOptions) -> Result<(DataVersion, bool)> {
    assets
        .register(Name::new("table").unwrap(), source, options, "for a test".to_owned(), &Actor::admin())
        .await
}

fn reader(bytes: &'static [u8]) -> Source {
    Source::Reader(Box::new(bytes))
}

#[tokio::test]
async fn versions_are_numbered_and_equal_content_is_recognised() {
    let dir = tempfile::tempdir().unwrap();
    let assets = assets(dir.path(), "").await;
    let (first, created) = put(&assets, reader(TABLE), ReadOptions::default()).await.unwrap();
    assert!(created && first.version == Version(1) && first.rows == 2);
    let (again, created) = put(&assets, reader(TABLE), ReadOptions::default()).await.unwrap();
    assert!(!created && again == first);
    let stated = ReadOptions { header: Some(false), ..ReadOptions::default() };
    let (other, created) = put(&assets, reader(TABLE), stated).await.unwrap();
    assert!(created && other.version == Version(2) && other.digest == first.digest && other.rows == 3);
    let name = Name::new("table").unwrap();
    let versions = assets.versions(&name).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.version.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(assets.list().await.unwrap()[0].latest, Version(2));
    let shown = assets.preview(&name, Some(Version(1)), 1).await.unwrap();
    assert_eq!((shown.columns.len(), shown.rows.len()), (2, 1));
    assert!(crate::check_target(&first.profile, "b").is_ok());
    let absent = assets.versions(&Name::new("nothing").unwrap()).await.unwrap_err();
    assert_eq!(Fault::from(absent).code, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_refused_table_leaves_no_version() {
    let dir = tempfile::tempdir().unwrap();
    let assets = assets(dir.path(), "").await;
    let error = put(&assets, reader(b"a,b\n1\n"), ReadOptions::default()).await.unwrap_err();
    assert_eq!(Fault::from(error).code, ErrorCode::Unprocessable);
    assert!(assets.list().await.unwrap().is_empty());
}

/// Answers each connection with a table of so many bytes.
fn server(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/table.csv", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            drop(stream.read(&mut [0; 4096]));
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
            stream.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_url_goes_through_the_guarded_client() {
    let url = server(TABLE);
    let dir = tempfile::tempdir().unwrap();
    let open = assets(dir.path(), "\"127.0.0.0/8\"").await;
    let (version, created) = put(&open, Source::Url(url.clone()), ReadOptions::default()).await.unwrap();
    assert!(created && version.bytes == TABLE.len() as u64);
    let large = server(&[b'x'; 2000]);
    let error = Fault::from(put(&open, Source::Url(large), ReadOptions::default()).await.unwrap_err());
    assert_eq!(error.code, ErrorCode::TooLarge, "{error}");
    let dir = tempfile::tempdir().unwrap();
    let closed = assets(dir.path(), "").await;
    let error = Fault::from(put(&closed, Source::Url(url), ReadOptions::default()).await.unwrap_err());
    assert!(error.message.contains("outbound.allow"), "{error}");
}
