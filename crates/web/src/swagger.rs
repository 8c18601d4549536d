//! Swagger UI from the binary: a page without inline script that shows one OpenAPI document.

use bytes::Bytes;
use http::HeaderValue;
use std::sync::Arc;
use utoipa_swagger_ui::Config;

/// Content security policy of the pages: scripts and styles from here only, images also as data URLs (the bundle's icons),
/// style attributes as the bundle sets them.
pub const CSP: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The files of the bundle that are served; source maps and the like are not.
const FILES: [&str; 6] = [
    "swagger-ui.css",
    "index.css",
    "swagger-ui-bundle.js",
    "swagger-ui-standalone-preset.js",
    "favicon-32x32.png",
    "favicon-16x16.png",
];

const INDEX: &str = r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API documents</title>
<link rel="stylesheet" href="./swagger-ui.css">
<link rel="stylesheet" href="./index.css">
<link rel="icon" type="image/png" href="./favicon-32x32.png" sizes="32x32">
</head>
<body>
<div id="swagger-ui"></div>
<script src="./swagger-ui-bundle.js"></script>
<script src="./swagger-ui-standalone-preset.js"></script>
<script src="./swagger-initializer.js"></script>
</body>
</html>
"#;

/// One file of the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its media type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Bytes,
}

/// The pages under a `docs/` path.
#[derive(Debug, Clone, Copy)]
pub struct SwaggerAssets;

impl SwaggerAssets {
    /// The file `name` of the pages (empty: the index), which show the document at `openapi`, a URL relative to the page.
    pub fn file(name: &str, openapi: &str) -> Option<Asset> {
        match name {
            "" | "index.html" => Some(text("text/html; charset=utf-8", INDEX.into())),
            "swagger-initializer.js" => {
                Some(text("text/javascript; charset=utf-8", initializer(openapi).into()))
            }
            name if FILES.contains(&name) => bundled(name),
            _ => None,
        }
    }
}

fn text(kind: &str, bytes: Bytes) -> Asset {
    Asset { content_type: kind.to_owned(), bytes }
}

/// The document's URL goes in as a JSON string with `<` escaped, so that no URL can leave the string.
fn initializer(openapi: &str) -> String {
    let url = serde_json::Value::from(openapi).to_string().replace('<', "\\u003c");
    format!(
        "window.onload = function () {{\n  window.ui = SwaggerUIBundle({{\n    url: {url},\n    dom_id: '#swagger-ui',\n    \
         deepLinking: true,\n    validatorUrl: null,\n    persistAuthorization: false,\n    queryConfigEnabled: false,\n    \
         tryItOutEnabled: true,\n    presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],\n    \
         layout: 'BaseLayout'\n  }});\n}};\n"
    )
}

fn bundled(name: &str) -> Option<Asset> {
    let file = utoipa_swagger_ui::serve(name, Arc::new(Config::from("unused"))).ok()??;
    Some(Asset { content_type: file.content_type, bytes: file.bytes.into_owned().into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_are_whole_and_without_inline_script() {
        let index = SwaggerAssets::file("", "x").unwrap();
        let page = String::from_utf8(index.bytes.to_vec()).unwrap();
        for part in page.split('"').filter(|p| p.starts_with("./")) {
            assert!(SwaggerAssets::file(&part[2..], "x").is_some_and(|f| !f.bytes.is_empty()), "{part}");
        }
        assert!(!page.contains("<script>") && !page.contains("onload="));
        assert_eq!(SwaggerAssets::file("../Cargo.toml", "x"), None);
    }

    #[test]
    fn a_url_cannot_leave_its_string() {
        let script = initializer("a\"; alert(1) //</script>");
        assert!(script.contains(r#""a\"; alert(1) //\u003c/script>""#), "{script}");
    }
}
