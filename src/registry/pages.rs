//! Listings that come in pages, each naming the next in its `Link` header: bounded in every direction, and never read
//! from another origin than the registry's.

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

/// Pages of one listing. It bounds a registry that always names another one; at 100 items each it is far over what the
/// items themselves are limited to.
const MAX_PAGES: usize = 5_000;

/// Bytes of one page, which may be the whole list where a registry does not know pages: what a manifest may have.
const MAX_PAGE_BYTES: u64 = MAX_MANIFEST_BYTES;

/// A listing to be read.
pub(super) struct Pages {
    /// What is being done, in the -ing form.
    pub(super) action: &'static str,
    /// The first page.
    pub(super) first: Destination,
    /// Headers of each request.
    pub(super) headers: HeaderMap,
}

/// How a listing ended.
pub(super) enum Listed {
    /// Every page was taken.
    Whole,
    /// There is no first page: any status but 200, the body unread.
    Refused(Reply),
}

impl RegistryRepository {
    /// Reads a listing. `take` gets headers and body of each page; what it returns as an error ends the listing.
    pub(super) async fn read_pages(
        &self,
        pages: Pages,
        mut take: impl FnMut(&HeaderMap, &[u8]) -> Result<(), String> + Send,
    ) -> Result<Listed, StoreError> {
        let Pages { action, first, headers } = pages;
        let (mut to, mut seen) = (first, BTreeSet::new());
        for page in 0..MAX_PAGES {
            let small = Small { action, to, headers: headers.clone(), limit_bytes: MAX_PAGE_BYTES };
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
