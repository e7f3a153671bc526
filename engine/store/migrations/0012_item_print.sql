-- Print of the item that an import staged last, as it came in: an item with the same print changes nothing.
ALTER TABLE head ADD COLUMN item_print BLOB;
