//! One file at the root of one port.

use crate::support::{Road, binary};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(args: &[&str]) -> (Serving, Value) {
    let mut child = binary()
        .arg("serve-model")
        .args(args)
        .args(["--json", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Serving(child), serde_json::from_str(&line).unwrap())
}

#[tokio::test]
async fn it_is_closed_unless_it_is_told_to_be_open() {
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("m.onnx");
    road.server.cli(&["model", "export", "small:1", "--out", model.to_str().unwrap()]);
    let http = road.server.http();
    let body = json!({ "data": [Road::row()] });

    let (_closed, ready) = serve(&[model.to_str().unwrap()]);
    let url = ready["url"].as_str().unwrap();
    assert_eq!(http.post(format!("{url}/score")).json(&body).send().await.unwrap().status(), 401);
    let key = std::fs::read_to_string(ready["key_file"].as_str().unwrap()).unwrap();
    let answer = http.post(format!("{url}/score")).bearer_auth(key.trim()).json(&body).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap().as_str()),
        (200, r#""{\"result\": [\"yes\"]}""#)
    );
    assert_eq!(http.get(format!("{url}/")).send().await.unwrap().text().await.unwrap(), "Healthy");

    let (_open, ready) = serve(&[model.to_str().unwrap(), "--open"]);
    let url = ready["url"].as_str().unwrap();
    assert_eq!(http.post(format!("{url}/score")).json(&body).send().await.unwrap().status(), 200);
    let swagger: Value = http.get(format!("{url}/swagger.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(swagger["swagger"], json!("2.0"));
}
