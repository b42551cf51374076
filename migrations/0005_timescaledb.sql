-- requires: timescaledb
--
-- The same tables as hypertables, and the sums of days as continuous aggregates. Data that is already there is moved
-- into chunks, in this transaction.
--
-- daily_metric has chunks of 90 days, and a chunk is converted to the columnstore 90 days after its end: Pinterest
-- serves at most 90 days, so nothing that is still re-read is ever compressed. The ledger is partitioned by
-- superseded_at, which is now when a row is written, so that writes go to the newest chunk. What sorts a segment of the
-- two begins with a stamp because of daily_metric_version; views/20_version.sql says why.
--
-- The aggregates are created empty, because filling them is not possible inside a transaction, and their policies fill
-- them within the hour. Until then, and for what comes after the watermark, they read the days themselves. What may
-- still be restated is left to the days as well.

CREATE EXTENSION IF NOT EXISTS timescaledb;

SELECT create_hypertable(
    'daily_metric', by_range('day', INTERVAL '90 days'),
    create_default_indexes => false, migrate_data => true
);
ALTER TABLE daily_metric SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'profile_id',
    timescaledb.orderby = 'first_seen_at DESC, day DESC'
);
CALL add_columnstore_policy('daily_metric', after => INTERVAL '90 days');

SELECT create_hypertable(
    'daily_metric_revision', by_range('superseded_at', INTERVAL '30 days'),
    create_default_indexes => false, migrate_data => true
);
ALTER TABLE daily_metric_revision SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'profile_id',
    timescaledb.orderby = 'last_seen_at DESC, day DESC, revision DESC'
);
CALL add_columnstore_policy('daily_metric_revision', after => INTERVAL '30 days');

SELECT create_hypertable(
    'account_snapshot', by_range('observed_at', INTERVAL '30 days'),
    create_default_indexes => false, migrate_data => true
);
ALTER TABLE account_snapshot SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'profile_id',
    timescaledb.orderby = 'observed_at DESC'
);
CALL add_columnstore_policy('account_snapshot', after => INTERVAL '30 days');

SELECT create_hypertable(
    'poll_log', by_range('polled_at', INTERVAL '7 days'),
    create_default_indexes => false, migrate_data => true
);
SELECT add_retention_policy('poll_log', drop_after => INTERVAL '90 days');

CREATE MATERIALIZED VIEW weekly_metric_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    profile_id,
    time_bucket(INTERVAL '7 days', day) AS week, -- from Monday, the origin being Monday 2000-01-03
    sum(impression)::bigint AS impression,
    sum(engagement)::bigint AS engagement,
    sum(save)::bigint AS save,
    sum(pin_click)::bigint AS pin_click,
    sum(outbound_click)::bigint AS outbound_click,
    count(impression)::integer AS days
FROM daily_metric
GROUP BY profile_id, time_bucket(INTERVAL '7 days', day)
WITH NO DATA;

SELECT add_continuous_aggregate_policy(
    'weekly_metric_aggregate',
    start_offset => NULL,
    end_offset => INTERVAL '14 days',
    schedule_interval => INTERVAL '1 hour'
);

CREATE MATERIALIZED VIEW fleet_day_aggregate
WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT
    time_bucket(INTERVAL '1 day', day) AS day,
    sum(impression)::bigint AS impression,
    sum(engagement)::bigint AS engagement,
    sum(save)::bigint AS save,
    sum(pin_click)::bigint AS pin_click,
    sum(outbound_click)::bigint AS outbound_click,
    count(*)::integer AS profiles
FROM daily_metric
GROUP BY time_bucket(INTERVAL '1 day', day)
WITH NO DATA;

SELECT add_continuous_aggregate_policy(
    'fleet_day_aggregate',
    start_offset => NULL,
    end_offset => INTERVAL '4 days',
    schedule_interval => INTERVAL '30 minutes'
);
