-- References of an object whose create was refused wait for it; they leave the index of what is to be sent, so that no export
-- passes over them. 1: its create is refused and waits for a change.
ALTER TABLE pending_reference ADD COLUMN kept_back INTEGER NOT NULL DEFAULT 0;
UPDATE pending_reference SET kept_back = 1 WHERE EXISTS (
    SELECT 1 FROM pending_export e WHERE e.object = pending_reference.object AND e.operation = 0 AND e.state = 2 AND e.retry = 0
);
DROP INDEX pending_reference_by_connector;
CREATE INDEX pending_reference_to_send ON pending_reference (connector, object) WHERE state <> 2 AND kept_back = 0;
