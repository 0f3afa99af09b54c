//! Numbers of things, in words.

/// `1 worker`, `2 workers`.
///
/// ```
/// assert_eq!(market::plural(1, "worker"), "1 worker");
/// assert_eq!(market::plural(0, "worker"), "0 workers");
/// ```
pub fn plural(count: u64, thing: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {thing}{ending}")
}
