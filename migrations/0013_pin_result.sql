-- What became of published pins. pin_result has a row for each that is or was followed: its newest numbers, and when
-- they are asked for next. pin_metric has each answer that brought other numbers than the one before.
--
-- The numbers are totals since the pin went out. An answer that brings nothing new moves next_at and adds no row.
--
-- next_at is also the claim: whoever asks moves it on by the time of a lease, and the result is written only where it
-- is still what the claim made of it.

CREATE TABLE pin_result (
    profile_id      bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    pin_id          bigint NOT NULL,
    next_at         timestamptz,
    asked_at        timestamptz,
    failures        integer NOT NULL DEFAULT 0,
    last_error      text,
    ended           text CHECK (ended IN ('complete', 'not_found', 'failed')),
    observed_at     timestamptz,
    impression      bigint,
    save            bigint,
    pin_click       bigint,
    outbound_click  bigint,
    extra           jsonb,
    week_impression bigint,
    week_engagement bigint,
    PRIMARY KEY (profile_id, pin_id)
) WITH (fillfactor = 70);

CREATE INDEX pin_result_next_at_idx ON pin_result (next_at) WHERE next_at IS NOT NULL;

COMMENT ON TABLE pin_result IS 'The newest numbers of each published pin, and when they are asked for next';
COMMENT ON COLUMN pin_result.next_at IS 'NULL when the pin is not followed any more; ended says why';
COMMENT ON COLUMN pin_result.failures IS 'Answers without numbers in a row; last_error is what the last one said';
COMMENT ON COLUMN pin_result.ended IS
    'complete: 90 days are over; not_found: Ayrshare does not know the pin; failed: no answer at the end';
COMMENT ON COLUMN pin_result.observed_at IS 'When the present numbers were seen first; NULL as long as there are none';
COMMENT ON COLUMN pin_result.extra IS 'The other numbers of the answer, by name';
COMMENT ON COLUMN pin_result.week_engagement IS
    'What it had when it was a week old, by which pins of any age compare; NULL where nobody asked then';

CREATE TABLE pin_metric (
    profile_id     bigint NOT NULL,
    pin_id         bigint NOT NULL,
    observed_at    timestamptz NOT NULL,
    impression     bigint,
    save           bigint,
    pin_click      bigint,
    outbound_click bigint,
    extra          jsonb,
    PRIMARY KEY (profile_id, pin_id, observed_at)
);

COMMENT ON TABLE pin_metric IS 'The totals of a pin over time: a row where they were other than before';

-- Moments of the day at which many pins go out would else be those at which all of them are asked about: the parts of
-- multiples of the golden ratio spread them over half a day.
CREATE FUNCTION follow_pin() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO pin_result (profile_id, pin_id, next_at)
    VALUES (
        NEW.profile_id, NEW.id,
        NEW.published_at + interval '1 day' + (NEW.id * 0.6180339887498949) % 1 * interval '12 hours'
    )
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;

CREATE TRIGGER pin_is_followed
AFTER INSERT OR UPDATE OF published_at, ayrshare_id, pinterest_pin_id ON pin
FOR EACH ROW
WHEN (
    NEW.published_at > now() - interval '90 days'
    AND (NEW.ayrshare_id IS NOT NULL OR NEW.pinterest_pin_id IS NOT NULL)
)
EXECUTE FUNCTION follow_pin();

INSERT INTO pin_result (profile_id, pin_id, next_at)
SELECT profile_id, id, now() + random() * interval '12 hours'
FROM pin
WHERE published_at > now() - interval '90 days'
  AND (ayrshare_id IS NOT NULL OR pinterest_pin_id IS NOT NULL);

ALTER TABLE client ADD COLUMN time_zone text;
COMMENT ON COLUMN client.time_zone IS 'Name of an IANA zone, in which the times of its pins are compared. NULL: UTC';
