-- The registry: one row a client profile, its encrypted key, and the lease by which replicas share the polling.
--
-- A profile is due when next_poll_at has passed; NULL means "not until somebody acts" (paused, key_invalid). A claim
-- writes lease_owner and lease_until. The pair is the fencing token: a result is written only while it still stands, so
-- a worker that was presumed dead cannot overwrite its successor's work.
--
-- What never changes comes first and what every poll writes comes last: an UPDATE's WAL record leaves out the bytes
-- that the old and the new row share at their head. fillfactor leaves room in the page, so that a claim is a HOT update
-- even where a fleet that was added at once is claimed page by page; more room would only be cleaned more often.

CREATE TABLE profile (
    id                   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name                 text NOT NULL UNIQUE CHECK (name <> ''),
    client               text NOT NULL CHECK (client <> ''),
    tags                 text[] NOT NULL DEFAULT '{}',
    ref_id               text,
    key_ciphertext       bytea NOT NULL,
    key_fingerprint      bytea NOT NULL,
    created_at           timestamptz NOT NULL DEFAULT now(),
    state                text NOT NULL DEFAULT 'active'
                         CHECK (state IN ('active', 'paused', 'unlinked', 'suspended', 'key_invalid')),
    state_reason         text,
    state_since          timestamptz NOT NULL DEFAULT now(),
    first_day            date,
    last_day             date,
    settled_through      date,
    settle_days          smallint,
    seam_day             date,
    replaced_at          timestamptz,
    account_changed_at   timestamptz,
    account_name         text,
    former_account_name  text,
    account_name_asked_at timestamptz,
    window_days          smallint,
    answer_digest        bigint,
    answer_day           date,
    rate_limit_max       integer,
    rate_limit_count     integer,
    rate_limited_on      date,
    rate_limited_count   integer NOT NULL DEFAULT 0,
    days_changed_at      timestamptz,
    last_outcome         text,
    last_error           text,
    consecutive_failures integer NOT NULL DEFAULT 0,
    last_success_at      timestamptz,
    last_poll_at         timestamptz,
    next_poll_at         timestamptz DEFAULT now(),
    lease_until          timestamptz,
    lease_owner          text
) WITH (
    fillfactor = 64,
    -- Every poll leaves a dead row and a dead entry at the head of the queue; a fifth of a large table is too late.
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.05
);

-- The claim walks this from its head.
CREATE INDEX profile_next_poll_at_idx ON profile (next_poll_at) WHERE next_poll_at IS NOT NULL;

COMMENT ON TABLE profile IS 'Client profiles, their encrypted keys and the leases of their polls';
COMMENT ON COLUMN profile.key_ciphertext IS 'Fernet token of the Ayrshare profile key';
COMMENT ON COLUMN profile.key_fingerprint IS
    'First 16 bytes of SHA-256 of the key: finds a key registered twice, reveals nothing';
COMMENT ON COLUMN profile.first_day IS 'Oldest day that was ever read';
COMMENT ON COLUMN profile.last_day IS 'Newest day that was ever read';
COMMENT ON COLUMN profile.settled_through IS
    'Newest day that was old enough not to be restated when Ayrshare last read it';
COMMENT ON COLUMN profile.settle_days IS 'COLLECTOR_SETTLE_DAYS at the last good poll';
COMMENT ON COLUMN profile.seam_day IS
    'First day of the present Pinterest account; the days before it are another account''s. NULL: all are of one';
COMMENT ON COLUMN profile.replaced_at IS
    'When a poll last replaced most settled days; with a seam, versions that ended by then are the former account''s';
COMMENT ON COLUMN profile.account_changed_at IS
    'Since when the profile is marked: another account may be linked. NULL: never, or an operator has decided';
COMMENT ON COLUMN profile.account_name IS 'What Ayrshare calls the Pinterest account, when it was asked';
COMMENT ON COLUMN profile.former_account_name IS 'What the account was called before the mark';
COMMENT ON COLUMN profile.window_days IS 'Days in the window of the last answer that had any';
COMMENT ON COLUMN profile.days_changed_at IS 'When a poll last brought a day that was new or different';
COMMENT ON COLUMN profile.answer_digest IS
    'Of the last answer stored: the same again on the same UTC day (answer_day) holds nothing to compare';
COMMENT ON COLUMN profile.rate_limit_count IS
    'x-ratelimit-count of the last answer, out of rate_limit_max in five minutes';
COMMENT ON COLUMN profile.rate_limited_count IS
    'Answers of 429 on the UTC day rate_limited_on; 1,000 suspend the profile';

-- One process at a time may hold a row, until the end of its transaction. Nobody else has rights on the table.
CREATE TABLE writer_lock (name text PRIMARY KEY);
INSERT INTO writer_lock (name) VALUES ('registry'), ('fleet_drop');
COMMENT ON TABLE writer_lock IS 'What one process at a time does: whoever does it has locked the row';

CREATE TABLE daemon (
    owner      text PRIMARY KEY,
    version    text NOT NULL,
    roles      text[] NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    stopped_at timestamptz
);
COMMENT ON TABLE daemon IS
    'Processes of `collector run`, as they report themselves; forgotten a week after the last report';
COMMENT ON COLUMN daemon.stopped_at IS 'When it was told to stop; NULL while it runs, and where it was killed';

CREATE TABLE client (
    name    text PRIMARY KEY,
    country text CHECK (country ~ '^[A-Z]{2}$')
);

COMMENT ON TABLE client IS 'Settings of clients; one that has none is not here';
COMMENT ON COLUMN client.country IS 'ISO 3166 code; its public holidays are no drops. NULL: those of many countries';
