-- Times are Unix seconds, UTC.

-- "iusg": what marks a database file as ours.
PRAGMA application_id = 1769304935;

CREATE TABLE migration (
  version  INTEGER PRIMARY KEY,
  name     TEXT    NOT NULL,
  checksum TEXT    NOT NULL,
  applied  INTEGER NOT NULL DEFAULT (unixepoch())
) STRICT;

-- How many transactions there were: as many as the file beside the database says, or its end is lost.
CREATE TABLE written (transactions INTEGER NOT NULL) STRICT;
INSERT INTO written VALUES (0);

-- While a copy of another database is made: where that is.
CREATE TABLE moving (source TEXT NOT NULL) STRICT;

-- Each attempt to ask one region with the credentials of one target. It is written before the first
-- request and completed after the last, together with the snapshot.
CREATE TABLE poll (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  target     TEXT    NOT NULL,
  region     TEXT    NOT NULL,
  slot       INTEGER NOT NULL,  -- the due time that it answers
  interval   INTEGER NOT NULL CHECK (interval > 0),  -- seconds to the next
  started    INTEGER NOT NULL,  -- the time of the snapshot
  finished   INTEGER,
  outcome    TEXT    NOT NULL,
  requests   INTEGER NOT NULL DEFAULT 0,  -- sent, retries included
  pages      INTEGER NOT NULL DEFAULT 0,
  accounts   INTEGER NOT NULL DEFAULT 0,
  series     INTEGER NOT NULL DEFAULT 0,
  error      TEXT,
  request_id TEXT,              -- AWS's, of the last reply
  clock_skew INTEGER            -- AWS's clock minus ours, as that reply said
) STRICT;
CREATE INDEX poll_by_scope ON poll (target, region, started, outcome, slot, interval);
CREATE INDEX poll_by_time ON poll (started);

-- The targets and regions that are, or were, asked.
CREATE TABLE scope (
  id      INTEGER PRIMARY KEY,
  target  TEXT NOT NULL,
  region  TEXT NOT NULL,
  removed INTEGER,  -- since when it is no longer asked; NULL: it is
  settled INTEGER,  -- the last day (since the epoch) whose polls are in blocks of a day
  UNIQUE (target, region)
) STRICT;

-- The good polls of each settled day, in the format of lib/store/poll_day.h: a question about a month reads 30
-- rows for a target and region, not 720. They say what `poll` says.
CREATE TABLE poll_day (
  scope_id INTEGER NOT NULL REFERENCES scope (id),
  day      INTEGER NOT NULL,  -- since the epoch
  polls    BLOB    NOT NULL,
  PRIMARY KEY (scope_id, day)
) STRICT, WITHOUT ROWID;

-- What a number belongs to. Texts that AWS left out are empty.
CREATE TABLE series (
  id         INTEGER PRIMARY KEY,
  account    TEXT    NOT NULL,
  region     TEXT    NOT NULL,
  type       TEXT    NOT NULL,
  provider   TEXT    NOT NULL,
  currency   TEXT    NOT NULL,
  first_seen INTEGER NOT NULL,
  UNIQUE (account, region, type, provider, currency)
) STRICT;

-- What a series is without its account.
CREATE TABLE kind (
  id       INTEGER PRIMARY KEY,
  region   TEXT NOT NULL,
  type     TEXT NOT NULL,
  provider TEXT NOT NULL,
  currency TEXT NOT NULL,
  UNIQUE (region, type, provider, currency)
) STRICT;

-- The series that a target has seen.
CREATE TABLE series_target (
  series_id INTEGER NOT NULL REFERENCES series (id),
  target    TEXT    NOT NULL,
  PRIMARY KEY (series_id, target)
) STRICT, WITHOUT ROWID;

-- The snapshots: what good polls of a scope said of up to 128 neighbouring series (those whose id
-- divided by 128 is `bucket`), in the format of lib/store/block.h, which keeps the doubles that AWS
-- sent. `level` 0: of one poll, whose id is `at`; 1: of the polls of a day that is over; 2: of a month
-- whose days were thinned out (days and months counted as everywhere). A poll is in one of them.
-- Connections of inspector-usaged read it all as the table `sample` (poll_id, series_id, total, cost,
-- gone): a row for each series that a good poll returned; a series that the poll before returned and
-- this one did not has one row with `gone` set.
CREATE TABLE sample_block (
  id       INTEGER PRIMARY KEY,
  scope_id INTEGER NOT NULL REFERENCES scope (id),
  level    INTEGER NOT NULL,
  at       INTEGER NOT NULL,
  bucket   INTEGER NOT NULL,
  data     BLOB    NOT NULL,
  UNIQUE (scope_id, level, at, bucket)
) STRICT;
CREATE INDEX sample_block_by_bucket ON sample_block (scope_id, bucket, level, at) WHERE level > 0;

-- Each good poll, summed by kind, so that a question about the whole organization reads no series.
CREATE TABLE poll_total (
  poll_id  INTEGER NOT NULL REFERENCES poll (id),
  kind_id  INTEGER NOT NULL REFERENCES kind (id),
  series   INTEGER NOT NULL,
  total    REAL    NOT NULL,  -- of those that have one
  cost     REAL    NOT NULL,
  no_total INTEGER NOT NULL,  -- how many have none
  no_cost  INTEGER NOT NULL,
  PRIMARY KEY (poll_id, kind_id)
) STRICT, WITHOUT ROWID;

-- What was used on each day and in each month, as rebuilt from the sums of 30 days: sums over the series of a
-- kind, and over those of an account in a region (of costs alone, since units are not added up).
-- `metric` is 'cost' or 'total', `tag` 'exact', 'bounded' or 'gap', a month its number since January
-- of year 0. NULL as `high`: nothing bounds it; as `estimate`: there is none.
CREATE TABLE day_by_kind (
  kind_id  INTEGER NOT NULL REFERENCES kind (id),
  metric   TEXT    NOT NULL,
  day      INTEGER NOT NULL,
  tag      TEXT    NOT NULL,
  low      REAL    NOT NULL,
  high     REAL,
  estimate REAL,
  PRIMARY KEY (kind_id, metric, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE day_by_account (
  account  TEXT    NOT NULL,
  region   TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  day      INTEGER NOT NULL,
  tag      TEXT    NOT NULL,
  low      REAL    NOT NULL,
  high     REAL,
  estimate REAL,
  PRIMARY KEY (account, region, currency, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE month_by_kind (
  kind_id  INTEGER NOT NULL REFERENCES kind (id),
  metric   TEXT    NOT NULL,
  month    INTEGER NOT NULL,
  days     INTEGER NOT NULL,  -- that are exact or bounded
  low      REAL    NOT NULL,
  high     REAL,
  estimate REAL,
  PRIMARY KEY (kind_id, metric, month)
) STRICT, WITHOUT ROWID;
CREATE TABLE month_by_account (
  account  TEXT    NOT NULL,
  region   TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  month    INTEGER NOT NULL,
  days     INTEGER NOT NULL,
  low      REAL    NOT NULL,
  high     REAL,
  estimate REAL,
  PRIMARY KEY (account, region, currency, month)
) STRICT, WITHOUT ROWID;

-- Regions with settled days that are not in these sums yet.
CREATE TABLE unsummed (
  region  TEXT PRIMARY KEY,
  settled INTEGER NOT NULL  -- days, counted on
) STRICT, WITHOUT ROWID;

-- Accounts that a target asks for by id and that its newest good poll did not return, or could not
-- ask: then `error` says why.
CREATE TABLE missing_account (
  target  TEXT    NOT NULL,
  region  TEXT    NOT NULL,
  account TEXT    NOT NULL,
  since   INTEGER NOT NULL,
  error   TEXT,
  PRIMARY KEY (target, region, account)
) STRICT, WITHOUT ROWID;

-- Names and tags, as the configuration has them.
CREATE TABLE account (
  id   TEXT PRIMARY KEY,
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE account_tag (
  account TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  name    TEXT NOT NULL,
  value   TEXT NOT NULL,
  PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;

-- What is asked once a day beside the polls: 'organization' (region empty), 'trials'.
CREATE TABLE refresh (
  kind      TEXT    NOT NULL,
  target    TEXT    NOT NULL,
  region    TEXT    NOT NULL,
  attempted INTEGER NOT NULL,
  succeeded INTEGER,  -- when it last did
  error     TEXT,     -- of the last attempt
  PRIMARY KEY (kind, target, region)
) STRICT, WITHOUT ROWID;

-- Accounts as AWS Organizations listed them last.
CREATE TABLE organization_account (
  target TEXT NOT NULL,
  id     TEXT NOT NULL,
  name   TEXT NOT NULL,
  status TEXT NOT NULL,  -- AWS's: ACTIVE, SUSPENDED, ...
  PRIMARY KEY (target, id)
) STRICT, WITHOUT ROWID;

-- Free trials by scan type (EC2, ECR, ...), and the accounts for which AWS could not say.
CREATE TABLE free_trial (
  account TEXT NOT NULL,
  region  TEXT NOT NULL,
  type    TEXT NOT NULL,
  started INTEGER,
  ends    INTEGER,
  status  TEXT NOT NULL,  -- AWS's: ACTIVE, INACTIVE
  target  TEXT NOT NULL,  -- that told it
  PRIMARY KEY (account, region, type)
) STRICT, WITHOUT ROWID;
CREATE TABLE free_trial_error (
  account TEXT NOT NULL,
  region  TEXT NOT NULL,
  code    TEXT NOT NULL,
  message TEXT NOT NULL,
  target  TEXT NOT NULL,
  PRIMARY KEY (account, region)
) STRICT, WITHOUT ROWID;

-- What a unit of a usage type costs by AWS's estimates (cost / total): the median of the accounts
-- that are charged, in the newest good poll.
CREATE TABLE unit_price (
  region   TEXT    NOT NULL,
  type     TEXT    NOT NULL,
  currency TEXT    NOT NULL,
  price    REAL    NOT NULL,
  seen     INTEGER NOT NULL,
  PRIMARY KEY (region, type, currency)
) STRICT, WITHOUT ROWID;

-- Accounts that two targets see in one region; target < other. They are counted once. 0: now none,
-- but there may have been some, or one of the two was imported.
CREATE TABLE overlap (
  region   TEXT    NOT NULL,
  target   TEXT    NOT NULL,
  other    TEXT    NOT NULL,
  accounts INTEGER NOT NULL,
  PRIMARY KEY (region, target, other)
) STRICT, WITHOUT ROWID;

-- Which kind of number a usage type is (rolling, resetting, projected), with the evidence as
-- lib/core/behaviour.h counts it.
CREATE TABLE behaviour (
  target    TEXT    NOT NULL,
  type      TEXT    NOT NULL,
  days      REAL    NOT NULL,
  resets    REAL    NOT NULL,
  rises     REAL    NOT NULL,
  falls     REAL    NOT NULL,
  jumps     REAL    NOT NULL,
  ramps     REAL    NOT NULL,
  flat      REAL    NOT NULL,
  updated   INTEGER NOT NULL,
  behaviour TEXT    NOT NULL,
  reason    TEXT    NOT NULL,
  since     INTEGER NOT NULL,
  PRIMARY KEY (target, type)
) STRICT, WITHOUT ROWID;

CREATE TABLE alert (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  fingerprint   TEXT    NOT NULL,
  rule          TEXT    NOT NULL,
  severity      TEXT    NOT NULL,
  labels        TEXT    NOT NULL,
  currency      TEXT    NOT NULL,
  state         TEXT    NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
  polls         INTEGER NOT NULL,
  pending_since INTEGER NOT NULL,
  counted_until INTEGER NOT NULL,
  starts_at     INTEGER,
  ends_at       INTEGER,
  before        REAL,
  after         REAL,
  peak          REAL,  -- the highest that after has been
  score         REAL,  -- of a spike: deviations above the usual
  details       TEXT,  -- why it was raised, as JSON
  calm_since    INTEGER,
  flaps         INTEGER NOT NULL DEFAULT 0,  -- how often it had fired in the day before
  acked_at      INTEGER,
  acked_by      TEXT,
  ack_comment   TEXT
) STRICT;
-- One group has one open alert at most.
CREATE UNIQUE INDEX alert_open ON alert (fingerprint) WHERE state <> 'resolved';
CREATE INDEX alert_by_fingerprint ON alert (fingerprint, starts_at);

CREATE TABLE alert_event (
  id       INTEGER PRIMARY KEY,
  alert_id INTEGER NOT NULL REFERENCES alert (id) ON DELETE CASCADE,
  at       INTEGER NOT NULL,
  change   TEXT    NOT NULL,
  before   REAL,
  after    REAL
) STRICT;
CREATE INDEX alert_event_by_alert ON alert_event (alert_id);

-- A message for one receiver, sent until it is delivered or given up. The uid goes out with it, so
-- that a receiver can tell a repetition.
CREATE TABLE notification (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  uid          TEXT    NOT NULL UNIQUE,
  receiver     TEXT    NOT NULL,
  group_key    TEXT    NOT NULL,
  reason       TEXT    NOT NULL,  -- news, repeat, storm, digest
  created      INTEGER NOT NULL,
  body         TEXT    NOT NULL,  -- as lib/net/payload.h has it
  state        TEXT    NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
  attempts     INTEGER NOT NULL DEFAULT 0,
  tried_from   INTEGER NOT NULL,  -- patience begins then: when it was made, or sent anew
  next_attempt INTEGER NOT NULL,
  finished     INTEGER,
  error        TEXT
) STRICT;
CREATE INDEX notification_pending ON notification (next_attempt) WHERE state = 'pending';
CREATE INDEX notification_by_group ON notification (receiver, group_key, created);

-- The outbox: each event of an alert that a receiver has to be told, written in the transaction of
-- the event.
CREATE TABLE delivery (
  receiver        TEXT    NOT NULL,
  event_id        INTEGER NOT NULL REFERENCES alert_event (id) ON DELETE CASCADE,
  notification_id INTEGER REFERENCES notification (id),  -- that tells it; NULL: none yet
  dropped         INTEGER,  -- when it turned out that nobody needs to be told
  PRIMARY KEY (receiver, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_untold ON delivery (receiver)
  WHERE notification_id IS NULL AND dropped IS NULL;
CREATE INDEX delivery_by_event ON delivery (event_id);
CREATE INDEX delivery_by_notification ON delivery (notification_id);

CREATE TABLE silence (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  matchers   TEXT    NOT NULL,  -- a JSON array: name=value, name!=value, name=~regex, name!~regex
  starts_at  INTEGER NOT NULL,
  ends_at    INTEGER NOT NULL,
  created_by TEXT    NOT NULL,
  comment    TEXT    NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX silence_by_end ON silence (ends_at);

-- For people: inspector-usaged sql.
CREATE VIEW usage_history AS
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', p.started, 'unixepoch') AS taken_at,
       p.target, s.account AS account_id, s.region, s.type AS usage_type,
       s.provider AS cloud_provider, s.currency, v.total, v.cost AS estimated_monthly_cost, v.gone
FROM sample v JOIN poll p ON p.id = v.poll_id JOIN series s ON s.id = v.series_id;

CREATE VIEW usage_latest AS
SELECT strftime('%Y-%m-%dT%H:%M:%SZ', p.started, 'unixepoch') AS taken_at,
       p.target, s.account AS account_id, s.region, s.type AS usage_type,
       s.provider AS cloud_provider, s.currency, v.total, v.cost AS estimated_monthly_cost
FROM (SELECT max(id) AS id FROM poll WHERE outcome = 'ok' GROUP BY target, region) newest
JOIN poll p ON p.id = newest.id JOIN sample v ON v.poll_id = p.id
JOIN series s ON s.id = v.series_id WHERE v.gone = 0;
