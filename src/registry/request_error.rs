//! Why a request failed, and whether another try may succeed.

use super::retry::{RetryInfo, tried};
use crate::store::StoreError;

/// A failed request, or an error reply.
#[derive(Debug)]
pub(super) struct RequestError {
    /// The error to return if it is not retried.
    pub(super) error: StoreError,
    /// What matters for another try.
    pub(super) retry: RetryInfo,
    /// The server did not answer the TLS handshake with TLS.
    pub(super) speaks_no_tls: bool,
    /// The token service failed, and not the registry.
    pub(super) is_of_token_service: bool,
}

impl RequestError {
    /// Returns the error of a request; `is_passing` if another try may succeed.
    pub(super) fn new(error: StoreError, is_passing: bool) -> Self {
        let retry = RetryInfo {
            is_passing,
            ..RetryInfo::default()
        };
        Self {
            error,
            retry,
            speaks_no_tls: false,
            is_of_token_service: false,
        }
    }

    /// Returns the cause, without the action and the place.
    pub(super) fn why(&self) -> String {
        match &self.error {
            StoreError::Remote { detail, .. } => detail.clone(),
            other => other.to_string(),
        }
    }

    /// Returns the error with the number of tries in its message.
    pub(super) fn given_up_after(mut self, tries: u32) -> Self {
        if let StoreError::Remote { detail, .. } = &mut self.error {
            detail.push_str(&tried(tries));
        }
        self
    }

    /// Marks the error as that of a token service. Fetching a token was retried already: the request that needs the
    /// token does not retry it again.
    pub(super) fn of_token_service(mut self) -> Self {
        self.retry.is_passing = false;
        self.is_of_token_service = true;
        self
    }

    /// Returns `true` if the registry or its token service did not grant the scopes of the request.
    pub(super) fn is_refused_token(&self) -> bool {
        match &self.error {
            StoreError::AuthenticationRequired { .. } | StoreError::Unauthorized { .. } | StoreError::Denied { .. } => {
                true
            }
            StoreError::Remote { .. } => self.is_of_token_service,
            _ => false,
        }
    }
}

impl From<StoreError> for RequestError {
    /// Converts an error that is not retried.
    fn from(error: StoreError) -> Self {
        Self::new(error, false)
    }
}

impl From<RequestError> for StoreError {
    /// Converts the error for callers that do not retry it.
    fn from(error: RequestError) -> Self {
        error.error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_it_was_tried_is_said_where_it_was_more_than_once() {
        let given_up = |tries| {
            RequestError::from(StoreError::remote("asking", "r", "no"))
                .given_up_after(tries)
                .error
                .to_string()
        };
        assert_eq!(
            (given_up(1), given_up(3)),
            (
                "asking at r failed: no".to_owned(),
                "asking at r failed: no; tried 3 times".to_owned()
            )
        );
    }
}
