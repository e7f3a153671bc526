-- Long key values are kept as a shorter hash: all keys are computed anew when the rules are registered next.
DELETE FROM connector_key;
DELETE FROM metaverse_key;
UPDATE key_definition SET active = 0;
