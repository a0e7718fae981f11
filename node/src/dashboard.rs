//! The built dashboard (`web/dist`), inside the binary.
//!
//! A release build embeds the files, so that `orrery` is one self-contained program; a debug build reads them from
//! the source tree at each request, so that a rebuilt dashboard is seen without rebuilding the node. Neither needs
//! the folder to exist: without it, the page says how to build it.

use std::borrow::Cow;

use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct Dist;

/// The page that is served when the dashboard was not built.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Orrery</title>\
<body style=\"font:16px/1.5 system-ui;max-width:40rem;margin:4rem auto;padding:0 1rem\">\
<h1>The dashboard is not in this binary</h1>\
<p>The node runs and answers on its HTTP interface. To get the dashboard, run <code>cargo xtask demo</code>, \
or <code>cargo xtask dashboard</code> and build the node again.</p></body></html>";

/// A format in which the build put a file beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Brotli,
    Gzip,
}

impl Coding {
    /// All of them, the smallest first.
    pub const ALL: [Coding; 2] = [Coding::Brotli, Coding::Gzip];

    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// What the build appends to the name of a file.
    fn ending(self) -> &'static str {
        match self {
            Coding::Brotli => "br",
            Coding::Gzip => "gz",
        }
    }
}

/// One file of the dashboard, with what the HTTP answer needs.
#[derive(Debug, Clone)]
pub struct Asset {
    pub bytes: Cow<'static, [u8]>,
    /// Value of `Content-Type`.
    pub content_type: &'static str,
    /// Value of `ETag`, with its quotes: a hash of the content.
    pub etag: String,
    /// The name holds a hash of the content: a browser may keep it for ever.
    pub immutable: bool,
    /// How the content is compressed.
    pub coding: Option<Coding>,
}

/// The file at a URL path (`/` is the page itself). `None` if the dashboard has no such file.
///
/// `index.html` always exists: where the dashboard was not built, it is a page that says so.
pub fn asset(url_path: &str) -> Option<Asset> {
    let name = match url_path.trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    found(name).or_else(|| {
        (name == "index.html").then(|| Asset {
            bytes: Cow::Borrowed(NOT_BUILT.as_bytes()),
            content_type: content_type(name),
            etag: "\"not-built\"".to_owned(),
            immutable: false,
            coding: None,
        })
    })
}

/// The same in a compressed form, where the build made one.
pub fn compressed(url_path: &str, coding: Coding) -> Option<Asset> {
    let name = url_path.trim_start_matches('/');
    let file = Dist::get(&format!("{name}.{}", coding.ending()))?;
    Some(Asset {
        content_type: content_type(name),
        etag: quoted_hex(&file.metadata.sha256_hash()),
        immutable: has_hash(name),
        bytes: file.data,
        coding: Some(coding),
    })
}

fn found(name: &str) -> Option<Asset> {
    let file = Dist::get(name)?;
    Some(Asset {
        content_type: content_type(name),
        etag: quoted_hex(&file.metadata.sha256_hash()),
        immutable: has_hash(name),
        bytes: file.data,
        coding: None,
    })
}

/// True if this binary (in a debug build: the source tree) has the built dashboard.
pub fn is_built() -> bool {
    Dist::get("index.html").is_some()
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// The build writes `name-0123456789abcdef.js` and `name-0123456789abcdef_bg.wasm`.
fn has_hash(name: &str) -> bool {
    let stem = name.split_once('.').map_or(name, |(stem, _)| stem);
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    stem.rsplit_once('-')
        .is_some_and(|(_, hash)| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn quoted_hex(hash: &[u8; 32]) -> String {
    let mut text = String::with_capacity(34);
    text.push('"');
    for byte in &hash[..16] {
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_exists_with_and_without_a_build() {
        for path in ["", "/", "/index.html"] {
            let page = asset(path).expect("there is always a page");
            assert_eq!(page.content_type, "text/html; charset=utf-8");
            assert!(!page.immutable, "a page that may never be asked for again cannot be updated");
            assert!(page.bytes.starts_with(b"<!"));
        }
    }

    #[test]
    fn nothing_outside_the_dashboard_is_served() {
        for path in ["/nowhere.js", "/../index.html", "/../../Cargo.toml", "//etc/passwd"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }

    #[test]
    fn only_names_with_a_hash_are_kept_for_ever() {
        assert!(has_hash("orrery-web-0123456789abcdef_bg.wasm"));
        assert!(has_hash("orrery-web-0123456789abcdef.js"));
        assert!(has_hash("style-fedcba9876543210.css"));
        for name in ["index.html", "orrery-web.js", "orrery-web_bg.wasm", "favicon-16.png"] {
            assert!(!has_hash(name), "{name}");
        }
    }
}
