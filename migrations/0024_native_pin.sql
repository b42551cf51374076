-- Pins of an account that were not made here, as Ayrshare lists them: with COLLECTOR_NATIVE_PINS the tracker asks for
-- the list once a day. Their numbers are in pin_result and pin_metric beside those of our own pins. So their ids count
-- down from -1, and are never those of a row of pin.

CREATE TABLE native_pin (
    id               bigint GENERATED ALWAYS AS IDENTITY (START WITH -1 INCREMENT BY -1) PRIMARY KEY,
    profile_id       bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    pinterest_pin_id text NOT NULL,
    created_at       timestamptz NOT NULL,
    title            text,
    pin_url          text,
    UNIQUE (profile_id, pinterest_pin_id)
);

CREATE INDEX native_pin_created_at_idx ON native_pin (created_at);

COMMENT ON TABLE native_pin IS 'Pins of the last 90 days that were not made here';
COMMENT ON COLUMN native_pin.created_at IS 'When it went out, as Ayrshare tells';
COMMENT ON COLUMN native_pin.title IS 'Its title, or the beginning of its description';

CREATE TABLE native_look (
    profile_id bigint PRIMARY KEY REFERENCES profile (id) ON DELETE CASCADE,
    next_at    timestamptz NOT NULL
);

COMMENT ON TABLE native_look IS 'When a profile is asked next for pins that were not made here';
COMMENT ON COLUMN native_look.next_at IS
    'Moved on by a day before asking: no answer, and no death, makes it more often';
