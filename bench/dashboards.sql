-- A year of a fleet, as large as the setting bench.profiles says: what its daemon, its detector and its publisher leave behind.
-- Numbers come from ids and days, so that two fleets of the same size are alike.

INSERT INTO profile (
    name, client, key_ciphertext, key_fingerprint, state, first_day, last_day, settled_through, settle_days,
    window_days, rate_limit_max, rate_limit_count, last_outcome, last_success_at, last_poll_at, created_at
)
SELECT
    format('profile-%s', to_char(i, 'FM00000')), format('client-%s', to_char(i / 3, 'FM0000')), '', i::text::bytea,
    CASE WHEN i % 200 = 7 THEN 'unlinked' ELSE 'active' END, (now() AT TIME ZONE 'UTC')::date - 365, (now() AT TIME ZONE 'UTC')::date - 1, (now() AT TIME ZONE 'UTC')::date - 3, 3, 90, 300,
    i % 300, 'ok', now(), now(), now() - interval '400 days'
FROM generate_series(0, current_setting('bench.profiles')::integer - 1) AS i;

-- A poll brings a window of days, so a profile's rows lie together in stretches of about a month. One day of each is missing.
INSERT INTO daily_metric (
    profile_id, day, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
    outbound_click, outbound_click_rate
)
SELECT
    p.id, (now() AT TIME ZONE 'UTC')::date - 365 + 30 * m.month + d.place, v.n, v.n / 20, 0.05, v.n / 50, 0.02, v.n / 40, 0.025,
    v.n / 100, 0.01
FROM generate_series(0, 365 / 30) AS m (month)
CROSS JOIN profile p
CROSS JOIN generate_series(0, 29) AS d (place)
CROSS JOIN LATERAL (
    SELECT (500 + 300 * sin(p.id + m.month + d.place * 0.9) + abs(hashint8(p.id * 1000 + m.month * 30 + d.place)) % 200)::bigint AS n
) v
WHERE 30 * m.month + d.place < 365
  AND p.id % 500 <> d.place;

UPDATE daily_metric
SET revision = 3, first_seen_at = (day + 1)::timestamp AT TIME ZONE 'UTC' + interval '6 hours',
    updated_at = (day + 3)::timestamp AT TIME ZONE 'UTC' + interval '6 hours'
WHERE day > current_date - 60;

INSERT INTO daily_metric_revision (
    profile_id, day, revision, observed_at, last_seen_at, superseded_at, impression, engagement, save, pin_click, outbound_click
)
SELECT
    m.profile_id, m.day, v.revision, m.first_seen_at + (v.revision - 1) * interval '1 day',
    m.first_seen_at + v.revision * interval '1 day' - interval '6 hours', m.first_seen_at + v.revision * interval '1 day',
    m.impression - 3 + v.revision, m.engagement, m.save, m.pin_click, m.outbound_click
FROM daily_metric m
CROSS JOIN generate_series(1, 2) AS v (revision)
WHERE m.day > current_date - 60;

INSERT INTO account_snapshot (profile_id, observed_at, impression, engagement, followers)
SELECT p.id, date_trunc('day', now()) - a.age * interval '1 day', 30000, 1500, 5000 - a.age
FROM generate_series(0, 119) AS a (age)
CROSS JOIN profile p;

INSERT INTO drop_episode (
    profile_id, metric, detected_day, first_day, last_day, observed, expected, expected_low, score, lost_share,
    closed_on, close_reason, sentence
)
SELECT
    p.id, 'engagement', d.day + 2, d.day, d.day + 6, 10, 25, 15, 4, 0.6,
    CASE WHEN a.place > 0 OR p.id % 50 > 0 THEN d.day + 7 END, CASE WHEN a.place > 0 OR p.id % 50 > 0 THEN 'recovered' END,
    format('Engagement of %s fell to 10 a day.', p.name)
FROM profile p
CROSS JOIN generate_series(0, 1) AS a (place)
CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE 'UTC')::date - 10 - a.place * 120 - (p.id % 30)::integer AS day) d;

INSERT INTO drop_verdict (profile_id, settled_through, last_poll_at, sensitivity, expected, expected_low)
SELECT id, settled_through, now(), 'normal', 25, 15
FROM profile;

INSERT INTO drop_band (profile_id, since, expected, low)
SELECT
    id, (now() AT TIME ZONE 'UTC')::date - 182, array_fill(25::real, ARRAY[180]), array_fill(15::real, ARRAY[180])
FROM profile;

INSERT INTO fleet_drop VALUES ((now() AT TIME ZONE 'UTC')::date - 40, (now() AT TIME ZONE 'UTC')::date - 38, current_setting('bench.profiles')::integer, 0.8, false, 'Together.');

INSERT INTO pin (profile_id, client_ref, media_urls, publish_at, created_at, state, published_at, pin_url, attempts)
SELECT
    p.id, a.place::text, '{https://images.example.com/a.jpg}', w.due, w.due - interval '3 days', w.state,
    CASE WHEN w.state = 'published' THEN w.due + a.place * interval '7 seconds' END,
    CASE WHEN w.state = 'published' THEN 'https://www.pinterest.com/pin/1/' END, 1
FROM profile p
CROSS JOIN generate_series(-4, 25) AS a (place)
CROSS JOIN LATERAL (
    SELECT
        now() - a.place * interval '14 days' - interval '1 day' - (p.id % 1000) * interval '10 minutes' AS due,
        CASE
            WHEN a.place < 0 THEN 'queued'
            WHEN (p.id + a.place) % 100 = 0 THEN 'failed'
            WHEN (p.id + a.place) % 2000 = 1 THEN 'unknown'
            ELSE 'published'
        END AS state
) w;

INSERT INTO pin_attempt (pin_id, attempt, owner, started_at, ended_at, outcome, reason)
SELECT
    id, 1, 'bench', publish_at, publish_at + interval '2 seconds',
    CASE state WHEN 'published' THEN 'published' WHEN 'failed' THEN 'failed' ELSE 'unknown' END,
    CASE state WHEN 'failed' THEN 'refused' WHEN 'unknown' THEN 'timeout' END
FROM pin
WHERE state <> 'queued';

INSERT INTO pin_lane (profile_id, paused_reason, paused_since)
SELECT id, CASE WHEN state <> 'active' THEN state END, CASE WHEN state <> 'active' THEN now() - interval '2 days' END
FROM profile;
