-- What an object held before it was taken over (SF11), by the anchor, as the object itself may come and go.
CREATE TABLE kept_before (
    connector INTEGER NOT NULL,
    anchor    BLOB NOT NULL,
    at        INTEGER NOT NULL,
    image     BLOB NOT NULL,
    PRIMARY KEY (connector, anchor)
) STRICT, WITHOUT ROWID;

CREATE INDEX kept_before_by_age ON kept_before (at);
