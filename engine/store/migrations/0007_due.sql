CREATE TABLE due (
    object INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX due_by_instant ON due (at);
