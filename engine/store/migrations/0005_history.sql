CREATE TABLE run (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    connector INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    profile   TEXT NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    status    TEXT NOT NULL,
    UNIQUE (connector, number)
) STRICT;

CREATE TABLE run_step (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    step_type TEXT NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER,
    status    TEXT NOT NULL,
    counters  TEXT NOT NULL,
    notes     TEXT NOT NULL,
    UNIQUE (run, number)
) STRICT;

-- Objects behind a counter, where an operator can ask for them.
CREATE TABLE run_step_object (
    step    INTEGER NOT NULL,
    counter TEXT NOT NULL,
    object  INTEGER NOT NULL,
    PRIMARY KEY (step, counter, object)
) STRICT, WITHOUT ROWID;

-- Errors as they were reported, for the history of that step.
CREATE TABLE run_step_error (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    step     INTEGER NOT NULL,
    side     INTEGER NOT NULL,
    object   INTEGER,
    name     TEXT NOT NULL,
    phase    INTEGER NOT NULL,
    code     TEXT NOT NULL,
    message  TEXT NOT NULL,
    occurred INTEGER NOT NULL
) STRICT;
CREATE INDEX run_step_error_by_step ON run_step_error (step);

-- Errors that stand: cleared when the object succeeds. side: 0 connector space, 1 metaverse.
CREATE TABLE object_error (
    side           INTEGER NOT NULL,
    object         INTEGER NOT NULL,
    phase          INTEGER NOT NULL,
    connector      INTEGER NOT NULL,
    code           TEXT NOT NULL,
    message        TEXT NOT NULL,
    attribute      TEXT,
    rule           TEXT,
    first_occurred INTEGER NOT NULL,
    last_occurred  INTEGER NOT NULL,
    retry_count    INTEGER NOT NULL,
    PRIMARY KEY (side, object, phase)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_error_by_connector ON object_error (connector, phase);

CREATE TABLE event (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run      INTEGER,
    level    INTEGER NOT NULL,
    code     TEXT NOT NULL,
    message  TEXT NOT NULL,
    occurred INTEGER NOT NULL
) STRICT;
CREATE INDEX event_by_run ON event (run);
