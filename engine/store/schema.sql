CREATE TRIGGER child_gone AFTER DELETE ON head WHEN old.parent IS NOT NULL BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.parent AND state = 5;
END;

CREATE TRIGGER child_moved AFTER UPDATE OF parent ON head WHEN old.parent IS NOT NULL AND old.parent IS NOT new.parent BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.parent AND state = 5;
END;

CREATE TRIGGER hold_gone AFTER DELETE ON hold BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 0 AND code = old.code;
END;

CREATE TRIGGER hold_made AFTER INSERT ON hold BEGIN
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 0, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER member_waits AFTER INSERT ON waiting_reference BEGIN
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 1, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER member_waits_no_more AFTER DELETE ON waiting_reference BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 1 AND code = old.code;
END;

CREATE TRIGGER member_waits_otherwise AFTER UPDATE OF code ON waiting_reference WHEN old.code <> new.code BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 1 AND code = old.code;
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 1, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER placeholder_left AFTER UPDATE OF state ON head WHEN new.state = 5 AND old.state <> 5 BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) VALUES (new.connector, new.id);
END;

CREATE TRIGGER placeholder_made AFTER INSERT ON head WHEN new.state = 5 BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) VALUES (new.connector, new.id);
END;

CREATE TRIGGER reference_gone AFTER DELETE ON reference BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.target AND state = 5;
END;

CREATE TABLE approval (
    object   INTEGER NOT NULL,
    kind     INTEGER NOT NULL,
    mv       INTEGER NOT NULL,
    value    TEXT NOT NULL,
    has_value INTEGER NOT NULL,
    approved INTEGER NOT NULL,
    PRIMARY KEY (object, kind, mv, has_value, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE approved_digest (
    connector INTEGER PRIMARY KEY,
    digest    TEXT NOT NULL,
    list      TEXT NOT NULL,
    recorded  INTEGER NOT NULL,
    approved  INTEGER
) STRICT;

CREATE TABLE attribute (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    space INTEGER NOT NULL,
    name  TEXT NOT NULL,
    kind  INTEGER NOT NULL,
    UNIQUE (space, name, kind)
) STRICT;

CREATE TABLE body (
    id    INTEGER PRIMARY KEY,
    image BLOB NOT NULL
) STRICT;

CREATE TABLE connector (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE connector_flags (
    connector            INTEGER PRIMARY KEY,
    full_import_required TEXT,
    full_sync_required   TEXT,
    export_step_current  INTEGER NOT NULL DEFAULT 0,
    export_step_successful INTEGER NOT NULL DEFAULT 0
, full_sync_after INTEGER, read_whole INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE connector_key (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE connector_key_carried (
    object INTEGER PRIMARY KEY,
    keys   BLOB NOT NULL
) STRICT;

CREATE TABLE connector_key_recent (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE credential_breaker (
    credential TEXT PRIMARY KEY,
    opened     INTEGER NOT NULL,
    stamp      TEXT NOT NULL,
    message    TEXT NOT NULL,
    remedy     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE dirty (
    object    INTEGER PRIMARY KEY,
    connector INTEGER NOT NULL
) STRICT;

CREATE TABLE dirty_metaverse (
    object INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE due (
    object INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL
) STRICT;

CREATE TABLE event (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run      INTEGER,
    level    INTEGER NOT NULL,
    code     TEXT NOT NULL,
    message  TEXT NOT NULL,
    occurred INTEGER NOT NULL
) STRICT;

CREATE TABLE fact_privilege (
    object  INTEGER PRIMARY KEY,
    verdict INTEGER NOT NULL,
    detail  TEXT NOT NULL,
    read_at INTEGER NOT NULL
) STRICT;

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
, item_print BLOB) STRICT;

CREATE TABLE held_count (
    connector INTEGER NOT NULL,
    members   INTEGER NOT NULL,
    code      TEXT NOT NULL,
    number    INTEGER NOT NULL,
    PRIMARY KEY (connector, members, code)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold (
    mv         INTEGER NOT NULL,
    connector  INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    code       TEXT NOT NULL,
    attribute  TEXT,
    wanted     TEXT,
    present    TEXT,
    message    TEXT NOT NULL,
    remedy     TEXT NOT NULL,
    candidate  INTEGER,
    approvable INTEGER,
    PRIMARY KEY (mv, connector, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE kept_before (
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    at        INTEGER NOT NULL,
    image     BLOB NOT NULL, links BLOB,
    PRIMARY KEY (connector, anchor)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_definition (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    active   INTEGER NOT NULL
) STRICT;

CREATE TABLE left_source (
    object    INTEGER PRIMARY KEY,
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL
) STRICT;

CREATE TABLE loose_placeholder (
    connector INTEGER NOT NULL,
    object    INTEGER NOT NULL,
    PRIMARY KEY (connector, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE metaverse (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    object_type INTEGER NOT NULL,
    rule_set    INTEGER) STRICT;

CREATE TABLE metaverse_body (
    id    INTEGER PRIMARY KEY,
    image BLOB NOT NULL
) STRICT;

CREATE TABLE metaverse_key (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE metaverse_key_carried (
    object INTEGER PRIMARY KEY,
    keys   BLOB NOT NULL
) STRICT;

CREATE TABLE metaverse_key_recent (
    key    INTEGER NOT NULL,
    value  BLOB NOT NULL,
    object INTEGER NOT NULL,
    PRIMARY KEY (key, value, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE never_sync_group (
    connector INTEGER NOT NULL,
    name      TEXT NOT NULL,
    attribute TEXT NOT NULL, object INTEGER,
    PRIMARY KEY (connector, name, attribute)
) STRICT, WITHOUT ROWID;

CREATE TABLE never_sync_member (
    member INTEGER PRIMARY KEY
) STRICT;

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

CREATE TABLE object_type (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE own_account (
    connector INTEGER NOT NULL,
    attribute TEXT NOT NULL,
    value     BLOB NOT NULL,
    name      TEXT NOT NULL,
    PRIMARY KEY (connector, attribute, value)
) STRICT, WITHOUT ROWID;

CREATE TABLE owned_attribute (
    object INTEGER PRIMARY KEY,
    names  BLOB NOT NULL
, contributed BLOB) STRICT;

CREATE TABLE owned_reference (
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE pair_decision (
    target_connector INTEGER NOT NULL,
    target_anchor    BLOB NOT NULL,
    source_connector INTEGER NOT NULL,
    source_anchor    BLOB NOT NULL,
    verdict          INTEGER NOT NULL,
    decided_by       TEXT NOT NULL,
    note             TEXT NOT NULL,
    at               INTEGER NOT NULL,
    PRIMARY KEY (target_connector, target_anchor, source_connector, source_anchor)
) STRICT, WITHOUT ROWID;

CREATE TABLE password (
    source    INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    seen      INTEGER NOT NULL,
    pushed    INTEGER,
    pushed_to BLOB,
    PRIMARY KEY (source, target, anchor)
) STRICT, WITHOUT ROWID;

CREATE TABLE password_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    level   INTEGER NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE TABLE password_guard (
    target   INTEGER PRIMARY KEY,
    digest   TEXT NOT NULL,
    list     TEXT NOT NULL,
    recorded INTEGER NOT NULL,
    approved INTEGER
) STRICT;

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

CREATE TABLE password_watermark (
    source    INTEGER PRIMARY KEY,
    value     TEXT NOT NULL,
    committed INTEGER NOT NULL
) STRICT;

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
, not_before INTEGER, if_deleted INTEGER, to_send INTEGER GENERATED ALWAYS AS ((not_before IS NULL OR state = 1) AND (state <> 2 OR retry = 1)) VIRTUAL) STRICT;

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
    attempts  INTEGER NOT NULL DEFAULT 0, kept_back INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE reference (
    source    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    target    INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    PRIMARY KEY (source, attribute, target)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE reference_total (
    source    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    total     INTEGER NOT NULL,
    digest    BLOB NOT NULL,
    PRIMARY KEY (source, attribute)
) STRICT, WITHOUT ROWID;

CREATE TABLE reference_work (
    side      INTEGER NOT NULL,
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    PRIMARY KEY (side, object, attribute, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE rule (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    identifier TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE rule_set (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    hash    TEXT NOT NULL UNIQUE,
    text    TEXT NOT NULL,
    applied INTEGER NOT NULL,
    ordinal INTEGER NOT NULL
, places TEXT NOT NULL DEFAULT '') STRICT;

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

CREATE TABLE run_step_object (
    step    INTEGER NOT NULL,
    counter TEXT NOT NULL,
    object  INTEGER NOT NULL,
    PRIMARY KEY (step, counter, object)
) STRICT, WITHOUT ROWID;

CREATE TABLE schema_cache (
    connector INTEGER PRIMARY KEY,
    schema    TEXT NOT NULL
) STRICT;

CREATE TABLE system_state (
    connector INTEGER PRIMARY KEY,
    accepted  TEXT NOT NULL,
    waiting   TEXT,
    digest    TEXT
) STRICT;

CREATE TABLE undone_takeover (
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    state     INTEGER NOT NULL,
    names     BLOB NOT NULL,
    named_by  BLOB NOT NULL,
    began     INTEGER NOT NULL,
    ended     INTEGER,
    code      TEXT,
    message   TEXT,
    remedy    TEXT,
    PRIMARY KEY (connector, anchor)
) STRICT, WITHOUT ROWID;

CREATE TABLE waiting_reference (
    object    INTEGER NOT NULL,
    attribute INTEGER NOT NULL,
    member    INTEGER NOT NULL,
    code      TEXT NOT NULL,
    message   TEXT NOT NULL, connector INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (object, attribute, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE watched_group (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    connector INTEGER NOT NULL,
    name      TEXT NOT NULL,
    attribute TEXT NOT NULL,
    object    INTEGER,
    watch     INTEGER NOT NULL,
    UNIQUE (connector, name, attribute, watch)
) STRICT;

CREATE TABLE watched_member (
    watched INTEGER NOT NULL,
    member  INTEGER NOT NULL,
    PRIMARY KEY (watched, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE watermark (
    connector INTEGER PRIMARY KEY,
    value     TEXT NOT NULL,
    committed INTEGER NOT NULL
) STRICT;

CREATE INDEX dirty_by_connector ON dirty (connector, object);

CREATE INDEX due_by_instant ON due (at);

CREATE INDEX event_by_run ON event (run);

CREATE UNIQUE INDEX head_by_anchor ON head (connector, anchor) WHERE anchor IS NOT NULL;

CREATE INDEX head_by_link ON head (link_mv) WHERE link_mv IS NOT NULL;

CREATE UNIQUE INDEX head_by_place ON head (connector, parent, rdn_key) WHERE parent IS NOT NULL;

CREATE INDEX head_placeholder ON head (connector) WHERE state = 5;

CREATE INDEX head_remembered ON head (connector, id) WHERE memory_body IS NOT NULL;

CREATE INDEX head_transient ON head (connector) WHERE (flags & 1) <> 0;

CREATE INDEX hold_approvable ON hold (connector, approvable, mv, position) WHERE approvable IS NOT NULL;

CREATE INDEX hold_by_candidate ON hold (candidate) WHERE candidate IS NOT NULL;

CREATE INDEX hold_by_code ON hold (connector, code);

CREATE INDEX kept_before_by_age ON kept_before (at);

CREATE INDEX left_source_by_anchor ON left_source (connector, anchor);

CREATE INDEX object_error_by_connector ON object_error (connector, phase);

CREATE INDEX owned_reference_by_member ON owned_reference (member);

CREATE INDEX pair_decision_by_source ON pair_decision (source_connector, source_anchor);

CREATE INDEX password_event_by_number ON password_event (number, id);

CREATE INDEX password_log_by_user ON password_log (source, target, anchor, id);

CREATE INDEX password_log_unplaced ON password_log (source) WHERE read_from IS NULL;

CREATE INDEX pending_export_by_connector ON pending_export (connector, to_send, object);

CREATE INDEX pending_export_in_grace ON pending_export (not_before, connector) WHERE not_before IS NOT NULL;

CREATE INDEX pending_reference_by_member ON pending_reference (member);

CREATE INDEX pending_reference_to_send ON pending_reference (connector, object) WHERE state <> 2 AND kept_back = 0;

CREATE INDEX reference_by_target ON reference (target);

CREATE INDEX reference_flow_by_source ON reference_flow (source, source_attribute);

CREATE INDEX reference_unsynchronised ON reference (source) WHERE state <> 0;

CREATE INDEX run_open ON run (id) WHERE ended IS NULL;

CREATE INDEX run_step_error_by_step ON run_step_error (step);

CREATE INDEX run_step_open ON run_step (id) WHERE ended IS NULL;

CREATE INDEX waiting_reference_by_member ON waiting_reference (member);

CREATE INDEX watched_member_by_member ON watched_member (member);
