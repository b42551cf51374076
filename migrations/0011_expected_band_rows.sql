-- A band is stored as the row of the rectangle that it is sent in, with NaN where nothing could be said: gathering its
-- numbers anew took more time than all else about a verdict.

COMMENT ON COLUMN drop_verdict.band_expected IS 'What was expected, a day each, in one row; NaN where nothing could be said';
COMMENT ON COLUMN drop_verdict.band_low IS 'Lower bound of what is normal, a day each, in one row';

CREATE OR REPLACE VIEW expected_day AS
SELECT
    p.name AS profile,
    p.client,
    p.id AS profile_id,
    v.band_since + b.place::integer - 1 AS day,
    b.expected,
    b.expected_low
FROM drop_verdict v
JOIN profile p ON p.id = v.profile_id
CROSS JOIN LATERAL unnest(v.band_expected, v.band_low) WITH ORDINALITY AS b (expected, expected_low, place)
WHERE b.expected <> 'NaN';
