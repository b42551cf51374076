-- What people are told by e-mail and webhooks, so that each event is told once, whatever dies or restarts.
--
-- The notifier finds events by looking at the tables that have them; the key is what makes an event the same one again.
-- For each target that wants it a notice gets a row of notice_telling, and those that wait are put into one message. A
-- message is claimed before it is sent (owner, attempts and lease_until are the fence), and recorded as sent after. Who
-- dies in between leaves it to be sent again when the lease has run out: rather told twice than never.

CREATE TABLE notice (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key         text NOT NULL UNIQUE,
    kind        text NOT NULL,
    profile_id  bigint,
    profile     text,
    client      text,
    happened_at timestamptz NOT NULL,
    detail      text NOT NULL DEFAULT '',
    found_at    timestamptz NOT NULL DEFAULT now(),
    addressed   boolean NOT NULL DEFAULT false
);

CREATE INDEX notice_addressed_idx ON notice (id) WHERE NOT addressed;
CREATE INDEX notice_profile_id_idx ON notice (profile_id, kind);

CREATE TABLE notice_target (
    name  text PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE notice_message (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    target          text NOT NULL REFERENCES notice_target (name),
    created_at      timestamptz NOT NULL DEFAULT now(),
    state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
    attempts        integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    last_error      text,
    ended_at        timestamptz,
    owner           text,
    lease_until     timestamptz
);

-- Until the last one is settled a target gets no further message, and what comes meanwhile goes into one.
CREATE UNIQUE INDEX notice_message_waiting_idx ON notice_message (target) WHERE state = 'waiting';
CREATE INDEX notice_message_target_idx ON notice_message (target, id DESC);

CREATE TABLE notice_telling (
    notice_id  bigint NOT NULL REFERENCES notice (id) ON DELETE CASCADE,
    target     text NOT NULL REFERENCES notice_target (name),
    due_at     timestamptz NOT NULL,
    message_id bigint REFERENCES notice_message (id) ON DELETE SET NULL,
    PRIMARY KEY (notice_id, target)
);

CREATE INDEX notice_telling_due_at_idx ON notice_telling (target, due_at) WHERE message_id IS NULL;
CREATE INDEX notice_telling_message_id_idx ON notice_telling (message_id);

-- Refused pins are looked up by their time.
CREATE INDEX pin_failed_idx ON pin (state_since) WHERE state = 'failed';

COMMENT ON TABLE notice IS 'Events that people are told of; forgotten after 180 days';
COMMENT ON COLUMN notice.key IS 'What makes it the same event again';
COMMENT ON COLUMN notice.client IS 'NULL: it concerns the whole fleet';
COMMENT ON COLUMN notice.addressed IS 'Whether it was given to the targets that want it';
COMMENT ON TABLE notice_target IS
    'Targets of COLLECTOR_NOTIFY_FILE, and since when: they are told of nothing that was found before';
COMMENT ON TABLE notice_message IS 'Messages to targets, each of one or many notices';
COMMENT ON COLUMN notice_message.lease_until IS 'Until then its owner is sending it';
COMMENT ON TABLE notice_telling IS 'Which target is told of which notice, when, and by which message';
