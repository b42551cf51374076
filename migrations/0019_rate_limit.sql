-- A profile that is refused with 429 is left alone by polls, pins, checks and results alike, for longer each time.

ALTER TABLE profile
    ADD COLUMN rate_limited_in_row integer NOT NULL DEFAULT 0,
    ADD COLUMN rate_limited_until  timestamptz;

COMMENT ON COLUMN profile.rate_limited_in_row IS
    'Answers of 429 since the last good one, of which those that came during a wait count as one';
COMMENT ON COLUMN profile.rate_limited_until IS 'Until when nobody asks because of them; polls go first';
