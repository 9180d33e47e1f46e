//! Listing of a repository's tags (distribution-spec, "Listing Tags"), page by page.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::RegistryRepository;
use super::client::Destination;
use super::pages::{Listed, Pages};
use super::redact;
use crate::model::{Tag, strict_json};
use crate::store::StoreError;

/// Tags that are requested per page. Quay replies 413 to more, ECR allows ten times as many, and some registries ignore
/// it.
const PAGE_TAGS: usize = 100;

/// Limit on the tags of one repository. The largest public repositories have some tens of thousands.
const MAX_TAGS: usize = 200_000;

/// The action, for messages.
const LISTING: &str = "listing tags";

impl RegistryRepository {
    /// Lists the repository's tags, each once, in the registry's order (by the standard, the order of their bytes; not
    /// all registries comply).
    ///
    /// Returns [`StoreError::NotFound`] if the repository does not exist. An endless list, one that leads to another
    /// origin, and one with invalid tags are errors: a returned list is always complete.
    pub(super) async fn tags(&self) -> Result<Vec<Tag>, StoreError> {
        let mut tags = Vec::new();
        let mut seen = BTreeSet::new();
        let first = Destination::Path(format!("{}/tags/list?n={PAGE_TAGS}", self.repository.path()));
        let pages = Pages {
            action: LISTING,
            first,
            headers: HeaderMap::new(),
        };
        let listed = self
            .read_pages(pages, |_, bytes| {
                for tag in parse(bytes)? {
                    if seen.len() == MAX_TAGS {
                        return Err(format!("it lists more than {MAX_TAGS} tags"));
                    }
                    if seen.insert(tag.clone()) {
                        tags.push(tag);
                    }
                }
                Ok(())
            })
            .await?;
        match listed {
            Listed::Whole => Ok(tags),
            Listed::Refused(reply) => Err(self
                .failure(reply, &Method::GET, LISTING, Some("the repository".to_owned()))
                .await),
        }
    }
}

/// Parses the tags of one page. Some registries write `null` for no tags.
fn parse(page: &[u8]) -> Result<Vec<Tag>, String> {
    let json = strict_json::parse(page).map_err(|error| format!("its list of tags is not JSON: {error}"))?;
    match json.get("tags") {
        Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(tags)) => tags.iter().map(tag).collect(),
        _ => Err("its reply contains no list of tags".to_owned()),
    }
}

fn tag(value: &Value) -> Result<Tag, String> {
    let text = value
        .as_str()
        .ok_or("its list of tags contains a value that is not a string")?;
    text.parse().map_err(|_| {
        format!(
            "its list of tags contains \"{}\", which is not a tag",
            redact::text(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_every_kind_are_read_or_refused() {
        let texts = |page: &str| parse(page.as_bytes()).map(|tags| tags.iter().map(Tag::to_string).collect::<Vec<_>>());
        assert_eq!(texts(r#"{"name":"x","tags":["b","a"]}"#).unwrap(), ["b", "a"]);
        assert!(texts(r#"{"name":"x","tags":null}"#).unwrap().is_empty());
        assert!(texts(r#"{"tags":[]}"#).unwrap().is_empty());
        for bad in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"tags":7}"#,
            r#"{"tags":[7]}"#,
            r#"{"tags":["a","../b"]}"#,
        ] {
            assert!(texts(bad).is_err(), "{bad}");
        }
        for bad in [
            r#"{"tags":[],"tags":["a"]}"#,
            r#"{"tags":["a"]"#,
            r#"{"tags":["\u001b[31m"]}"#,
        ] {
            let error = texts(bad).unwrap_err();
            assert!(!error.contains('\u{1b}'), "{error}");
        }
    }
}
