-- Objects with sent values that no import has confirmed, or has contradicted: few, found without looking at the others.
CREATE INDEX head_remembered ON head (connector, id) WHERE memory_body IS NOT NULL;
