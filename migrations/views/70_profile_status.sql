-- One row a profile with everything that its gauges and the status page show. Each LATERAL is one index probe.

CREATE VIEW profile_status AS
SELECT
    p.id,
    p.name,
    p.client,
    p.tags,
    p.ref_id,
    p.state,
    p.state_reason,
    p.state_since,
    p.created_at,
    p.next_poll_at,
    p.last_poll_at,
    p.last_success_at,
    p.last_outcome,
    p.last_error,
    p.consecutive_failures,
    p.rate_limit_max,
    p.rate_limit_count,
    CASE WHEN p.rate_limited_on = t.today THEN p.rate_limited_count ELSE 0 END AS rate_limited_today,
    nullif(p.rate_limited_in_row, 0) AS rate_limited_in_row,
    p.first_day,
    p.last_day,
    p.settled_through,
    p.account_changed_at,
    p.seam_day,
    p.account_name,
    p.former_account_name,
    d.day AS settled_day,
    d.impression,
    d.engagement,
    d.engagement_rate,
    d.save,
    d.save_rate,
    d.pin_click,
    d.pin_click_rate,
    d.outbound_click,
    d.outbound_click_rate,
    s.observed_at AS snapshot_at,
    s.impression AS window_impression,
    s.engagement AS window_engagement,
    s.engagement_rate AS window_engagement_rate,
    s.save AS window_save,
    s.save_rate AS window_save_rate,
    s.pin_click AS window_pin_click,
    s.pin_click_rate AS window_pin_click_rate,
    s.outbound_click AS window_outbound_click,
    s.outbound_click_rate AS window_outbound_click_rate,
    s.followers,
    coalesce(g.missing_days, 0) AS missing_days,
    greatest(
        0,
        coalesce(
            CASE WHEN g.missing_days > 0 THEN (
                SELECT min(c.day::date)
                FROM generate_series(g.since, g.due, interval '1 day') AS c (day)
                WHERE c.day::date + fetchable_days(p.window_days) > t.today
                  AND NOT EXISTS (SELECT FROM daily_metric m WHERE m.profile_id = p.id AND m.day = c.day::date)
            ) END,
            p.last_day + 1,
            (coalesce(p.last_success_at, p.created_at) AT TIME ZONE 'UTC')::date
        ) + fetchable_days(p.window_days) - t.today
    ) AS days_until_data_loss,
    v.expected AS engagement_expected,
    v.expected_low AS engagement_expected_low,
    v.score AS engagement_drop_score,
    -- A day without a number, or a metric that cannot be judged, does not end what is open.
    CASE
        WHEN v.profile_id IS NOT NULL AND (v.silence IS NULL OR e.open_drops > 0) THEN e.open_drops
    END AS engagement_drop
FROM profile p
CROSS JOIN LATERAL (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today
) t
CROSS JOIN LATERAL (
    SELECT
        b.since,
        b.due,
        greatest(0, b.due - b.since + 1 - (
            SELECT count(*)
            FROM daily_metric m
            WHERE m.profile_id = p.id
              AND m.day BETWEEN b.since AND b.due
        ))::integer AS missing_days
    FROM (
        SELECT
            -- A profile that never had a day misses none; greatest() alone would ignore the NULL.
            CASE WHEN p.first_day IS NOT NULL THEN greatest(p.first_day, t.today - 90) END AS since,
            newest_day_due(p.settle_days) AS due
    ) b
) g
LEFT JOIN LATERAL (
    SELECT m.*
    FROM daily_metric m
    WHERE m.profile_id = p.id
      AND is_settled(m.day, p.settled_through, m.data_status)
      AND m.impression IS NOT NULL
    ORDER BY m.day DESC
    LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT a.*
    FROM account_snapshot a
    WHERE a.profile_id = p.id
    ORDER BY a.observed_at DESC
    LIMIT 1
) s ON true
LEFT JOIN drop_verdict v ON v.profile_id = p.id
CROSS JOIN LATERAL (
    SELECT count(*) AS open_drops
    FROM engagement_drop o
    WHERE o.profile_id = p.id
      AND o.told
) e;

COMMENT ON VIEW profile_status IS
    'One row a profile: state, freshness, newest settled day, newest snapshot, gaps of the last 90 days';
