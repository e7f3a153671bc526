-- A group may be watched for several reasons: for a scope clause (0), for [scope] (1), with the members of its members (2).
CREATE TABLE watched_group_before AS SELECT * FROM watched_group;
DROP TABLE watched_group;
CREATE TABLE watched_group (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    connector INTEGER NOT NULL,
    name      TEXT NOT NULL,
    attribute TEXT NOT NULL,
    object    INTEGER,
    watch     INTEGER NOT NULL,
    UNIQUE (connector, name, attribute, watch)
) STRICT;
INSERT INTO watched_group (id, connector, name, attribute, object, watch)
    SELECT id, connector, name, attribute, object, 0 FROM watched_group_before;
DROP TABLE watched_group_before;
