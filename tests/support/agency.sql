-- A made-up agency: 14 clients with a few profiles each, thirteen months of days, and everything that can be wrong once.
-- Numbers come from names and days, so that two agencies made on the same day are alike.

CREATE FUNCTION pg_temp.noise(seed text) RETURNS float8 LANGUAGE sql IMMUTABLE
RETURN abs(hashtext(seed) % 10000)::float8 / 10000;

INSERT INTO profile (name, client, key_ciphertext, key_fingerprint, tags, ref_id, created_at)
SELECT v.name, v.client, '', sha256(v.name::bytea), ARRAY[v.tag], NULL, now() - interval '400 days'
FROM (
    VALUES
        ('Alder & Pine', 'Alder & Pine Outdoors', 'outdoor'), ('Alder & Pine Kids', 'Alder & Pine Outdoors', 'outdoor'),
        ('Alder & Pine Camp', 'Alder & Pine Outdoors', 'outdoor'), ('Bloomfield Bakery', 'Bloomfield Bakery', 'food'),
        ('Bloomfield Weddings', 'Bloomfield Bakery', 'food'), ('Casa Lumen', 'Casa Lumen', 'home'),
        ('Casa Lumen España', 'Casa Lumen', 'home'), ('Casa Lumen Garden', 'Casa Lumen', 'home'),
        ('Dovetail Furniture', 'Dovetail Furniture', 'home'), ('Elm Street Press', 'Elm Street Press', 'books'),
        ('Fernweh Travel', 'Fernweh Travel', 'travel'), ('Fernweh Inseln', 'Fernweh Travel', 'travel'),
        ('Golden Hour Studio', 'Golden Hour Studio', 'beauty'), ('Hearth & Loaf', 'Hearth & Loaf', 'food'),
        ('Indigo Yarns', 'Indigo Yarns', 'craft'), ('Indigo Patterns', 'Indigo Yarns', 'craft'),
        ('Juniper Skincare', 'Juniper Skincare', 'beauty'), ('Kestrel Cycles', 'Kestrel Cycles', 'outdoor'),
        ('Little Lantern', 'Little Lantern Toys', 'kids'), ('Little Lantern Outlet', 'Little Lantern Toys', 'kids'),
        ('Maison Mirabelle', 'Maison Mirabelle', 'fashion'), ('Maison Mirabelle Mariage', 'Maison Mirabelle', 'fashion'),
        ('Northwind Coffee', 'Northwind Coffee', 'food'), ('Oleander Florist', 'Oleander Florist', 'garden')
) AS v (name, client, tag);

INSERT INTO daily_metric (
    profile_id, day, impression, engagement, engagement_rate, save, save_rate, pin_click, pin_click_rate,
    outbound_click, outbound_click_rate, first_seen_at, updated_at
)
SELECT
    c.id, c.day, c.n, c.e, c.e / c.n::float8, c.e / 3, c.e / 3 / c.n::float8, c.e / 2, c.e / 2 / c.n::float8,
    c.e / 9, c.e / 9 / c.n::float8, (c.day + 1)::timestamp AT TIME ZONE 'UTC', (c.day + 1)::timestamp AT TIME ZONE 'UTC'
FROM (
    SELECT b.id, b.day, greatest(20, b.n)::bigint AS n, greatest(1, b.n * (0.045 + 0.02 * pg_temp.noise(b.name)))::bigint AS e
    FROM (
        SELECT
            p.id, p.name, d.day,
            (1500 + 24000 * pg_temp.noise(p.name) ^ 2)
            * (1 + 0.0012 * (pg_temp.noise(p.name || 'trend') - 0.35) * (d.day - $1::date))
            * (1 + 0.18 * sin(2 * pi() * (d.day - date '2025-01-01') / 365 + 6 * pg_temp.noise(p.name || 'season')))
            * CASE extract(isodow FROM d.day) WHEN 6 THEN 1.16 WHEN 7 THEN 1.24 WHEN 5 THEN 0.94 ELSE 1 END
            * (0.88 + 0.24 * pg_temp.noise(p.name || d.day::text))
            * CASE
                WHEN p.name = 'Casa Lumen' AND d.day > $1::date - 13 THEN 0.36
                WHEN p.name = 'Indigo Yarns' AND d.day > $1::date - 9 THEN 0.5
                WHEN p.name = 'Kestrel Cycles' AND d.day BETWEEN $1::date - 62 AND $1::date - 53 THEN 0.4
                WHEN p.name = 'Northwind Coffee' AND d.day > $1::date - 6 THEN 1.7
                WHEN d.day BETWEEN $1::date - 121 AND $1::date - 118 THEN 0.45
                ELSE 1
            END AS n
        FROM profile p
        CROSS JOIN LATERAL (SELECT generate_series($1::date - 395, $1::date - 1, interval '1 day')::date AS day) d
        WHERE NOT (p.name = 'Little Lantern Outlet' AND d.day > $1::date - 9)
          AND NOT (p.name = 'Fernweh Inseln' AND d.day IN ($1::date - 20, $1::date - 19, $1::date - 41))
          AND NOT (p.name = 'Oleander Florist' AND d.day < $1::date - 34)
    ) b
) c;

UPDATE profile p
SET first_day = d.first_day, last_day = d.last_day, settled_through = least(d.last_day, $1::date - 3), settle_days = 3,
    window_days = 90, last_outcome = 'unchanged', last_success_at = now() - pg_temp.noise(p.name || 'read') * interval '5 hours',
    last_poll_at = now() - pg_temp.noise(p.name || 'read') * interval '5 hours', days_changed_at = now(),
    next_poll_at = now() + pg_temp.noise(p.name) * interval '5 hours', rate_limit_max = 300, rate_limit_count = 4
FROM (SELECT profile_id, min(day) AS first_day, max(day) AS last_day FROM daily_metric GROUP BY profile_id) d
WHERE d.profile_id = p.id;

UPDATE profile
SET state = 'unlinked', state_since = now() - interval '9 days 3 hours', last_outcome = 'unlinked', consecutive_failures = 11,
    state_reason = 'Ayrshare: Pinterest is not linked (code 156)', last_success_at = now() - interval '9 days 4 hours'
WHERE name = 'Little Lantern Outlet';
UPDATE profile
SET last_outcome = 'rate_limited', consecutive_failures = 4, last_error = 'HTTP 429: too many requests',
    last_success_at = now() - interval '7 hours', rate_limited_on = (now() AT TIME ZONE 'UTC')::date, rate_limited_count = 37
WHERE name = 'Hearth & Loaf';
UPDATE profile SET state = 'paused', state_since = now() - interval '21 days', next_poll_at = NULL WHERE name = 'Elm Street Press';

-- Days that came with other numbers later.
INSERT INTO daily_metric_revision (
    profile_id, day, revision, observed_at, last_seen_at, superseded_at, impression, engagement, save, pin_click, outbound_click
)
SELECT
    m.profile_id, m.day, v.revision, m.first_seen_at + (v.revision - 1) * interval '1 day',
    m.first_seen_at + v.revision * interval '1 day' - interval '6 hours', m.first_seen_at + v.revision * interval '1 day',
    m.impression * (0.8 + 0.07 * v.revision), m.engagement * (0.8 + 0.07 * v.revision), m.save * (0.8 + 0.07 * v.revision),
    m.pin_click * (0.8 + 0.07 * v.revision), m.outbound_click * (0.8 + 0.07 * v.revision)
FROM daily_metric m
CROSS JOIN generate_series(1, 2) AS v (revision)
WHERE m.day BETWEEN $1::date - 40 AND $1::date - 4;
UPDATE daily_metric
SET revision = 3, updated_at = first_seen_at + interval '2 days'
WHERE day BETWEEN $1::date - 40 AND $1::date - 4;

INSERT INTO account_snapshot (profile_id, observed_at, impression, engagement, save, pin_click, outbound_click, followers, extra)
SELECT
    p.id, now() - a.age * interval '1 day' - interval '2 hours', 420000, 21000, 7000, 10400, 2300,
    (900 + 40000 * pg_temp.noise(p.name))::bigint - 6 * a.age, '{"board_count": 24, "following_count": 118, "pin_count": 1360}'
FROM generate_series(0, 119) AS a (age)
CROSS JOIN profile p;

INSERT INTO poll_log (profile_id, polled_at, outcome, http_status, code, duration_seconds, rows_new, rows_changed, problems, detail)
SELECT
    p.id, coalesce(p.last_poll_at, now()) - a.place * interval '6 hours',
    CASE
        WHEN p.name = 'Hearth & Loaf' AND a.place < 4 THEN 'rate_limited'
        WHEN p.state = 'unlinked' AND a.place < 9 THEN 'unlinked'
        WHEN p.name = 'Casa Lumen' AND a.place = 3 THEN 'timeout'
        WHEN a.place % 4 = 1 THEN 'ok'
        ELSE 'unchanged'
    END,
    CASE WHEN p.name = 'Hearth & Loaf' AND a.place < 4 THEN 429 WHEN p.name = 'Casa Lumen' AND a.place = 3 THEN NULL ELSE 200 END,
    CASE WHEN p.state = 'unlinked' AND a.place < 9 THEN 156 END, 0.2 + 0.5 * pg_temp.noise(p.name || a.place),
    CASE WHEN a.place % 4 = 1 THEN 1 ELSE 0 END, CASE WHEN a.place % 4 = 1 THEN 3 ELSE 0 END, 0,
    CASE
        WHEN p.name = 'Hearth & Loaf' AND a.place < 4 THEN 'HTTP 429: too many requests'
        WHEN p.state = 'unlinked' AND a.place < 9 THEN 'Pinterest is not linked (code 156)'
        WHEN p.name = 'Casa Lumen' AND a.place = 3 THEN 'no answer within 30 s'
    END
FROM generate_series(0, 11) AS a (place)
CROSS JOIN profile p
WHERE p.state <> 'paused';

INSERT INTO pin (
    profile_id, client_ref, media_urls, title, description, publish_at, created_at, state, published_at, pin_url, attempts, last_error
)
SELECT
    p.id, format('pin-%s', a.place), ARRAY['https://images.example.com/spring-table.jpg'], w.title, w.title || ', step by step', w.due,
    w.due - interval '9 days', w.state, CASE WHEN w.state = 'published' THEN w.due END,
    CASE WHEN w.state = 'published' THEN 'https://www.pinterest.com/pin/1/' END, (w.state <> 'queued')::integer,
    CASE WHEN w.state = 'failed' THEN 'Pinterest: the image is too small (code 138)' END
FROM profile p
CROSS JOIN generate_series(-30, 8) AS a (place)
CROSS JOIN LATERAL (
    SELECT
        date_trunc('hour', now()) + a.place * interval '29 hours' + pg_temp.noise(p.name || a.place) * interval '9 hours' AS due,
        (ARRAY['Ten quiet corners', 'A table for spring', 'What we packed', 'The small kitchen', 'Before and after'])[1 + abs(a.place) % 5] AS title,
        CASE
            WHEN a.place > 0 THEN 'queued'
            WHEN a.place = 0 AND p.name = 'Maison Mirabelle' THEN 'unknown'
            WHEN a.place = -1 AND p.name IN ('Golden Hour Studio', 'Juniper Skincare') THEN 'failed'
            WHEN a.place = -2 AND p.name = 'Dovetail Furniture' THEN 'cancelled'
            ELSE 'published'
        END AS state
) w
WHERE pg_temp.noise(p.name || a.place || 'is') < 0.6
  AND NOT (p.name = 'Casa Lumen' AND a.place BETWEEN -20 AND 0);

UPDATE pin SET ayrshare_id = 'post' || id, pinterest_pin_id = id WHERE state = 'published';
UPDATE pin_result r
SET observed_at = now(), asked_at = now(), impression = (300 + 9000 * pg_temp.noise('seen' || r.pin_id))::bigint,
    save = (160 * pg_temp.noise('saved' || r.pin_id))::bigint, pin_click = (240 * pg_temp.noise('clicked' || r.pin_id))::bigint,
    outbound_click = (60 * pg_temp.noise('left' || r.pin_id))::bigint, week_engagement = (200 * pg_temp.noise('saved' || r.pin_id))::bigint
FROM pin p
WHERE p.id = r.pin_id
  AND p.published_at < now() - interval '2 days';
INSERT INTO pin_metric (profile_id, pin_id, observed_at, impression, save, pin_click, outbound_click)
SELECT
    r.profile_id, r.pin_id, now() - a.days * interval '1 day', r.impression * (10 - a.days) / 10, r.save * (10 - a.days) / 10,
    r.pin_click * (10 - a.days) / 10, r.outbound_click * (10 - a.days) / 10
FROM pin_result r
JOIN pin p ON p.id = r.pin_id
CROSS JOIN generate_series(0, 8) AS a (days)
WHERE r.observed_at IS NOT NULL
  AND p.published_at < now() - (a.days + 1) * interval '1 day';

INSERT INTO daemon (owner, version, roles, started_at)
VALUES ('collector-7f9c-1', '1.0', '{poller,publisher,exporter,detector}', now() - interval '6 days');
