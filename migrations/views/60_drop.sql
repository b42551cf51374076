-- Drops with their profile and client, by which preset a profile is judged, and what was expected.

-- A drop of a paused profile is not open: nothing is read that could close it. One that is told is the client's own,
-- and nobody said that it is not a problem.
CREATE VIEW engagement_drop AS
SELECT
    e.id,
    p.name AS profile,
    p.client,
    e.profile_id,
    e.metric,
    e.first_day,
    e.detected_day,
    e.last_day,
    e.observed,
    e.expected,
    e.expected_low,
    e.score,
    e.lost_share,
    e.usual_since,
    e.closed_on IS NULL AND p.state <> 'paused' AS open,
    e.closed_on,
    e.close_reason,
    e.decided_by,
    e.window_days,
    e.window_score,
    e.threshold,
    e.window_loss,
    e.least_loss,
    e.also_fell,
    e.inhibited,
    e.closed_on IS NULL AND p.state <> 'paused' AND NOT e.inhibited AND d.profile_id IS NULL AS told,
    d.dismissed_note,
    d.dismissed_by,
    d.dismissed_at,
    e.sentence,
    e.why,
    e.opened_at,
    e.updated_at
FROM drop_episode e
JOIN profile p ON p.id = e.profile_id
LEFT JOIN drop_dismissal d
    ON (d.profile_id, d.metric, d.first_day) = (e.profile_id, e.metric, e.first_day);

COMMENT ON VIEW engagement_drop IS 'Drops with their profile and client, and what was said of them';

-- The columns of profiles that the detector asks for are here, too: it asks every few seconds, and would read all of
-- them twice. What a client chose is joined once: each join with all profiles costs as much as reading them.
CREATE VIEW judged_profile AS
SELECT
    p.id AS profile_id,
    p.name AS profile,
    p.client,
    p.state,
    p.state_since,
    p.settled_through,
    p.settle_days,
    p.seam_day,
    p.replaced_at,
    p.last_poll_at,
    p.days_changed_at,
    coalesce(s.sensitivity, c.sensitivity, 'normal') AS sensitivity,
    CASE WHEN s.name IS NULL THEN c.threshold ELSE s.threshold END AS own_threshold,
    c.country
FROM profile p
LEFT JOIN drop_sensitivity s ON s.scope = 'profile' AND s.name = p.name
LEFT JOIN (
    SELECT coalesce(k.name, f.name) AS name, k.country, f.sensitivity, f.threshold
    FROM client k
    FULL JOIN (SELECT * FROM drop_sensitivity WHERE scope = 'client') f ON f.name = k.name
) c ON c.name = p.client;

COMMENT ON VIEW judged_profile IS
    'How each profile is judged: its preset or own threshold, and whose holidays count; and until which day';

CREATE VIEW expected_day AS
SELECT
    p.name AS profile,
    p.client,
    p.id AS profile_id,
    d.since + b.place::integer - 1 AS day,
    b.expected,
    b.expected_low
FROM drop_band d
JOIN profile p ON p.id = d.profile_id
CROSS JOIN LATERAL unnest(d.expected, d.low) WITH ORDINALITY AS b (expected, expected_low, place)
WHERE b.expected <> 'NaN';

COMMENT ON VIEW expected_day IS
    'Engagements that the detector expected of each recent settled day, and the lower bound of what is normal';
