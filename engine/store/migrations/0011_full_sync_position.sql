-- How far a full synchronisation came that has not reached its end: the number of the last object it was through with.
ALTER TABLE connector_flags ADD COLUMN full_sync_after INTEGER;
