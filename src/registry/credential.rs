//! A credential, wherever it is stored.

use super::{Login, Secret, Secrets};

/// A credential for a registry or its token service.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// User and password.
    Password { user: String, password: Secret },
    /// A refresh token, which the token service exchanges for access tokens; `user` is the name beside it.
    Identity { user: String, token: Secret },
    /// A token that the registry itself accepts, sent as it is.
    Registry(Secret),
}

impl Credential {
    /// Returns user and password.
    pub(super) fn pair(&self) -> Option<(&str, &Secret)> {
        match self {
            Self::Password { user, password } => Some((user, password)),
            Self::Identity { user, token } => Some((user, token)),
            Self::Registry(_) => None,
        }
    }

    /// Adds it to the secrets that are masked in output.
    pub(super) fn add_to(&self, secrets: &Secrets) {
        match self {
            Self::Password { user, password } => secrets.add_login(user, password),
            Self::Identity { user, token } => secrets.add_login(user, token),
            Self::Registry(token) => secrets.add(token),
        }
    }
}

impl From<&Login> for Credential {
    fn from(login: &Login) -> Self {
        Self::Password {
            user: login.user.clone(),
            password: login.secret.clone(),
        }
    }
}
