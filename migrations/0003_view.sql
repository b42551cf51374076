-- The questions that dashboards, alerts and pages ask, answered in one place.
--
-- A day is settled when it was at least SETTLE_DAYS old when Ayrshare last read it from Pinterest (profile.settled_through)
-- and Pinterest does not call it an estimate. A profile that is no longer read keeps its last days provisional: nobody has
-- seen what became of them.

CREATE VIEW settled_metric AS
SELECT
    p.name AS profile,
    p.client,
    m.profile_id,
    m.day,
    m.impression,
    m.engagement,
    m.engagement_rate,
    m.save,
    m.save_rate,
    m.pin_click,
    m.pin_click_rate,
    m.outbound_click,
    m.outbound_click_rate,
    m.data_status,
    m.extra,
    m.revision,
    m.first_seen_at,
    m.updated_at
FROM daily_metric m
JOIN profile p ON p.id = m.profile_id
WHERE m.day <= p.settled_through
  AND (m.data_status IS NULL OR m.data_status NOT IN ('PROCESSING', 'ESTIMATE'));

COMMENT ON VIEW settled_metric IS 'Days that will not move';

CREATE VIEW weekly_metric AS
SELECT
    p.name AS profile,
    p.client,
    w.profile_id,
    w.week,
    w.impression,
    w.engagement,
    w.engagement::double precision / NULLIF(w.impression, 0) AS engagement_rate,
    w.save,
    w.save::double precision / NULLIF(w.impression, 0) AS save_rate,
    w.pin_click,
    w.pin_click::double precision / NULLIF(w.impression, 0) AS pin_click_rate,
    w.outbound_click,
    w.outbound_click::double precision / NULLIF(w.impression, 0) AS outbound_click_rate,
    w.days,
    coalesce(w.week + 6 <= p.settled_through, false) AS settled
FROM (
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
    GROUP BY profile_id, date_trunc('week', day::timestamp)::date
) w
JOIN profile p ON p.id = w.profile_id;

COMMENT ON VIEW weekly_metric IS 'Sums by week from Monday, the rates made from the sums; days counts the days with a number';

-- The newest day that should be there by now, whether or not the profile is still read.
CREATE FUNCTION newest_day_due(settle_days smallint) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (now() AT TIME ZONE 'UTC')::date - settle_days;

-- How many days back Ayrshare can be asked: 30 by its documents, up to 90 by Pinterest's, or what was seen in between.
CREATE FUNCTION fetchable_days(window_days smallint) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(greatest(coalesce(window_days, 30), 30), 90);

CREATE VIEW missing_day AS
SELECT
    p.name AS profile,
    p.client,
    p.id AS profile_id,
    d.day,
    d.day + fetchable_days(p.window_days) <= (now() AT TIME ZONE 'UTC')::date AS lost
FROM profile p
CROSS JOIN LATERAL (
    SELECT generate_series(p.first_day, newest_day_due(p.settle_days), interval '1 day')::date AS day
) d
WHERE NOT EXISTS (
    SELECT FROM daily_metric m
    WHERE m.profile_id = p.id
      AND m.day = d.day
);

COMMENT ON VIEW missing_day IS 'Days between the first and the newest due one that are not there; lost when Ayrshare no longer serves them';

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
    CASE WHEN p.rate_limited_on = (now() AT TIME ZONE 'UTC')::date THEN p.rate_limited_count ELSE 0 END AS rate_limited_today,
    p.first_day,
    p.last_day,
    p.settled_through,
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
    ) AS days_until_data_loss
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
      AND m.day <= p.settled_through
      AND m.impression IS NOT NULL
      AND (m.data_status IS NULL OR m.data_status NOT IN ('PROCESSING', 'ESTIMATE'))
    ORDER BY m.day DESC
    LIMIT 1
) d ON true
LEFT JOIN LATERAL (
    SELECT a.*
    FROM account_snapshot a
    WHERE a.profile_id = p.id
    ORDER BY a.observed_at DESC
    LIMIT 1
) s ON true;

COMMENT ON VIEW profile_status IS 'One row a profile: state, freshness, newest settled day, newest snapshot, gaps of the last 90 days';
