//! Texts in constants, where the compiler knows no `==` for them.

/// Whether two texts are equal.
///
/// ```
/// const _: () = assert!(rows::are_equal("open", "open") && !rows::are_equal("open", "opened"));
/// ```
pub const fn are_equal(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
