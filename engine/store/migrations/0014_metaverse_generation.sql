-- Nobody asked for it, and it cost a second write of each row.
ALTER TABLE metaverse DROP COLUMN generation;
