-- Passwords on their way. Of a password only this is kept: whose it is, which version was seen, and which one the target has,
-- under which anchor (SF22). A row: the user's first password was let through (SF12).
CREATE TABLE password (
    source    INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    seen      INTEGER NOT NULL,
    pushed    INTEGER,
    pushed_to BLOB,
    PRIMARY KEY (source, target, anchor)
) STRICT, WITHOUT ROWID;

-- Where the next read of a source's passwords continues; moves only when everything before it is pushed or owed.
CREATE TABLE password_watermark (
    source    INTEGER PRIMARY KEY,
    value     TEXT NOT NULL,
    committed INTEGER NOT NULL
) STRICT;

-- What became of each user's password (P43), for seven days.
CREATE TABLE password_log (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    source    INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    name      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    changed   INTEGER,
    read_from TEXT,
    state     INTEGER NOT NULL,
    reason    TEXT NOT NULL
) STRICT;
CREATE INDEX password_log_by_user ON password_log (source, target, anchor, id);
CREATE INDEX password_log_unplaced ON password_log (source) WHERE read_from IS NULL;

-- The numbered events of password synchronisation.
CREATE TABLE password_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    level   INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE INDEX password_event_by_number ON password_event (number, id);

-- First passwords that a guard stopped (SF12).
CREATE TABLE password_guard (
    target   INTEGER PRIMARY KEY,
    digest   TEXT NOT NULL,
    list     TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    approved INTEGER
) STRICT;

-- Credentials that were refused: not tried again until their secret's source changes or an operator checks (SF23).
CREATE TABLE credential_breaker (
    credential TEXT PRIMARY KEY,
    opened     INTEGER NOT NULL,
    stamp      TEXT NOT NULL,
    message    TEXT NOT NULL,
    remedy     TEXT NOT NULL
) STRICT, WITHOUT ROWID;
