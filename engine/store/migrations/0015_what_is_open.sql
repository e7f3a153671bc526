-- What every step asks about is counted where it changes, or found by an index of its own: asking costs the same in a space of
-- any size.

-- How much is held, by reason; members: reference values that do not flow.
CREATE TABLE held_count (
    connector INTEGER NOT NULL,
    members   INTEGER NOT NULL,
    code      TEXT NOT NULL,
    number    INTEGER NOT NULL,
    PRIMARY KEY (connector, members, code)
) STRICT, WITHOUT ROWID;

ALTER TABLE waiting_reference ADD COLUMN connector INTEGER NOT NULL DEFAULT 0;
UPDATE waiting_reference SET connector = (SELECT connector FROM head WHERE id = object);

INSERT INTO held_count (connector, members, code, number)
SELECT connector, 0, code, count(*) FROM hold GROUP BY connector, code;
INSERT INTO held_count (connector, members, code, number)
SELECT connector, 1, code, count(*) FROM waiting_reference GROUP BY connector, code;

CREATE TRIGGER hold_made AFTER INSERT ON hold BEGIN
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 0, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER hold_gone AFTER DELETE ON hold BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 0 AND code = old.code;
END;

CREATE TRIGGER member_waits AFTER INSERT ON waiting_reference BEGIN
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 1, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER member_waits_otherwise AFTER UPDATE OF code ON waiting_reference WHEN old.code <> new.code BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 1 AND code = old.code;
    INSERT INTO held_count (connector, members, code, number) VALUES (new.connector, 1, new.code, 1)
    ON CONFLICT (connector, members, code) DO UPDATE SET number = number + 1;
END;

CREATE TRIGGER member_waits_no_more AFTER DELETE ON waiting_reference BEGIN
    UPDATE held_count SET number = number - 1 WHERE connector = old.connector AND members = 1 AND code = old.code;
END;

-- Decisions that an operator may let through: most of what is held is not of that kind.
CREATE INDEX hold_approvable ON hold (connector, approvable, mv, position) WHERE approvable IS NOT NULL;

-- What the next export sends, apart from what was refused and from what is in its grace period; what was sent and never answered is looked up in it too.
ALTER TABLE pending_export ADD COLUMN to_send INTEGER GENERATED ALWAYS AS ((not_before IS NULL OR state = 1) AND (state <> 2 OR retry = 1)) VIRTUAL;
DROP INDEX pending_export_by_connector;
CREATE INDEX pending_export_by_connector ON pending_export (connector, to_send, object);
DROP INDEX pending_export_in_grace;
CREATE INDEX pending_export_in_grace ON pending_export (not_before, connector) WHERE not_before IS NOT NULL;

-- Runs that a crash left open.
CREATE INDEX run_open ON run (id) WHERE ended IS NULL;
CREATE INDEX run_step_open ON run_step (id) WHERE ended IS NULL;

-- Which object a group was when its members were counted last; none: nobody.
ALTER TABLE never_sync_group ADD COLUMN object INTEGER;
ALTER TABLE watched_group ADD COLUMN object INTEGER;

-- Placeholders that nothing may need any longer; looked at when an import ends. State 5: a placeholder.
CREATE TABLE loose_placeholder (
    connector INTEGER NOT NULL,
    object    INTEGER NOT NULL,
    PRIMARY KEY (connector, object)
) STRICT, WITHOUT ROWID;

INSERT INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE state = 5;

CREATE TRIGGER placeholder_made AFTER INSERT ON head WHEN new.state = 5 BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) VALUES (new.connector, new.id);
END;

CREATE TRIGGER placeholder_left AFTER UPDATE OF state ON head WHEN new.state = 5 AND old.state <> 5 BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) VALUES (new.connector, new.id);
END;

CREATE TRIGGER child_moved AFTER UPDATE OF parent ON head WHEN old.parent IS NOT NULL AND old.parent IS NOT new.parent BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.parent AND state = 5;
END;

CREATE TRIGGER child_gone AFTER DELETE ON head WHEN old.parent IS NOT NULL BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.parent AND state = 5;
END;

CREATE TRIGGER reference_gone AFTER DELETE ON reference BEGIN
    INSERT OR IGNORE INTO loose_placeholder (connector, object) SELECT connector, id FROM head WHERE id = old.target AND state = 5;
END;
