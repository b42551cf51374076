-- What is known of days that are not there: which states a profile was in, and the days that are lost, with why.
--
-- poll_log forgets after 90 days, which is as long as Pinterest serves a day. So a day is written down as lost while
-- the polls that could have read it are still known.

ALTER TABLE profile
    ADD COLUMN behind boolean NOT NULL DEFAULT false,
    ADD COLUMN lost_through date;

COMMENT ON COLUMN profile.behind IS
    'The last poll brought nothing, and a day is due that was never read: polled before others';
COMMENT ON COLUMN profile.lost_through IS 'Up to this day, all that is missing is lost, and is in lost_day';

-- The claim walks this one as well, for half of what it takes.
CREATE INDEX profile_behind_idx ON profile (next_poll_at) WHERE behind AND next_poll_at IS NOT NULL;

CREATE TABLE profile_state_change (
    profile_id bigint NOT NULL,
    changed_at timestamptz NOT NULL,
    former     text NOT NULL,
    state      text NOT NULL,
    reason     text
);

CREATE INDEX profile_state_change_profile_id_idx ON profile_state_change (profile_id, changed_at);

COMMENT ON TABLE profile_state_change IS 'When a profile went from one state to another';

CREATE FUNCTION note_state_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO profile_state_change (profile_id, changed_at, former, state, reason)
    VALUES (NEW.id, NEW.state_since, OLD.state, NEW.state, NEW.state_reason);
    RETURN NULL;
END
$$;

CREATE TRIGGER profile_state_changed
AFTER UPDATE OF state ON profile
FOR EACH ROW
WHEN (NEW.state <> OLD.state)
EXECUTE FUNCTION note_state_change();

CREATE TABLE lost_day (
    profile_id  bigint NOT NULL,
    day         date NOT NULL,
    whose       text NOT NULL CHECK (whose IN ('us', 'api', 'client', 'pinterest', 'unknown')),
    reason      text NOT NULL,
    cause_first date NOT NULL,
    cause_last  date NOT NULL,
    detail      text,
    noted_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile_id, day)
);

COMMENT ON TABLE lost_day IS 'Days that were never read and that Ayrshare no longer serves, with the reason';
COMMENT ON COLUMN lost_day.whose IS 'Where the reason lies: with us, Ayrshare (api), the client or Pinterest';
COMMENT ON COLUMN lost_day.cause_first IS 'The reason held from this day to cause_last, while the lost day was served';
COMMENT ON COLUMN lost_day.detail IS 'What Ayrshare last said meanwhile';
