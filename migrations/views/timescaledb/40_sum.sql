-- The sums from the continuous aggregates.

CREATE VIEW week_sum AS
SELECT profile_id, week, impression, engagement, save, pin_click, outbound_click, days
FROM weekly_metric_aggregate;

COMMENT ON VIEW week_sum IS 'Sums by profile and week from Monday';

CREATE VIEW fleet_day AS
SELECT day, impression, engagement, save, pin_click, outbound_click, profiles
FROM fleet_day_aggregate;

COMMENT ON VIEW fleet_day IS 'Sums over all profiles by day; profiles counts those that have the day';
