//! Facts of requests, as an edge gives them page by page.

use std::time::Duration;

use headgate_gateway::Fact;
use headgate_types::format_duration;
use serde::Deserialize;

use crate::admin::Admin;

/// Bytes of one page that are read: what the edge reads of its store for one, several times over.
const PAGE_BYTES_MAX: u64 = 64 << 20;
/// Pages that are read at most: more than hold all the facts that an edge keeps.
const PAGES_MAX: usize = 10_000;

/// A page of facts.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    pub(crate) facts: Vec<Fact>,
    /// Where the next page goes on. None: nowhere.
    next: Option<u64>,
    /// How long the edge keeps facts. None: it keeps none.
    pub(crate) kept_for: Option<String>,
}

/// Reads all pages, oldest facts first.
///
/// # Errors
///
/// [`Unreachable`](crate::exit::Unreachable) when nobody answers, or not as an edge does.
pub(crate) fn each(
    admin: Admin,
    since: Duration,
    take: &mut dyn FnMut(Page),
) -> anyhow::Result<()> {
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let after_page = after.map_or_else(String::new, |after: u64| format!("&after={after}"));
        let path = format!("/v1/facts?since={}{after_page}", format_duration(since));
        let page: Page = admin.reading(PAGE_BYTES_MAX).get(&path)?.json(&admin)?;
        after = page.next;
        take(page);
        if after.is_none() {
            break;
        }
    }
    Ok(())
}
