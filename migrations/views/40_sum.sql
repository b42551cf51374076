-- What is summed of the days. TimescaleDB has a file of this name in timescaledb/, which takes the place of this one.

CREATE VIEW week_sum AS
SELECT
    profile_id,
    date_trunc('week', day::timestamp)::date AS week,
    sum(impression)::bigint AS impression,
    sum(engagement)::bigint AS engagement,
    sum(save)::bigint AS save,
    sum(pin_click)::bigint AS pin_click,
    sum(outbound_click)::bigint AS outbound_click,
    count(impression)::integer AS days
FROM daily_metric
GROUP BY profile_id, date_trunc('week', day::timestamp)::date;

COMMENT ON VIEW week_sum IS 'Sums by profile and week from Monday';

CREATE VIEW fleet_day AS
SELECT
    day,
    sum(impression)::bigint AS impression,
    sum(engagement)::bigint AS engagement,
    sum(save)::bigint AS save,
    sum(pin_click)::bigint AS pin_click,
    sum(outbound_click)::bigint AS outbound_click,
    count(*)::integer AS profiles
FROM daily_metric
GROUP BY day;

COMMENT ON VIEW fleet_day IS 'Sums over all profiles by day; profiles counts those that have the day';
