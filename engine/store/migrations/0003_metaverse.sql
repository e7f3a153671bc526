CREATE TABLE metaverse (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    object_type INTEGER NOT NULL,
    rule_set    INTEGER,
    generation  INTEGER NOT NULL DEFAULT 1
) STRICT;

CREATE TABLE metaverse_body (
    id    INTEGER PRIMARY KEY,
    image BLOB NOT NULL
) STRICT;

CREATE TABLE metaverse_key (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX metaverse_key_by_object ON metaverse_key (object);

CREATE TABLE dirty_metaverse (
    object INTEGER PRIMARY KEY
) STRICT;

-- A decision that was made and is not written; replaced as a whole per metaverse object and connector.
CREATE TABLE hold (
    mv         INTEGER NOT NULL,
    connector  INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    code       TEXT NOT NULL,
    attribute  TEXT,
    wanted     TEXT,
    present    TEXT,
    message    TEXT NOT NULL,
    remedy     TEXT NOT NULL,
    candidate  INTEGER,
    approvable INTEGER,
    PRIMARY KEY (mv, connector, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX hold_by_code ON hold (connector, code);
CREATE INDEX hold_by_candidate ON hold (candidate) WHERE candidate IS NOT NULL;
