//! Which failures may pass by themselves. Nothing is sent twice today, but for a refused token ([`super::client`]); what
//! is said to the user rests on this.

use reqwest::StatusCode;

/// True for a reply that another try may not get: overload, a limit on the rate, a gateway without its server.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 429 | 499 | 522) || (status.is_server_error() && status.as_u16() != 501)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overload_passes_and_refusal_does_not() {
        for status in [408, 429, 499, 500, 502, 503, 504, 522] {
            assert!(is_temporary(StatusCode::from_u16(status).unwrap()), "{status}");
        }
        for status in [400, 401, 403, 404, 405, 413, 416, 501] {
            assert!(!is_temporary(StatusCode::from_u16(status).unwrap()), "{status}");
        }
    }
}
