-- The newest polls of a target and region, without reading those before: rowids follow what is listed.
CREATE INDEX poll_by_number ON poll (target, region);
