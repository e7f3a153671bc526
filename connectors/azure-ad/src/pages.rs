//! Walks a collection or a delta round page by page. Takes links verbatim (A.6), follows none to another service, and
//! never ends a walk early without saying so.

use crate::client::GraphClient;
use crate::model::Page;
use crate::schema::Class;
use crate::urls;
use connector_contract::{ConnectorError, ErrorKind};
use reqwest::Url;

pub(crate) struct Pages<'a> {
    graph: &'a GraphClient,
    next: Option<Url>,
    /// Where the next delta round begins, once this one has ended.
    pub(crate) delta_link: Option<Url>,
    is_delta: bool,
    attempted: String,
    right: &'static str,
}

impl<'a> Pages<'a> {
    /// A first delta round: everything there is.
    pub(crate) fn first_round(graph: &'a GraphClient, class: &Class) -> Result<Self, ConnectorError> {
        let attempted = format!("reading {}", class.collection);
        let url = graph.url(&urls::delta(class), &attempted)?;
        Ok(Pages { graph, next: Some(url), delta_link: None, is_delta: true, attempted, right: class.right })
    }

    /// A later delta round, from the link that ended the one before.
    pub(crate) fn next_round(graph: &'a GraphClient, class: &Class, link: Url) -> Self {
        let attempted = format!("reading changes of {}", class.collection);
        Pages { graph, next: Some(link), delta_link: None, is_delta: true, attempted, right: class.right }
    }

    /// A plain collection.
    pub(crate) fn collection(
        graph: &'a GraphClient,
        path: &str,
        attempted: &str,
        right: &'static str,
    ) -> Result<Self, ConnectorError> {
        let url = graph.url(path, attempted)?;
        Ok(Self::continued(graph, Some(url), attempted, right))
    }

    /// The rest of a plain collection whose first page is known.
    pub(crate) fn continued(graph: &'a GraphClient, next: Option<Url>, attempted: &str, right: &'static str) -> Self {
        Pages { graph, next, delta_link: None, is_delta: false, attempted: attempted.to_owned(), right }
    }

    /// The next page; none after the last. A page that cannot be had ends the walk with an error (SF15).
    pub(crate) async fn next(&mut self) -> Result<Option<Page>, ConnectorError> {
        let Some(url) = self.next.take() else { return Ok(None) };
        let reply = self.graph.read(&url, &self.attempted).await?;
        let base = &self.graph.settings().graph_url;
        let page = Page::read(reply, base, self.is_delta, &self.attempted, self.right)?;
        if page.next.as_ref() == Some(&url) {
            let message = "the page links to itself";
            return Err(ConnectorError::new(ErrorKind::Protocol, &self.attempted, message, ""));
        }
        #[cfg(feature = "fail-points")]
        fail::fail_point!("graph-page");
        self.next.clone_from(&page.next);
        self.delta_link.clone_from(&page.delta);
        Ok(Some(page))
    }

    /// Where the next round begins; an error before the end of this one.
    pub(crate) fn ended(self) -> Result<Url, ConnectorError> {
        self.delta_link.ok_or_else(|| {
            ConnectorError::new(ErrorKind::Protocol, self.attempted, "the round ended without a delta link", "")
        })
    }
}
