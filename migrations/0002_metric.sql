-- What the polls bring: the days as they are now, their former versions, the account's sums, and the log of polls.
--
-- Counts are bigint, rates are fractions, NULL is "no number" (never zero). Days are UTC days. No foreign keys:
-- profiles are removed by one function that knows all tables, and a check per row would cost as much as the row.

CREATE TABLE daily_metric (
    profile_id          bigint NOT NULL,
    day                 date NOT NULL,
    impression          bigint,
    engagement          bigint,
    engagement_rate     double precision,
    save                bigint,
    save_rate           double precision,
    pin_click           bigint,
    pin_click_rate      double precision,
    outbound_click      bigint,
    outbound_click_rate double precision,
    data_status         text,
    extra               jsonb,
    revision            integer NOT NULL DEFAULT 1,
    first_seen_at       timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile_id, day)
);

COMMENT ON TABLE daily_metric IS 'One row a profile and UTC day: the numbers as they were last read';
COMMENT ON COLUMN daily_metric.extra IS 'Numbers that have no column, by their snake_case name';
COMMENT ON COLUMN daily_metric.revision IS
    'How often the day was seen to change, from 1; all versions are in daily_metric_version';

CREATE TABLE daily_metric_revision (
    profile_id          bigint NOT NULL,
    day                 date NOT NULL,
    revision            integer NOT NULL,
    observed_at         timestamptz NOT NULL,
    last_seen_at        timestamptz NOT NULL,
    superseded_at       timestamptz NOT NULL DEFAULT now(),
    impression          bigint,
    engagement          bigint,
    engagement_rate     double precision,
    save                bigint,
    save_rate           double precision,
    pin_click           bigint,
    pin_click_rate      double precision,
    outbound_click      bigint,
    outbound_click_rate double precision,
    data_status         text,
    extra               jsonb,
    -- superseded_at is in the key because a hypertable's unique keys must hold its time column.
    PRIMARY KEY (profile_id, day, revision, superseded_at)
);

COMMENT ON TABLE daily_metric_revision IS
    'Former versions of days that were restated; the present ones are in daily_metric';
COMMENT ON COLUMN daily_metric_revision.observed_at IS 'When a poll first brought this version';
COMMENT ON COLUMN daily_metric_revision.last_seen_at IS
    'The last good poll before the one that brought the next version';
COMMENT ON COLUMN daily_metric_revision.superseded_at IS 'When a poll brought the next version';

CREATE TABLE account_snapshot (
    profile_id          bigint NOT NULL,
    observed_at         timestamptz NOT NULL,
    impression          bigint,
    engagement          bigint,
    engagement_rate     double precision,
    save                bigint,
    save_rate           double precision,
    pin_click           bigint,
    pin_click_rate      double precision,
    outbound_click      bigint,
    outbound_click_rate double precision,
    followers           bigint,
    extra               jsonb,
    PRIMARY KEY (profile_id, observed_at)
);

COMMENT ON TABLE account_snapshot IS
    'The sums over Ayrshare''s window and the account''s counters, by the time of Ayrshare''s data';

CREATE TABLE poll_log (
    profile_id       bigint NOT NULL,
    polled_at        timestamptz NOT NULL DEFAULT now(),
    outcome          text NOT NULL,
    http_status      smallint,
    code             integer,
    duration_seconds real NOT NULL,
    rows_new         integer NOT NULL,
    rows_changed     integer NOT NULL,
    problems         integer NOT NULL,
    detail           text,
    excerpt          text
);

-- Most polls change nothing, and are found by their time.
CREATE INDEX poll_log_profile_id_polled_at_idx ON poll_log (profile_id, polled_at DESC) WHERE outcome <> 'unchanged';
-- Rows arrive in the order of time, so a BRIN index of a few pages finds "since then" and costs the polls nothing.
CREATE INDEX poll_log_polled_at_idx ON poll_log USING brin (polled_at) WITH (pages_per_range = 16);

COMMENT ON TABLE poll_log IS 'One row a poll, kept for 90 days';
COMMENT ON COLUMN poll_log.problems IS 'Things in the answer that were left out; detail names the first of them';
COMMENT ON COLUMN poll_log.excerpt IS 'Beginning of an answer that could not be read';
