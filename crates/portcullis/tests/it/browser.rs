//! `/docs` in a real browser.

use crate::support::{Road, Server, skip};
use std::process::Command;

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

fn dom(chromium: &str, url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--virtual-time-budget=10000",
        "--dump-dom",
    ];
    let output = Command::new(chromium)
        .args(flags)
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn swagger_ui_shows_the_operations_of_an_endpoint() {
    let Some(chromium) = chromium() else {
        return skip("swagger_ui", "chromium");
    };
    let road = Road::walk();
    let server: &Server = &road.server;
    server.cli(&["endpoint", "create", "shown", "--docs-public"]);
    server.cli(&["deployment", "create", "--endpoint", "shown", "--model", "small:1"]);
    let page = dom(chromium, &format!("{}/endpoints/shown/docs", server.url));
    for part in ["swagger-ui", "/score", "/predict", "Authorize"] {
        assert!(
            page.contains(part),
            "'{part}' is missing in the page:\n{}",
            page.chars().take(3000).collect::<String>()
        );
    }
}
