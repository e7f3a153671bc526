-- Whether a full import of the connector was ever finished. Nothing is created in a system that was never read whole. What is in use
-- already counts as read.
ALTER TABLE connector_flags ADD COLUMN read_whole INTEGER NOT NULL DEFAULT 0;

INSERT INTO connector_flags (connector, read_whole) SELECT DISTINCT connector, 1 FROM head WHERE anchor IS NOT NULL
ON CONFLICT (connector) DO UPDATE SET read_whole = 1;
