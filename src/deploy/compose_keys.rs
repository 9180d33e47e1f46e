//! Top-level keys of compose files (compose-spec, "Compose file").

const KEYS: [&str; 9] = [
    "version", "name", "services", "networks", "volumes", "configs", "secrets", "include", "models",
];

/// Beginning of keys that users choose.
const EXTENSION: &str = "x-";

/// Returns `true` for a top-level key of compose files.
pub fn is_compose_key(key: &str) -> bool {
    KEYS.contains(&key) || key.starts_with(EXTENSION)
}
