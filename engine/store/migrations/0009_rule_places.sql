-- Where the rules of an applied set and their flows stood in the rule files: told by lineage, and no part of the hash.
ALTER TABLE rule_set ADD COLUMN places TEXT NOT NULL DEFAULT '';
