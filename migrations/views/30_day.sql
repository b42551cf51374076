-- Days with their profile, and the days that are not there. Provisional ones are in profile_day, which says so.

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
    m.updated_at,
    m.source
FROM daily_metric m
JOIN profile p ON p.id = m.profile_id
WHERE is_settled(m.day, p.settled_through, m.data_status);

COMMENT ON VIEW settled_metric IS 'Days that will not move';

CREATE VIEW profile_day AS
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
    m.revision,
    m.first_seen_at,
    m.updated_at,
    m.source,
    coalesce(is_settled(m.day, p.settled_through, m.data_status), false) AS settled
FROM daily_metric m
JOIN profile p ON p.id = m.profile_id;

COMMENT ON VIEW profile_day IS 'Every day of every profile, settled or not';

CREATE VIEW missing_day AS
SELECT
    p.name AS profile,
    p.client,
    p.id AS profile_id,
    d.day,
    d.day + fetchable_days(p.window_days) <= (now() AT TIME ZONE 'UTC')::date AS lost,
    l.whose,
    l.reason
FROM profile p
CROSS JOIN LATERAL (
    SELECT generate_series(p.first_day, newest_day_due(p.settle_days), interval '1 day')::date AS day
) d
LEFT JOIN lost_day l ON l.profile_id = p.id AND l.day = d.day
WHERE NOT EXISTS (
    SELECT FROM daily_metric m
    WHERE m.profile_id = p.id
      AND m.day = d.day
);

COMMENT ON VIEW missing_day IS
    'Days between the first and the newest due one that are not there; lost when Ayrshare no longer serves them, with '
    'whose fault it is and why as soon as that is written down';

-- How much and how late numbers move. What another account's numbers replaced is no restatement, and neither is what
-- took the place of imported numbers. A change is dated where the day was read within a day and a half before: else it
-- may have been made long before it was seen.
CREATE VIEW restatement AS
SELECT
    p.name AS profile,
    p.client,
    r.profile_id,
    r.day,
    r.revision,
    b.superseded_at AS observed_at,
    (b.superseded_at AT TIME ZONE 'UTC')::date - r.day AS age_days,
    b.superseded_at - b.last_seen_at <= interval '36 hours' AS dated,
    (r.impression, r.engagement, r.save, r.pin_click, r.outbound_click)
        IS DISTINCT FROM (b.impression, b.engagement, b.save, b.pin_click, b.outbound_click) AS moved,
    b.impression AS impression_before,
    r.impression,
    b.engagement AS engagement_before,
    r.engagement,
    b.save AS save_before,
    r.save,
    b.pin_click AS pin_click_before,
    r.pin_click,
    b.outbound_click AS outbound_click_before,
    r.outbound_click
FROM daily_metric_version r
JOIN daily_metric_revision b
  ON b.profile_id = r.profile_id
 AND b.day = r.day
 AND b.revision = r.revision - 1
JOIN profile p ON p.id = r.profile_id
WHERE b.source IS NULL
  AND (p.seam_day IS NULL OR b.superseded_at > p.replaced_at);

COMMENT ON VIEW restatement IS
    'A day that came with other numbers than before (moved), or another status: how old it was, and both';
