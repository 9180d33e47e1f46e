//! `Link`: the address of the next page of a listing (RFC 8288; distribution-spec, "Listing Tags", "Listing
//! Referrers"). A page is never fetched from another origin than the registry's, whatever its `Link` says.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

use super::origin::origin;
use super::redact;

/// A `Link` header whose next page is not fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The header is not of the form `<ADDRESS>; NAME="VALUE", …`.
    #[error("its Link header is not in the form <URL>; rel=\"next\"")]
    Malformed,
    /// The text between the angle brackets is not an address, or has a user name.
    #[error("the URL of the next page is not allowed")]
    Address,
    /// The next page has another scheme, host or port.
    #[error("the next page is at {next}, not at {registry}")]
    Elsewhere {
        /// The registry's origin.
        registry: String,
        /// The origin that the header names.
        next: String,
    },
}

/// Returns the address of the page after the one at `page`, of a registry whose root is `registry`.
///
/// `values` are those of the `Link` headers, in their order. The first link whose relation is `next` and whose context
/// is the page itself counts. Its query is kept, its fragment is dropped. Returns `None` if this page is the last.
pub fn next_page<'a>(
    registry: &Url,
    page: &Url,
    values: impl IntoIterator<Item = &'a str>,
) -> Result<Option<Url>, LinkError> {
    for value in values {
        let mut rest = Some(value);
        while let Some(text) = rest {
            let (link, after) = first_link(text)?;
            if let Some(link) = link.filter(|link| link.is_next) {
                return address(registry, page, link.target).map(Some);
            }
            rest = after;
        }
    }
    Ok(None)
}

/// Returns [`next_page`] of a reply. A value that is not text is malformed.
pub(super) fn next_of(registry: &Url, page: &Url, headers: &HeaderMap) -> Result<Option<Url>, LinkError> {
    let values: Result<Vec<&str>, _> = headers.get_all(LINK).iter().map(|value| value.to_str()).collect();
    next_page(registry, page, values.map_err(|_| LinkError::Malformed)?)
}

fn address(registry: &Url, page: &Url, target: &str) -> Result<Url, LinkError> {
    let mut url = page.join(target).map_err(|_| LinkError::Address)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(LinkError::Address);
    }
    if origin(&url) != origin(registry) {
        let registry = origin(registry);
        let next = redact::text(&origin(&url));
        return Err(LinkError::Elsewhere { registry, next });
    }
    url.set_fragment(None);
    Ok(url)
}

struct Link<'a> {
    target: &'a str,
    is_next: bool,
}

/// Splits off the first link of a list, and returns it with the text after its comma. Empty elements are legal and
/// skipped.
fn first_link(text: &str) -> Result<(Option<Link<'_>>, Option<&str>), LinkError> {
    let text = text.trim_start_matches(is_space);
    if text.is_empty() {
        return Ok((None, None));
    }
    if let Some(after) = text.strip_prefix(',') {
        return Ok((None, Some(after)));
    }
    let (target, mut rest) = text
        .strip_prefix('<')
        .and_then(|text| text.split_once('>'))
        .ok_or(LinkError::Malformed)?;
    let mut relation = None;
    let mut is_of_page = true;
    loop {
        rest = rest.trim_start_matches(is_space);
        if rest.is_empty() {
            break;
        }
        if let Some(after) = rest.strip_prefix(',') {
            return Ok((
                Some(Link {
                    target,
                    is_next: is_of_page && is_next(relation),
                }),
                Some(after),
            ));
        }
        let parameter = rest.strip_prefix(';').ok_or(LinkError::Malformed)?;
        let (name, value, after) = first_parameter(parameter)?;
        match name.to_ascii_lowercase().as_str() {
            // Only the first `rel` counts (RFC 8288, section 3.3).
            "rel" if relation.is_none() => relation = Some(value),
            "anchor" => is_of_page = false,
            _ => {}
        }
        rest = after;
    }
    Ok((
        Some(Link {
            target,
            is_next: is_of_page && is_next(relation),
        }),
        None,
    ))
}

/// Splits off a parameter: name, value without its quotes, and the rest. A backslash within quotes is kept: no
/// supported relation has one.
fn first_parameter(text: &str) -> Result<(&str, &str, &str), LinkError> {
    let text = text.trim_start_matches(is_space);
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let name = name.trim_end_matches(is_space);
    let Some(value) = rest.strip_prefix('=') else {
        return Ok((name, "", rest));
    };
    let value = value.trim_start_matches(is_space);
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find([';', ',']).unwrap_or(value.len());
        let (value, rest) = value.split_at(end);
        return Ok((name, value.trim_end_matches(is_space), rest));
    };
    let mut is_escaped = false;
    let end = quoted.find(|character| {
        let ends = character == '"' && !is_escaped;
        is_escaped = character == '\\' && !is_escaped;
        ends
    });
    let end = end.ok_or(LinkError::Malformed)?;
    Ok((name, &quoted[..end], &quoted[end + 1..]))
}

fn is_next(relation: Option<&str>) -> bool {
    relation.is_some_and(|relation| relation.split(is_space).any(|name| name.eq_ignore_ascii_case("next")))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    const PAGE: &str = "https://r.example/v2/x/tags/list?n=2";

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn next(values: &[&str]) -> Result<Option<String>, LinkError> {
        let found = next_page(&url("https://r.example/"), &url(PAGE), values.iter().copied());
        found.map(|found| found.map(String::from))
    }

    #[test]
    fn the_next_page_is_found_in_every_form() {
        let expected = "https://r.example/v2/x/tags/list?n=2&last=a%2Bb";
        for value in [
            r#"</v2/x/tags/list?n=2&last=a%2Bb>; rel="next""#,
            r#"<https://r.example/v2/x/tags/list?n=2&last=a%2Bb>; rel="next""#,
            r#"<https://r.example:443/v2/x/tags/list?n=2&last=a%2Bb>;rel=next"#,
            r#"<//r.example/v2/x/tags/list?n=2&last=a%2Bb> ; REL = "prev NEXT" ; title="a;b,c>""#,
            r#"<list?n=2&last=a%2Bb#part>; rel=next"#,
            r#"<?n=2&last=a%2Bb>; rel=next"#,
            r#", ,</first>; rel="first", <?n=2&last=a%2Bb>; rel="next", </other>; rel=next"#,
            r#"</first>; title="\"<x>; rel=next"; rel=first,<?n=2&last=a%2Bb>;;rel=next;"#,
            r#"</y>; rel=prev; rel=next, <?n=2&last=a%2Bb>; rel=next"#,
            r#"</y>; rel=next; anchor="/z", <?n=2&last=a%2Bb>; rel=next"#,
        ] {
            assert_eq!(next(&[value]), Ok(Some(expected.to_owned())), "{value}");
        }
        assert_eq!(
            next(&["</a>; rel=first", "<?b>; rel=next"]).unwrap().unwrap(),
            "https://r.example/v2/x/tags/list?b"
        );
        assert_eq!(next(&["<>; rel=next"]), Ok(Some(PAGE.to_owned())));
    }

    #[test]
    fn the_last_page_names_none() {
        for values in [
            &[][..],
            &[""],
            &["  ,"],
            &["</a>"],
            &["</a>; rel=prev"],
            &["</a>; rel=nextish; next"],
        ] {
            assert_eq!(next(values), Ok(None), "{values:?}");
        }
    }

    #[test]
    fn another_origin_is_refused_with_both_names() {
        for (target, origin) in [
            ("http://r.example/v2/", "http://r.example"),
            ("https://r.example:8443/v2/", "https://r.example:8443"),
            ("https://evil.example/v2/", "https://evil.example"),
            ("//evil.example/v2/", "https://evil.example"),
            ("\\\\evil.example/v2/", "https://evil.example"),
            ("https://169.254.169.254/v2/", "https://169.254.169.254"),
            ("https://r.example.evil.example/", "https://r.example.evil.example"),
            ("ftp://r.example/v2/", "ftp://r.example"),
            ("file:///etc/passwd", "null"),
        ] {
            let error = next(&[&format!("<{target}>; rel=next")]).unwrap_err();
            let expected = LinkError::Elsewhere {
                registry: "https://r.example".to_owned(),
                next: origin.to_owned(),
            };
            assert_eq!(error, expected, "{target}");
            assert!(error.to_string().contains(origin) && error.to_string().contains("https://r.example"));
        }
        for target in ["https://u:p@r.example/", "https://u@r.example/", "https://[", "http://"] {
            assert_eq!(
                next(&[&format!("<{target}>; rel=next")]),
                Err(LinkError::Address),
                "{target}"
            );
        }
    }

    #[test]
    fn a_page_behind_a_redirect_leads_no_further() {
        let found = next_page(
            &url("https://r.example/"),
            &url("https://cdn.example/list"),
            ["</more>; rel=next"],
        );
        assert!(matches!(found, Err(LinkError::Elsewhere { .. })), "{found:?}");
    }

    #[test]
    fn what_is_no_link_is_an_error_and_not_the_end_of_the_list() {
        for value in [
            "/v2/x/tags/list",
            "</v2",
            "</a> rel=next",
            r#"</a>; rel="next"#,
            "</a>; rel=prev, x",
            "</é>; ü",
        ] {
            let is_error = next(&[value]).is_err();
            assert_eq!(is_error, value != "</é>; ü", "{value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(LINK, HeaderValue::from_bytes(b"</\xff>; rel=next").unwrap());
        assert_eq!(
            next_of(&url("https://r.example/"), &url(PAGE), &headers),
            Err(LinkError::Malformed)
        );
    }
}
