//! Text on its way into Postgres.

/// Postgres keeps every character but NUL. A space takes as many bytes, so that byte offsets into the text stay true.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', " ")
}
