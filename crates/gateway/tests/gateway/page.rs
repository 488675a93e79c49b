//! The page's files, as a browser gets them.

use aether_gateway as _;
use reqwest::{Method, StatusCode};

use crate::desk::Desk;

#[tokio::test]
async fn files_come_with_what_a_browser_may_do_with_them() {
    let desk = Desk::open_with(|options| options.livekit_public_url = "wss://live.example.org".into()).await;
    let get = |path: &'static str| desk.request(Method::GET, path, "").header("accept-encoding", "gzip");
    let missing = get("/").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(missing.text().await.unwrap().contains("not built"));

    let page = format!("<!doctype html><title>Aether</title>{}", "<p>words</p>".repeat(100));
    std::fs::write(desk.web.path().join("index.html"), &page).unwrap();
    std::fs::create_dir(desk.web.path().join("assets")).unwrap();
    std::fs::write(desk.web.path().join("assets/main-1a2b.js"), "let a = 1;\n".repeat(500)).unwrap();
    std::fs::write(desk.web.path().parent().unwrap().join("aether-secret-beside-the-page"), "secret").unwrap();

    let index = get("/").send().await.unwrap();
    assert_eq!((index.status(), index.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "text/html"));
    let headers = index.headers().clone();
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self' wss://live.example.org https://live.example.org;"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("worker-src 'self' blob:"), "{policy}");

    let script = get("/assets/main-1a2b.js").send().await.unwrap();
    assert_eq!(script.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(script.headers()["content-type"], "text/javascript");
    for path in
        ["/nothing.js", "/../aether-secret-beside-the-page", "/%2e%2e/aether-secret-beside-the-page", "/assets/"]
    {
        let response = get(path).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(!response.text().await.unwrap().contains("secret\""), "{path}");
    }
    let _ = std::fs::remove_file(desk.web.path().parent().unwrap().join("aether-secret-beside-the-page"));
}
