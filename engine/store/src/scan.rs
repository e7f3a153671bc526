//! Every image that the store holds, in one pass in the order of the objects: what a copy or a measurement of everything reads.
//! Asks nothing per object and decides nothing; one object at a time is `query.rs`.

use crate::db::Db;
use crate::error::Inner;
use crate::{Store, StoreError};
use metaverse_schema::{AttributeName, Attributes, Values};
use std::collections::BTreeMap;

/// One image, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub enum ScannedImage {
    /// Of an object of a connector space: as synchronised, or as staged where it was not synchronised yet.
    Connector(Attributes),
    Metaverse(BTreeMap<AttributeName, Values>),
}

impl Store {
    /// Hands over each image with the bytes that the store keeps of it. Returns how many there were.
    pub fn scan_images(&self, each: impl FnMut(&[u8], ScannedImage)) -> Result<u64, StoreError> {
        self.db.read("reading all images", |db| db.scan_images(each))
    }
}

impl Db {
    fn scan_images(&self, mut each: impl FnMut(&[u8], ScannedImage)) -> Inner<u64> {
        let mut count = 0;
        let mut statement = self.sql.prepare(
            "SELECT head.connector, body.image FROM head \
             JOIN body ON body.id = coalesce(head.synchronised_body, head.staged_body) ORDER BY head.id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            each(bytes, ScannedImage::Connector(self.decode_image(row.get(0)?, bytes)?));
            count += 1;
        }
        let mut statement = self.sql.prepare("SELECT image FROM metaverse_body ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let bytes = row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?;
            let values = self.decode_metaverse(bytes)?;
            let values = values.into_iter().map(|(name, stored)| (name, stored.value.values)).collect();
            each(bytes, ScannedImage::Metaverse(values));
            count += 1;
        }
        Ok(count)
    }
}
