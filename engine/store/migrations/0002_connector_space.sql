-- Encoded images. A head points at its bodies, so that promotion moves a pointer.
CREATE TABLE body (
    id    INTEGER PRIMARY KEY,
    image BLOB NOT NULL
) STRICT;

-- One narrow row per object, placeholder and container. parent: 0 is the root; rdn_key NULL: the object holds no place
-- (transient, deleted, or of a system without a hierarchy), rdn still says where it stood.
CREATE TABLE head (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    connector         INTEGER NOT NULL,
    anchor            BLOB,
    parent            INTEGER,
    rdn_key           TEXT,
    rdn               TEXT,
    object_type       INTEGER,
    state             INTEGER NOT NULL,
    link_mv           INTEGER,
    link_rule         INTEGER,
    ownership         INTEGER,
    hash              BLOB,
    staged            INTEGER NOT NULL DEFAULT 0,
    cause             INTEGER,
    synchronised_body INTEGER,
    staged_body       INTEGER,
    memory_body       INTEGER,
    flags             INTEGER NOT NULL DEFAULT 0,
    generation        INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE UNIQUE INDEX head_by_anchor ON head (connector, anchor) WHERE anchor IS NOT NULL;
CREATE UNIQUE INDEX head_by_place ON head (connector, parent, rdn_key) WHERE parent IS NOT NULL;
CREATE INDEX head_by_link ON head (link_mv) WHERE link_mv IS NOT NULL;
CREATE INDEX head_transient ON head (connector) WHERE (flags & 1) <> 0;
CREATE INDEX head_placeholder ON head (connector) WHERE state = 5;

-- One value of a reference attribute. state: 0 synchronised, 1 imported and not yet synchronised, 2 no longer imported and
-- not yet synchronised.
CREATE TABLE reference (
    source    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    PRIMARY KEY (source, attribute, target)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_by_target ON reference (target);
CREATE INDEX reference_unsynchronised ON reference (source) WHERE state <> 0;

-- Number and order-free digest of the imported rows (states 0 and 1), kept incrementally.
CREATE TABLE reference_total (
    source    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    PRIMARY KEY (source, attribute)
) STRICT, WITHOUT ROWID;

CREATE TABLE connector_key (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;
CREATE INDEX connector_key_by_object ON connector_key (object);

-- What delta synchronisation has to look at; filled in the transaction that stages the change.
CREATE TABLE dirty (
    object    INTEGER PRIMARY KEY,
    connector INTEGER NOT NULL
) STRICT;
CREATE INDEX dirty_by_connector ON dirty (connector, object);

CREATE TABLE watermark (
    connector INTEGER PRIMARY KEY,
    value     TEXT NOT NULL,
    committed INTEGER NOT NULL
) STRICT;

-- A reason that is not NULL is a requirement.
CREATE TABLE connector_flags (
    connector            INTEGER PRIMARY KEY,
    full_import_required TEXT,
    full_sync_required   TEXT,
    export_step_current  INTEGER NOT NULL DEFAULT 0,
    export_step_successful INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE schema_cache (
    connector INTEGER PRIMARY KEY,
    schema    TEXT NOT NULL
) STRICT;

CREATE TABLE own_account (
    connector INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    value     BLOB NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (connector, attribute, value)
) STRICT, WITHOUT ROWID;

-- Chosen groups, as the operator named them, and their members, direct and nested.
CREATE TABLE never_sync_group (
    connector INTEGER NOT NULL,
    name      TEXT NOT NULL,
    attribute TEXT NOT NULL,
    PRIMARY KEY (connector, name, attribute)
) STRICT, WITHOUT ROWID;
CREATE TABLE never_sync_member (
    member INTEGER PRIMARY KEY
) STRICT;

-- What was read about a match candidate's roles.
CREATE TABLE fact_privilege (
    object  INTEGER PRIMARY KEY,
    verdict INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    read_at INTEGER NOT NULL
) STRICT;
