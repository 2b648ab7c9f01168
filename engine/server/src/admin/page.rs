//! The page itself: files that are part of the executable.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($name:literal $kind:expr;)*) => {
        /// Name, type and content of every file.
        const FILES: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("../../page/", $name))),)*];
    };
}

files! {
    "index.html" HTML;
    "page.css" CSS;
    "icon.svg" SVG;
    "main.js" JS;
    "ask.js" JS;
    "draw.js" JS;
    "figures.js" JS;
    "format.js" JS;
    "gestures.js" JS;
    "lens.js" JS;
    "map.js" JS;
    "spectate.js" JS;
}

/// A file of the page by its name.
pub(super) fn file(name: &str) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, content)) => {
            ([(header::CONTENT_TYPE, HeaderValue::from_static(kind))], *content).into_response()
        }
        None => {
            (StatusCode::NOT_FOUND, "there is no such file; GET /help lists what there is\n").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_and_used_and_nothing_comes_from_elsewhere() {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
        let mut on_disk: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        on_disk.sort();
        let mut listed: Vec<&str> = FILES.iter().map(|(name, ..)| *name).collect();
        listed.sort_unstable();
        assert_eq!(on_disk, listed);
        for (name, _, content) in FILES {
            let is_used = FILES.iter().any(|(_, _, other)| other.contains(name));
            assert!(is_used || *name == "index.html", "nothing uses {name}");
            for elsewhere in ["https://", "//cdn", "eval(", "innerHTML", "document.write"] {
                assert!(!content.contains(elsewhere), "{name} has {elsewhere}");
            }
            assert!(content.len() < 32 << 10, "{name} has {} bytes", content.len());
        }
    }
}
