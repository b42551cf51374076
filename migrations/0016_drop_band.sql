-- What was expected of each day has a table of its own: the detector reads all verdicts every few seconds to see whose
-- days changed, and most of their bytes were these.

CREATE TABLE drop_band (
    profile_id bigint PRIMARY KEY,
    since      date NOT NULL,
    -- One array a profile: a row a day would cost a hundred times as many rows for the same few charts. NaN rather than
    -- NULL, as the detector sends them: gathering the numbers anew took more time than all else about a verdict.
    expected   real[] NOT NULL,
    low        real[] NOT NULL
);

COMMENT ON TABLE drop_band IS 'The engagements that were expected of each profile''s newest settled days';
COMMENT ON COLUMN drop_band.since IS 'First day of both arrays';
COMMENT ON COLUMN drop_band.expected IS 'What was expected, a day each; NaN where nothing could be said';
COMMENT ON COLUMN drop_band.low IS 'Lower bound of what is normal, a day each';

INSERT INTO drop_band
SELECT profile_id, band_since, band_expected, band_low
FROM drop_verdict
WHERE band_since IS NOT NULL;

ALTER TABLE drop_verdict
    DROP COLUMN band_since,
    DROP COLUMN band_expected,
    DROP COLUMN band_low;

COMMENT ON COLUMN profile.days_changed_at IS 'When a poll last brought a settled day that was new or different';
