-- Weeks of a profile, and days of a client.
--
-- The rows whose column client is '' mean the whole fleet: no client can be called so, and a dashboard that shows "All"
-- asks for it as if it were one.

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
FROM week_sum w
JOIN profile p ON p.id = w.profile_id;

COMMENT ON VIEW weekly_metric IS
    'Sums by week from Monday, the rates made from the sums; days counts the days with a number';

-- One profile that lags must not make the whole fleet's days provisional, so of the fleet it is the day that 95 % have;
-- and one that is no longer read must not stop its client's.
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

COMMENT ON VIEW client_settled IS
    'Newest day that is settled for a client''s active profiles, of the fleet for 95 % of them';

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
