-- Groups that scope clauses name, and their direct members as last seen.
CREATE TABLE watched_group (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    connector INTEGER NOT NULL,
    name      TEXT NOT NULL,
    attribute TEXT NOT NULL,
    UNIQUE (connector, name, attribute)
) STRICT;

CREATE TABLE watched_member (
    watched INTEGER NOT NULL,
    member  INTEGER NOT NULL,
    PRIMARY KEY (watched, member)
) STRICT, WITHOUT ROWID;

CREATE INDEX watched_member_by_member ON watched_member (member);
