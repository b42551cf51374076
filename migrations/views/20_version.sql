-- Every version of every day, and what was known at some moment.
--
-- TimescaleDB 2.29 cannot plan a UNION ALL that is sorted, grouped or joined by the columns that sort a columnstore. So
-- those of the two tables begin with a column that is not here, or, last_seen_at, here as an expression.

CREATE VIEW daily_metric_version AS
SELECT
    profile_id, day, revision, observed_at, least(last_seen_at, superseded_at) AS last_seen_at, superseded_at,
    impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate, outbound_click,
    outbound_click_rate, data_status, extra, source
FROM daily_metric_revision
UNION ALL
SELECT
    profile_id, day, revision, updated_at, NULL, NULL, impression, engagement, engagement_rate, save,
    save_rate, pin_click, pin_click_rate, outbound_click, outbound_click_rate, data_status, extra, source
FROM daily_metric;

COMMENT ON VIEW daily_metric_version IS
    'Every version of every day; last_seen_at and superseded_at of the present one are NULL';

-- The planner inlines it, so that a condition on the profile or the day reaches the indexes.
CREATE FUNCTION daily_metric_as_of(at timestamptz) RETURNS SETOF daily_metric_version
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT v.*
    FROM daily_metric_version v
    WHERE v.observed_at <= at
      AND (v.superseded_at > at OR v.superseded_at IS NULL);
END;

COMMENT ON FUNCTION daily_metric_as_of IS 'The days as they were known at that time';
