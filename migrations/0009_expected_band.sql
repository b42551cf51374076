-- What the detector expected of each recent day, for charts. It is kept with the verdict, as one array a profile: it is
-- written when the verdict is, and a row a day would cost a hundred times as many rows for the same few charts.

ALTER TABLE drop_verdict
    ADD COLUMN band_since date,
    ADD COLUMN band_expected real[],
    ADD COLUMN band_low real[];

COMMENT ON COLUMN drop_verdict.band_since IS 'First day of band_expected and band_low, which are of engagement';
COMMENT ON COLUMN drop_verdict.band_expected IS 'What was expected, a day each; NULL where nothing could be said';
COMMENT ON COLUMN drop_verdict.band_low IS 'Lower bound of what is normal, a day each';

CREATE VIEW expected_day AS
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
WHERE b.expected IS NOT NULL;

COMMENT ON VIEW expected_day IS 'Engagements that the detector expected of each recent settled day, and the lower bound of what is normal';
