-- The pin queue: what is to be published, every attempt at it, and one lane a profile.
--
-- A pin that was sent may be live, whatever came back, and Pinterest would take it again. So `sending` is committed
-- before the call, with the attempt's idempotency key and its token; what is not known afterwards is `unknown`, and is
-- looked for in Ayrshare's history by the token. Only what was refused for certain goes back to `queued`.
--
-- A lane sends one pin at a time, the oldest first. pin_lane.due_at is when it has something to do; publishers claim
-- lanes by it, so a claim costs the same with ten pins waiting and with a million. Enqueueing never touches a lane: it
-- adds a row to pin_arrival, which publishers fold into the lanes. Otherwise a program that enqueues in a long
-- transaction would hold up the lane, and two such programs could deadlock.
--
-- Order of locks: lanes, by profile_id, before pins.

CREATE TABLE pin (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id      bigint NOT NULL REFERENCES profile (id),
    client_ref      text NOT NULL,
    token           uuid NOT NULL DEFAULT gen_random_uuid(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    publish_at      timestamptz NOT NULL DEFAULT now()
                    CHECK (publish_at BETWEEN '2000-01-01 00:00+00' AND '2100-01-01 00:00+00'),
    description     text NOT NULL DEFAULT '',
    title           text,
    link            text,
    board_id        text,
    media_urls      text[] NOT NULL CHECK (array_position(media_urls, NULL) IS NULL),
    alt_texts       text[] NOT NULL DEFAULT '{}' CHECK (array_position(alt_texts, NULL) IS NULL),
    carousel        jsonb,
    thumbnail_url   text,
    note            text,
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'sending', 'published', 'failed', 'unknown', 'cancelled')),
    state_since     timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    refusals        integer NOT NULL DEFAULT 0,
    last_error      text,
    ayrshare_id     text,
    pinterest_pin_id text,
    pin_url         text,
    published_at    timestamptz,
    looks           integer NOT NULL DEFAULT 0,
    next_look_at    timestamptz,
    look_until      timestamptz,
    owner           text,
    lease_until     timestamptz,
    UNIQUE (profile_id, client_ref)
);

-- At most one pin of a profile is being sent, whatever a publisher gets wrong.
CREATE UNIQUE INDEX pin_sending_idx ON pin (profile_id) WHERE state = 'sending';
-- The head of a lane.
CREATE INDEX pin_queued_idx ON pin (profile_id, publish_at, id) WHERE state = 'queued';
CREATE INDEX pin_unknown_idx ON pin (profile_id, next_look_at) WHERE state = 'unknown';
-- Counts by state without reading the table, and the newest of a state. Without the states that have an index of their
-- own: a planner that has seen an empty queue would walk this one for the head of a lane.
CREATE INDEX pin_settled_idx ON pin (state, id) WHERE state IN ('published', 'failed', 'cancelled');

COMMENT ON TABLE pin IS 'Pins to publish and what became of them; the queue never deletes a row';
COMMENT ON COLUMN pin.client_ref IS 'The caller''s own name for the pin: enqueueing it again changes nothing';
COMMENT ON COLUMN pin.token IS
    'Sent in the notes of every attempt, followed by its number; Ayrshare''s history returns it';
COMMENT ON COLUMN pin.carousel IS 'Texts of a carousel''s images: a list of {"title", "link", "description"}';
COMMENT ON COLUMN pin.refusals IS 'Refusals in a row after which Ayrshare said that it may be sent again';
COMMENT ON COLUMN pin.looks IS 'Looks into the history since the pin became unknown that did not find it';
COMMENT ON COLUMN pin.next_look_at IS 'When an unknown pin is looked for next; NULL after the last look';
COMMENT ON COLUMN pin.look_until IS 'Until then somebody is looking for it, and it is not sent again';
COMMENT ON COLUMN pin.published_at IS 'When it was known to be live; from then on it is not sent again';
COMMENT ON COLUMN pin.owner IS 'Who sends it, or sent it last; with attempts, the fence of the outcome';

CREATE TABLE pin_attempt (
    pin_id          bigint NOT NULL REFERENCES pin (id) ON DELETE CASCADE,
    attempt         integer NOT NULL,
    owner           text NOT NULL,
    started_at      timestamptz NOT NULL DEFAULT now(),
    idempotency_key uuid NOT NULL DEFAULT gen_random_uuid(),
    ended_at        timestamptz,
    outcome         text CHECK (outcome IN ('published', 'failed', 'requeued', 'unknown')),
    reason          text,
    http_status     smallint,
    code            integer,
    detail          text,
    excerpt         text,
    looked_at       timestamptz,
    look            text,
    PRIMARY KEY (pin_id, attempt)
);

COMMENT ON TABLE pin_attempt IS 'Every call that may have published a pin, committed before it was made';
COMMENT ON COLUMN pin_attempt.outcome IS
    'What became of it; requeued is refused for certain and sent again later; NULL while it runs';
COMMENT ON COLUMN pin_attempt.look IS 'What the last look into Ayrshare''s history said of it';

CREATE TABLE pin_lane (
    profile_id    bigint PRIMARY KEY REFERENCES profile (id) ON DELETE CASCADE,
    not_before    timestamptz,
    failures      integer NOT NULL DEFAULT 0,
    failed_pins   integer NOT NULL DEFAULT 0,
    paused_reason text,
    paused_since  timestamptz,
    paused_detail text,
    sending_pin   bigint,
    due_at        timestamptz
) WITH (
    -- Every pin changes its lane twice, so the head of the index is mostly dead entries.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.02
);

CREATE INDEX pin_lane_due_at_idx ON pin_lane (due_at) WHERE due_at IS NOT NULL AND sending_pin IS NULL;

COMMENT ON TABLE pin_lane IS 'One row a profile that ever had a pin: when it may send the next one, and why not now';
COMMENT ON COLUMN pin_lane.due_at IS
    'When there is something to do; NULL when nothing is queued, or the profile cannot publish';
COMMENT ON COLUMN pin_lane.not_before IS 'End of the gap after the last pin, of a backoff, or of a cool-down';
COMMENT ON COLUMN pin_lane.failed_pins IS 'Calls refused since a pin went out last';
COMMENT ON COLUMN pin_lane.paused_reason IS
    'The profile''s state, spam_block, not_allowed, quota, failing or fleet_refused; NULL while pins go out';

CREATE TABLE pin_arrival (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    profile_id bigint NOT NULL,
    due_at     timestamptz NOT NULL
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0);

COMMENT ON TABLE pin_arrival IS 'Lanes to look at, from whoever gave them work; publishers empty it';

CREATE FUNCTION wake_lane(profile_id bigint, due_at timestamptz) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO pin_arrival (profile_id, due_at) VALUES (wake_lane.profile_id, wake_lane.due_at);
    SELECT pg_notify('collector_pin', '') WHERE wake_lane.due_at <= now() + interval '1 second';
END;

COMMENT ON FUNCTION wake_lane IS 'Tell the publishers that a lane has something to do at that time';

-- The rules hold for whoever writes the table; enqueue_pin is the comfortable way, not the only one.
CREATE FUNCTION check_pin() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    problems constant text[] := pin_problems(
        NEW.client_ref, NEW.media_urls, NEW.description, NEW.title, NEW.link, NEW.board_id, NEW.alt_texts, NEW.carousel,
        NEW.thumbnail_url, NEW.note, NEW.publish_at
    );
BEGIN
    IF problems <> '{}' THEN
        RAISE invalid_parameter_value USING MESSAGE = array_to_string(problems, '; ');
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER pin_content
BEFORE INSERT OR UPDATE OF client_ref, media_urls, description, title, link, board_id, alt_texts, carousel,
    thumbnail_url, note, publish_at
ON pin
FOR EACH ROW
WHEN (NEW.state <> 'published')
EXECUTE FUNCTION check_pin();

-- As its owner, so that a role that may only insert pins wakes their lanes.
CREATE FUNCTION wake_lane_of_pin() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM wake_lane(NEW.profile_id, NEW.publish_at);
    RETURN NULL;
END
$$;

CREATE TRIGGER pin_queued
AFTER INSERT ON pin
FOR EACH ROW
WHEN (NEW.state = 'queued')
EXECUTE FUNCTION wake_lane_of_pin();

CREATE TRIGGER pin_moved
AFTER UPDATE OF publish_at ON pin
FOR EACH ROW
WHEN (NEW.state = 'queued' AND NEW.publish_at <> OLD.publish_at)
EXECUTE FUNCTION wake_lane_of_pin();

CREATE FUNCTION wake_lane_of_profile() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM wake_lane(NEW.id, now());
    RETURN NULL;
END
$$;

-- Whoever finds a profile healthy again, or resumes it, sets its lane going.
CREATE TRIGGER profile_active_again
AFTER UPDATE OF state ON profile
FOR EACH ROW
WHEN (NEW.state = 'active' AND OLD.state <> 'active')
EXECUTE FUNCTION wake_lane_of_profile();
