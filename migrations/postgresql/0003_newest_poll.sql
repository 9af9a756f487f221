-- The newest polls of a target and region, without reading those before.
CREATE INDEX poll_by_number ON poll (target, region, id);
