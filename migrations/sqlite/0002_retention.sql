-- The last day (since the epoch) whose polls were thinned out to its last good one (lib/store/retention.cpp).
ALTER TABLE scope ADD COLUMN thinned INTEGER;
CREATE INDEX notification_by_finish ON notification (finished);
CREATE INDEX alert_by_end ON alert (ends_at);
