//! The pages, embedded in the binary: markup, style and ES modules, unchanged.
//!
//! It is a client like any other and uses the public interface only. Reading order: `main.js` (subscriptions, and who
//! shows them) → `feed.js` (the connection) → `store.js` (messages become rows) → `series.js`, `chart.js`, `lines.js`,
//! `window.js`, `scale.js`, `pen.js`, `hand.js`, `legend.js` (bars) → `events.js`, `portfolio.js`, `table.js`,
//! `status.js` (the rest).
//!
//! To add a module: a file here, and a line in [`FILES`].

/// The page itself.
pub(super) const PAGE: &str = include_str!("page.html");

/// The page at `/docs`, which reads `/openapi.json`: `docs.js`.
pub(super) const DOCS: &str = include_str!("docs.html");

/// A file of the page under `/page/`.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File { name: $name, content_type: $content_type, text: include_str!($name) }
    };
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files of the page.
pub(super) const FILES: &[File] = &[
    file!("page.css", STYLE),
    file!("chart.js", SCRIPT),
    file!("docs.css", STYLE),
    file!("docs.js", SCRIPT),
    file!("events.js", SCRIPT),
    file!("feed.js", SCRIPT),
    file!("hand.js", SCRIPT),
    file!("legend.js", SCRIPT),
    file!("lines.js", SCRIPT),
    file!("main.js", SCRIPT),
    file!("pen.js", SCRIPT),
    file!("portfolio.js", SCRIPT),
    file!("scale.js", SCRIPT),
    file!("series.js", SCRIPT),
    file!("status.js", SCRIPT),
    file!("store.js", SCRIPT),
    file!("table.js", SCRIPT),
    file!("text.js", SCRIPT),
    file!("window.js", SCRIPT),
];
