ALTER TABLE pending_export ADD COLUMN not_before INTEGER;

ALTER TABLE pending_export ADD COLUMN if_deleted INTEGER;

CREATE INDEX pending_export_in_grace ON pending_export (not_before) WHERE not_before IS NOT NULL;

CREATE TABLE left_source (
    object    INTEGER PRIMARY KEY,
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL
) STRICT;

CREATE INDEX left_source_by_anchor ON left_source (connector, anchor);
