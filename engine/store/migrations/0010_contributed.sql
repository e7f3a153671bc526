-- Values of merged target attributes that the engine put there itself, and may take back.
ALTER TABLE owned_attribute ADD COLUMN contributed BLOB;
