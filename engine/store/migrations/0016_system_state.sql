-- The state of a connected system that exports may go on with, and a changed one that waits for an operator (SF25).
CREATE TABLE system_state (
    connector INTEGER PRIMARY KEY,
    accepted  TEXT NOT NULL,
    waiting   TEXT,
    digest    TEXT
) STRICT;
