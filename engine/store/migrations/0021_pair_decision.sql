-- What an operator decided about a source object and an existing object of a target, by their anchors: both may go and come again.
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

CREATE INDEX pair_decision_by_source ON pair_decision (source_connector, source_anchor);
