//! Collects import items into pages for the engine, and counts what lies outside the selected containers. A full page
//! waits for the engine, so that a slow store slows the reader.

use connector_contract::{ConnectorError, ImportItem, ImportPage, ImportSink};

/// Items of one page handed to the engine.
const PAGE_ITEMS: usize = 500;

pub(crate) struct Outbox {
    sink: ImportSink,
    page: ImportPage,
    /// Entries of selected classes that lie outside the selected containers (R33).
    pub(crate) filtered_objects: u64,
}

impl Outbox {
    pub(crate) fn new(sink: ImportSink) -> Self {
        Outbox { sink, page: ImportPage::default(), filtered_objects: 0 }
    }

    pub(crate) async fn push(&mut self, item: ImportItem) -> Result<(), ConnectorError> {
        self.page.items.push(item);
        if self.page.items.len() < PAGE_ITEMS {
            return Ok(());
        }
        self.flush().await
    }

    pub(crate) async fn flush(&mut self) -> Result<(), ConnectorError> {
        self.sink.send(std::mem::take(&mut self.page)).await
    }
}
