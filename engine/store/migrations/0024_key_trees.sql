-- Keys that were written lately lie in a small tree and go over into the large one together, in its order; what an object
-- carries is one row of its own instead of an index over all keys. All keys are computed anew when the rules are registered next.
CREATE TABLE connector_key_recent (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE metaverse_key_recent (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE connector_key_carried (
    object INTEGER PRIMARY KEY,
    keys   BLOB NOT NULL
) STRICT;

CREATE TABLE metaverse_key_carried (
    object INTEGER PRIMARY KEY,
    keys   BLOB NOT NULL
) STRICT;

DROP INDEX connector_key_by_object;
DROP INDEX metaverse_key_by_object;
DELETE FROM connector_key;
DELETE FROM metaverse_key;
UPDATE key_definition SET active = 0;
