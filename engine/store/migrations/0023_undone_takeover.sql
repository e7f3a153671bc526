-- Whom and what the object referred to before its takeover: an image of its single-valued references. NULL: not kept.
ALTER TABLE kept_before ADD COLUMN links BLOB;

-- An undo of a takeover, on its way or done. state: 0 intended, 1 sent, 2 done, 3 refused. names: attributes to which the engine
-- had contributed; named_by: what names the object in its system.
CREATE TABLE undone_takeover (
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    state     INTEGER NOT NULL,
    names     BLOB NOT NULL,
    named_by  BLOB NOT NULL,
    began     INTEGER NOT NULL,
    ended     INTEGER,
    code      TEXT,
    message   TEXT,
    remedy    TEXT,
    PRIMARY KEY (connector, anchor)
) STRICT, WITHOUT ROWID;
