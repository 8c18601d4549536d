//! Each step of the road by its command, and both doors as a client sees them.

use crate::support::{Road, Server, small_table};
use serde_json::{Value, json};

#[tokio::test]
async fn both_doors_are_shut_and_open_where_they_should_be() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let token = server.token_for(&road.principal).await;
    let (direct, front) = ("/endpoints/small/score", "/team/small/score");
    for (path, bearer, expected) in [
        (direct, None, 401),
        (direct, Some(token.as_str()), 401),
        (direct, Some("wrong"), 401),
        (direct, Some(road.key()), 200),
        (front, None, 401),
        (front, Some(road.key()), 401),
        (front, Some("a.b.c"), 401),
        (front, Some(token.as_str()), 200),
    ] {
        let (status, answer) = server.post(path, bearer, &body).await;
        assert_eq!(status, expected, "{path} with {bearer:?}: {answer}");
        if status == 200 {
            assert_eq!(answer, r#""{\"result\": [\"yes\"]}""#);
        }
    }
}

#[tokio::test]
async fn keys_rotate_one_at_a_time_and_revocation_is_at_once() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row()] });
    let secondary = road.keys["secondaryKey"].as_str().unwrap().to_owned();
    let keys = server.cli(&["endpoint", "regenerate-key", "small", "--key", "primary"]);
    assert_ne!(keys["primaryKey"], road.keys["primaryKey"]);
    assert_eq!(server.post("/endpoints/small/score", Some(road.key()), &body).await.0, 401);
    assert_eq!(server.post("/endpoints/small/score", Some(&secondary), &body).await.0, 200);
    assert_eq!(server.post("/endpoints/small/score", keys["primaryKey"].as_str(), &body).await.0, 200);

    let token = server.token_for(&road.principal).await;
    assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 200);
    server.cli(&["principal", "revoke", "caller"]);
    assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 401);

    server.cli(&["api", "unpublish", "team/small"]);
    // What is not there is as closed as the rest: only who may look at the control plane learns that nothing is there.
    assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 401);
    assert_eq!(server.post("/team/small/score", Some(&server.token), &body).await.0, 404);
}

#[tokio::test]
async fn the_request_log_holds_every_call() {
    let road = Road::walk();
    let server = &road.server;
    let body = json!({ "data": [Road::row(), Road::row()] });
    let token = server.token_for(&road.principal).await;
    for _ in 0..5 {
        assert_eq!(server.post("/team/small/score", Some(&token), &body).await.0, 200);
    }
    assert_eq!(server.post("/team/small/score", None, &body).await.0, 401);
    let rows = server.cli(&["logs", "small"]);
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert_eq!(
        (&rows[0]["ResponseCode"], &rows[0]["Principal"], &rows[0]["Rows"]),
        (&json!(200), &json!("caller"), &json!(2))
    );
    let sql = "SELECT ResponseCode, COUNT(*) AS calls, SUM(Rows) AS scored FROM requests GROUP BY ResponseCode ORDER BY ResponseCode";
    let answer = server.cli(&["logs", "--sql", sql]);
    assert_eq!(answer["rows"], json!([[200, 5, 10], [401, 1, 0]]));
    assert!(!server.try_cli(&["logs", "--sql", "DELETE FROM requests"]).status.success());
    let metrics =
        server.http().get(format!("{}/metrics", server.url)).bearer_auth(&server.token).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    assert!(
        metrics.contains("http_server_request_duration_seconds_count") && metrics.contains("small"),
        "{metrics}"
    );
}

#[tokio::test]
async fn bad_rows_are_told_by_row_and_field() {
    let road = Road::walk();
    let server = &road.server;
    for (body, parts) in [
        (
            json!({ "data": [Road::row(), { "x.one": "many", "colour name": "red", "flag": true }] }),
            ["row 1", "x.one"],
        ),
        (json!({ "data": [{ "colour name": "red", "flag": true }] }), ["row 0", "x.one"]),
        (json!({ "nothing": [] }), ["data", "Inputs"]),
    ] {
        let (status, answer) = server.post("/endpoints/small/score", Some(road.key()), &body).await;
        assert!((400..500).contains(&status), "{status} {answer}");
        for part in parts {
            assert!(answer.contains(part), "'{part}' is missing in {answer}");
        }
    }
    let (status, answer) =
        server.post("/endpoints/small/predict", Some(road.key()), &json!({ "x.one": 1 })).await;
    assert_eq!(status, 422, "{answer}");
    assert!(answer.contains(r#""loc":["body","colour name"]"#), "{answer}");
}

#[tokio::test]
async fn lineage_and_ledger_tell_the_whole_story() {
    let road = Road::walk();
    let shown = road.server.cli(&["model", "show", "small:1"]);
    assert_eq!(shown["version"]["lineage"]["data"], json!("small"));
    assert!(shown["lineage"].to_string().contains("blue"), "{shown}");
    let names: Vec<String> = shown["version"]["signature"]["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["x.one", "colour name", "flag"], "the serial number leaves the signature");
    let ledger = road.server.cli(&["ledger", "show"]);
    let actions: Vec<&str> = ledger.as_array().unwrap().iter().filter_map(|e| e["action"].as_str()).collect();
    assert!(actions.len() >= 6, "{actions:?}");
    let sequences: Vec<i64> =
        ledger.as_array().unwrap().iter().filter_map(|e| e["sequence"].as_i64()).collect();
    assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>());
}

#[tokio::test]
async fn bad_tables_are_refused_by_line_and_column_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    for (text, part) in
        [("a,b\n1,2\n3\n", "line 3"), ("a,a\n1,2\n", "'a'"), ("a,b\n1,\"x\"y\n", "line 2"), ("", "empty")]
    {
        let file = folder.path().join("bad.csv");
        std::fs::write(&file, text).unwrap();
        let output = server.try_cli(&["data", "register", "bad", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(part), "'{part}' is missing in {said}");
    }
    assert_eq!(server.cli(&["data", "list"]), json!([]));
    let file = folder.path().join("good.csv");
    std::fs::write(&file, small_table(20, 1)).unwrap();
    server.cli(&["data", "register", "good", file.to_str().unwrap()]);
    let again = server.cli(&["data", "register", "good", file.to_str().unwrap()]);
    assert_eq!(again["version"], json!(1), "equal content is the same version");
    let output = server.try_cli(&["automl", "run", "--data", "good", "--target", "nothing"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing"));
}

#[tokio::test]
async fn a_backup_made_while_serving_restores() {
    let road = Road::walk();
    let folder = tempfile::tempdir().unwrap();
    let restored = road.server.restored(folder.path());
    let body = json!({ "data": [Road::row()] });
    assert_eq!(
        restored.post("/endpoints/small/score", Some(road.key()), &body).await.0,
        200,
        "the same keys open the restored endpoint"
    );
}

#[tokio::test]
async fn the_control_plane_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let document: Value = serde_json::to_value(api::openapi()).unwrap();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|m| ["get", "post", "put", "delete"].contains(&m.as_str()))
        {
            // What brings the credentials needs none; its description says so, and no other does.
            let open = gateway::OPEN_CALLS.contains(&(method.to_uppercase().as_str(), path.as_str()));
            assert_eq!(!document["paths"][path][method]["security"].is_null(), open, "{method} {path}");
            if open {
                continue;
            }
            let url = format!("{}{}", server.url, path.replace("{*path}", "x").replace(['{', '}'], "1"));
            let method: http::Method = method.to_uppercase().parse().unwrap();
            for bearer in [None, Some("wrong")] {
                let mut request = server.http().request(method.clone(), &url);
                if let Some(bearer) = bearer {
                    request = request.bearer_auth(bearer);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 401, "{method} {path} with {bearer:?}");
                assert!(answer.headers().contains_key("www-authenticate"), "{method} {path}");
            }
        }
    }
    let health = server.http().get(format!("{}/health", server.url)).send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "OK"));
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(server.dir.join("admin-token")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
