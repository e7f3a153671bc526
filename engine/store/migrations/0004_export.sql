-- state: 0 pending, 1 in flight, 2 refused. operation: 0 add, 1 update, 2 restore, 3 delete, 4 detach.
CREATE TABLE pending_export (
    object    INTEGER PRIMARY KEY,
    connector INTEGER NOT NULL,
    operation INTEGER NOT NULL,
    content   BLOB NOT NULL,
    state     INTEGER NOT NULL,
    code      TEXT,
    message   TEXT,
    remedy    TEXT,
    retry     INTEGER NOT NULL DEFAULT 0,
    attempts  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX pending_export_by_connector ON pending_export (connector, object);

-- Target attributes to which a source contributed a value once; an encoded set.
CREATE TABLE owned_attribute (
    object INTEGER PRIMARY KEY,
    names  BLOB NOT NULL
) STRICT;

-- Members that this engine wants or added: only those are ever removed from an object that keeps foreign ones.
CREATE TABLE owned_reference (
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX owned_reference_by_member ON owned_reference (member);

CREATE TABLE reference_flow (
    object           INTEGER NOT NULL,
    attribute        INTEGER NOT NULL,
    source           INTEGER NOT NULL,
    source_attribute INTEGER NOT NULL,
    rule             INTEGER NOT NULL,
    single           INTEGER NOT NULL,
    keep_foreign     INTEGER NOT NULL,
    PRIMARY KEY (object, attribute, source, source_attribute)
) STRICT, WITHOUT ROWID;
CREATE INDEX reference_flow_by_source ON reference_flow (source, source_attribute);

-- Rows whose flow must be decided again. side 0: a row of the source; side 1: a member of the target.
CREATE TABLE reference_work (
    side      INTEGER NOT NULL,
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    PRIMARY KEY (side, object, attribute, member)
) STRICT, WITHOUT ROWID;

-- state: 0 pending, 1 in flight, 2 unconfirmed, 3 refused.
CREATE TABLE pending_reference (
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    connector INTEGER NOT NULL,
    adds      INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    code      TEXT,
    message   TEXT,
    remedy    TEXT,
    retry     INTEGER NOT NULL DEFAULT 0,
    attempts  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_reference_by_connector ON pending_reference (connector, object) WHERE state <> 2;
CREATE INDEX pending_reference_by_member ON pending_reference (member);

-- Rows that do not flow, and why (members-held). member: the object in the source space.
CREATE TABLE waiting_reference (
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    code      TEXT NOT NULL,
    message   TEXT NOT NULL,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX waiting_reference_by_member ON waiting_reference (member);

-- What an operator let through for one object.
CREATE TABLE approval (
    object   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    mv       INTEGER NOT NULL,
    value    TEXT NOT NULL,
    has_value INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    PRIMARY KEY (object, kind, mv, has_value, value)
) STRICT, WITHOUT ROWID;

-- The guarded list that waits, one per connector; approved until the export that it lets through.
CREATE TABLE approved_digest (
    connector INTEGER PRIMARY KEY,
    digest    TEXT NOT NULL,
    list      TEXT NOT NULL,
    recorded  INTEGER NOT NULL,
    approved  INTEGER
) STRICT;
