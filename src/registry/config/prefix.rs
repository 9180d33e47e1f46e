//! Names in `registries.conf`: the images that a table applies to, and their new names.

use crate::model::{Repository, Tag};
use crate::registry::origin::canonical;

/// The key `prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prefix {
    /// `*.example.com`: all subdomains, at any port. Holds `.example.com`.
    Subdomains(String),
    /// `HOST[:PORT][/PATH][:TAG|@DIGEST]`.
    Name(Location),
}

/// A registry, or a part of its names: the key `location`, or a requested name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    /// The registry, by its canonical name.
    pub(super) registry: String,
    /// Without slashes at both ends; empty for the whole registry.
    pub(super) path: String,
    /// `:TAG` or `@DIGEST`.
    pub(super) pin: Option<String>,
}

impl Prefix {
    /// Parses a prefix. The error is the reason.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let Some(domain) = text.strip_prefix('*') else {
            return Location::parse(text).map(Self::Name);
        };
        let is_domain = domain.strip_prefix('.').is_some_and(|domain| {
            !domain.contains(['/', ':', '@', '*']) && format!("{domain}:1/x").parse::<Repository>().is_ok()
        });
        if is_domain {
            Ok(Self::Subdomains(domain.to_ascii_lowercase()))
        } else {
            Err("a wildcard must be a whole label before a domain, as in *.example.com".to_owned())
        }
    }

    /// Returns the rest of the path if this is a prefix of the name that ends at a path component.
    pub(super) fn rest_of<'a>(&self, name: &'a Location) -> Option<&'a str> {
        match self {
            Self::Subdomains(domain) => {
                let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
                let host = match name.registry.rsplit_once(':') {
                    Some((host, port)) if is_port(port) => host,
                    _ => &name.registry,
                };
                host.to_ascii_lowercase()
                    .ends_with(domain.as_str())
                    .then_some(&*name.path)
            }
            Self::Name(location) => location.rest_of(name),
        }
    }

    /// Returns its length as written, which decides between matching prefixes.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Subdomains(domain) => 1 + domain.len(),
            Self::Name(location) => location.length(),
        }
    }
}

impl Location {
    /// Parses a location. The error is the reason.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return Err("expected HOST[:PORT][/PATH] without a scheme".to_owned());
        }
        let text = text.trim_end_matches('/');
        let (registry, path) = text.split_once('/').unwrap_or((text, ""));
        let (path, pin) = match path.find([':', '@']) {
            Some(at) => (&path[..at], Some(&path[at..])),
            None => (path, None),
        };
        let whole = if path.is_empty() {
            format!("{registry}/x")
        } else {
            format!("{registry}/{path}")
        };
        let good_pin = pin.is_none_or(|pin| match pin.strip_prefix(':') {
            Some(tag) => tag.parse::<Tag>().is_ok(),
            None => pin[1..].parse::<crate::model::Digest>().is_ok(),
        });
        if whole.parse::<Repository>().is_err() || !good_pin {
            return Err("expected HOST[:PORT][/PATH]".to_owned());
        }
        let registry = canonical(registry).to_owned();
        Ok(Self {
            registry,
            path: path.to_owned(),
            pin: pin.map(str::to_owned),
        })
    }

    /// Returns the repository for the `rest` of a name, or `None` if that is no valid name.
    pub(super) fn join(&self, rest: &str) -> Option<Repository> {
        let parts = [self.registry.as_str(), self.path.as_str(), rest];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("/").parse().ok()
    }

    fn rest_of<'a>(&self, name: &'a Location) -> Option<&'a str> {
        if self.registry != name.registry {
            return None;
        }
        let rest = match (self.path.as_str(), name.path.strip_prefix(self.path.as_str())?) {
            ("", rest) => rest,
            (_, "") => "",
            (_, rest) => rest.strip_prefix('/')?,
        };
        match &self.pin {
            None => Some(rest),
            Some(pin) => (rest.is_empty() && name.pin.as_ref() == Some(pin)).then_some(rest),
        }
    }

    fn length(&self) -> usize {
        let path = if self.path.is_empty() { 0 } else { 1 + self.path.len() };
        self.registry.len() + path + self.pin.as_ref().map_or(0, String::len)
    }
}
