-- Names are interned; their numbers are never reused, so that a stored body can always be told apart from a damaged one.
CREATE TABLE connector (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE object_type (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- space: a connector's number, or 0 for the metaverse. A change of kind is a new row.
CREATE TABLE attribute (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    space INTEGER NOT NULL,
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL,
    UNIQUE (space, name, kind)
) STRICT;

CREATE TABLE rule (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    identifier TEXT NOT NULL UNIQUE
) STRICT;

-- active = 0: no rule uses the key any longer, and its rows are gone.
CREATE TABLE key_definition (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    active   INTEGER NOT NULL
) STRICT;

-- Snapshots of the rules, by hash, for lineage. The one with the highest applied is in force.
CREATE TABLE rule_set (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    hash    TEXT NOT NULL UNIQUE,
    text    TEXT NOT NULL,
    applied INTEGER NOT NULL,
    ordinal INTEGER NOT NULL
) STRICT;
