-- What the dashboards read. Provisional days are in these views, each with a column that says what it is.
--
-- The views whose column client is '' in some rows mean the whole fleet by that: no client can be called so, and a
-- dashboard that shows "All" asks for it as if it were one. With TimescaleDB those rows come from a continuous aggregate.
--
-- There is no index on profile.client: every poll changes next_poll_at, which is indexed, and would write to this index as
-- well, while reading a column of all profiles takes milliseconds.

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
    coalesce(
        m.day <= p.settled_through AND (m.data_status IS NULL OR m.data_status NOT IN ('PROCESSING', 'ESTIMATE')), false
    ) AS settled
FROM daily_metric m
JOIN profile p ON p.id = m.profile_id;

COMMENT ON VIEW profile_day IS 'Every day of every profile, settled or not';

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

-- One profile that lags must not make the whole fleet's days provisional, so of the fleet it is the day that 95 % have; and
-- one that is no longer read must not stop its client's.
CREATE VIEW client_settled AS
SELECT
    ''::text AS client,
    percentile_disc(0.05) WITHIN GROUP (ORDER BY settled_through) AS settled_through
FROM profile
WHERE state = 'active'
UNION ALL
SELECT
    client,
    coalesce(min(settled_through) FILTER (WHERE state = 'active'), max(settled_through)) AS settled_through
FROM profile
GROUP BY client;

COMMENT ON VIEW client_settled IS 'Newest day that is settled for a client''s active profiles, of the fleet for 95 % of them';

CREATE VIEW client_day AS
SELECT
    ''::text AS client,
    day,
    impression,
    engagement,
    save,
    pin_click,
    outbound_click,
    profiles
FROM fleet_day
UNION ALL
SELECT
    p.client,
    m.day,
    sum(m.impression)::bigint AS impression,
    sum(m.engagement)::bigint AS engagement,
    sum(m.save)::bigint AS save,
    sum(m.pin_click)::bigint AS pin_click,
    sum(m.outbound_click)::bigint AS outbound_click,
    count(*)::integer AS profiles
FROM profile p
JOIN daily_metric m ON m.profile_id = p.id
GROUP BY p.client, m.day;

COMMENT ON VIEW client_day IS 'Sums by client and day, and of the whole fleet as client ''''';
