//! A user with credentials, which must not be shown.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::Sandbox;
use crate::support::faults::fake::Fake;
use crate::support::faults::flavour::Flavour;
use crate::support::faults::tokens::Tokens;

pub const USER: &str = "sailor";
pub const PASSWORD: &str = "secret:of-the-sailor";

/// A registry that only this user may write to.
pub fn guarded(flavour: Flavour) -> Flavour {
    flavour.tokens(|tokens| tokens.login = Some((USER.to_owned(), PASSWORD.to_owned())))
}

/// distribution with tokens; only this user gets one for writing.
pub fn with_tokens(change: impl FnOnce(&mut Tokens)) -> Flavour {
    guarded(Flavour {
        tokens: Some(Tokens::default()),
        ..Flavour::distribution3()
    })
    .tokens(change)
}

/// Writes the user's credentials for a registry. Returns the flags that name them.
pub fn log_in(sandbox: &Sandbox, host: &str) -> [String; 2] {
    let auth = STANDARD.encode(format!("{USER}:{PASSWORD}"));
    sandbox.write("auth.json", json!({ "auths": { host: { "auth": auth } } }).to_string());
    [
        "--authfile".to_owned(),
        sandbox.path("auth.json").to_str().unwrap().to_owned(),
    ]
}

/// Returns the secrets that only the registry may receive.
pub fn secrets(fake: &Fake) -> Vec<String> {
    let mut secrets = fake.tokens().all();
    secrets.extend([PASSWORD.to_owned(), STANDARD.encode(format!("{USER}:{PASSWORD}"))]);
    secrets
}
