-- Published pins with their newest numbers.

CREATE FUNCTION pin_engagement(save bigint, pin_click bigint, outbound_click bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN num_nonnulls(save, pin_click, outbound_click) > 0
    THEN coalesce(save, 0) + coalesce(pin_click, 0) + coalesce(outbound_click, 0)
END;

COMMENT ON FUNCTION pin_engagement IS 'What Pinterest calls the engagement of a pin; NULL where none of it is known';

-- Each half has its own joins, so that those who ask for a client or a profile walk its pins alone.
CREATE VIEW top_pin AS
SELECT
    f.name AS profile,
    f.client,
    r.profile_id,
    r.pin_id,
    p.client_ref,
    p.title,
    p.pin_url,
    p.published_at,
    r.impression,
    pin_engagement(r.save, r.pin_click, r.outbound_click) AS engagement,
    pin_engagement(r.save, r.pin_click, r.outbound_click)::double precision / NULLIF(r.impression, 0)
        AS engagement_rate,
    r.save,
    r.pin_click,
    r.outbound_click,
    r.extra,
    r.week_impression,
    r.week_engagement,
    r.observed_at,
    r.asked_at,
    r.next_at,
    r.ended,
    false AS native
FROM pin_result r
JOIN pin p ON p.id = r.pin_id
JOIN profile f ON f.id = r.profile_id
WHERE r.observed_at IS NOT NULL
UNION ALL
SELECT
    f.name AS profile,
    f.client,
    r.profile_id,
    r.pin_id,
    n.pinterest_pin_id,
    n.title,
    n.pin_url,
    n.created_at,
    r.impression,
    pin_engagement(r.save, r.pin_click, r.outbound_click) AS engagement,
    pin_engagement(r.save, r.pin_click, r.outbound_click)::double precision / NULLIF(r.impression, 0)
        AS engagement_rate,
    r.save,
    r.pin_click,
    r.outbound_click,
    r.extra,
    r.week_impression,
    r.week_engagement,
    r.observed_at,
    r.asked_at,
    r.next_at,
    r.ended,
    true AS native
FROM native_pin n
JOIN pin_result r ON r.profile_id = n.profile_id AND r.pin_id = n.id
JOIN profile f ON f.id = r.profile_id
WHERE r.observed_at IS NOT NULL;

COMMENT ON VIEW top_pin IS 'Published pins with the newest of their totals; order by the one that counts';
COMMENT ON COLUMN top_pin.native IS 'It was not made here; client_ref is Pinterest''s id of it';
