-- requires: timescaledb
--
-- The fleet's days from a continuous aggregate. Like that of the weeks it is created empty and filled by its policy. Days
-- that may still be restated are left to the days themselves.

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

CREATE OR REPLACE VIEW fleet_day AS
SELECT
    day,
    impression,
    engagement,
    save,
    pin_click,
    outbound_click,
    profiles
FROM fleet_day_aggregate;
