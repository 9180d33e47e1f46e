//! Paged listings, whose `Link` header names the next page: bounded in size and count, and never read from another
//! origin than the registry's.

use std::collections::BTreeSet;

use reqwest::Method;
use reqwest::header::HeaderMap;

use super::RegistryRepository;
use super::client::Destination;
use super::link::next_of;
use super::pull::{Fetched, Small};
use super::transport::Reply;
use crate::model::{Digest, MAX_MANIFEST_BYTES};
use crate::store::StoreError;

/// Limit on the pages of one listing, against a registry that always names another one. With 100 items a page it is far
/// above the limit on items.
const MAX_PAGES: usize = 5_000;

/// Size limit of one page, in bytes. The whole list may be one page. It is the limit of a manifest.
const MAX_PAGE_BYTES: u64 = MAX_MANIFEST_BYTES;

/// A listing to read.
pub(super) struct Pages {
    /// The action, in the -ing form.
    pub(super) action: &'static str,
    /// The first page.
    pub(super) first: Destination,
    /// Headers of each request.
    pub(super) headers: HeaderMap,
}

/// How a listing ended.
pub(super) enum Listed {
    /// All pages were read.
    Whole,
    /// The first page had a status other than 200. The body is unread.
    Refused(Reply),
}

impl RegistryRepository {
    /// Reads a listing. `take` receives headers and body of each page; an error that it returns ends the listing.
    pub(super) async fn read_pages(
        &self,
        pages: Pages,
        mut take: impl FnMut(&HeaderMap, &[u8]) -> Result<(), String> + Send,
    ) -> Result<Listed, StoreError> {
        let Pages { action, first, headers } = pages;
        let mut to = first;
        let mut seen = BTreeSet::new();
        for page in 0..MAX_PAGES {
            let small = Small {
                action,
                to,
                headers: headers.clone(),
                limit_bytes: MAX_PAGE_BYTES,
            };
            let (headers, url, bytes) = match self.fetch(small).await? {
                Fetched::Whole { headers, url, bytes } => (headers, url, bytes),
                Fetched::Refused(reply) if page == 0 => return Ok(Listed::Refused(reply)),
                Fetched::Refused(reply) => {
                    let what = Some(format!("page {} of the list", page + 1));
                    return Err(self.failure(reply, &Method::GET, action, what).await);
                }
            };
            take(&headers, &bytes).map_err(|detail| self.protocol_error(action, detail))?;
            seen.insert(Digest::of(url.as_str().as_bytes()));
            let base = self.base()?;
            let next = next_of(&base, &url, &headers);
            let Some(next) = next.map_err(|error| self.protocol_error(action, error.to_string()))? else {
                return Ok(Listed::Whole);
            };
            if seen.contains(&Digest::of(next.as_str().as_bytes())) {
                return Err(self.protocol_error(action, "its pages form a cycle".to_owned()));
            }
            to = Destination::Address(next);
        }
        Err(self.protocol_error(action, format!("it has more than {MAX_PAGES} pages")))
    }
}
