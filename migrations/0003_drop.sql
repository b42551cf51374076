-- Drops of engagement: what the detector says, which is a pure function of the settled days.
--
-- An episode is known by the day on which it was detected. The detector writes the ones that the days give and deletes
-- the ones that they no longer do, so that evaluating again changes nothing.

CREATE TABLE drop_episode (
    profile_id   bigint NOT NULL,
    metric       text NOT NULL CHECK (metric IN ('engagement', 'impression', 'outbound_click', 'save')),
    detected_day date NOT NULL,
    first_day    date NOT NULL,
    last_day     date NOT NULL,
    observed     double precision NOT NULL,
    expected     double precision NOT NULL,
    expected_low double precision NOT NULL,
    score        double precision NOT NULL,
    lost_share   double precision NOT NULL,
    usual_since  date,
    closed_on    date,
    close_reason text,
    decided_by   text NOT NULL DEFAULT '',
    window_days  integer NOT NULL DEFAULT 0,
    window_score double precision NOT NULL DEFAULT 0,
    threshold    double precision NOT NULL DEFAULT 0,
    window_loss  double precision NOT NULL DEFAULT 0,
    least_loss   double precision NOT NULL DEFAULT 0,
    also_fell    text NOT NULL DEFAULT '',
    why          text NOT NULL DEFAULT '',
    inhibited    boolean NOT NULL DEFAULT false,
    sentence     text NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile_id, metric, detected_day)
);

CREATE INDEX drop_episode_open_idx ON drop_episode (profile_id) WHERE closed_on IS NULL;
CREATE INDEX drop_episode_detected_day_idx ON drop_episode (detected_day);

COMMENT ON TABLE drop_episode IS 'Drops, open and closed';
COMMENT ON COLUMN drop_episode.detected_day IS 'Newest settled day that the decision needed';
COMMENT ON COLUMN drop_episode.observed IS 'Mean a day from first_day to last_day, as expected and expected_low';
COMMENT ON COLUMN drop_episode.usual_since IS
    'First of the newest days that are usual again, of a drop that is not closed yet; NULL while it lasts';
COMMENT ON COLUMN drop_episode.decided_by IS
    'What raised the alarm: a metric, all of them together, or a silence that was too long';
COMMENT ON COLUMN drop_episode.window_days IS
    'Days that the decision rests on: window_score and window_loss are theirs; threshold and least_loss were needed';
COMMENT ON COLUMN drop_episode.also_fell IS 'Other metrics that fell with it, with commas';
COMMENT ON COLUMN drop_episode.why IS 'The decision in two sentences';
COMMENT ON COLUMN drop_episode.inhibited IS 'It began with a drop of the whole fleet, and is not the client''s';

CREATE TABLE fleet_drop (
    first_day date PRIMARY KEY,
    last_day  date NOT NULL,
    profiles  integer NOT NULL,
    share     double precision NOT NULL,
    open      boolean NOT NULL,
    sentence  text NOT NULL
);

COMMENT ON TABLE fleet_drop IS 'Days on which a large share of the healthy profiles dropped together';

CREATE TABLE drop_verdict (
    profile_id      bigint PRIMARY KEY,
    settled_through date,
    last_poll_at    timestamptz,
    state           text,
    sensitivity     text NOT NULL,
    judged_since    date,
    expected        double precision,
    expected_low    double precision,
    score           double precision,
    silence         text,
    decided_by      text NOT NULL DEFAULT '',
    window_days     integer NOT NULL DEFAULT 0,
    window_score    double precision NOT NULL DEFAULT 0,
    threshold       double precision NOT NULL DEFAULT 0,
    window_loss     double precision NOT NULL DEFAULT 0,
    least_loss      double precision NOT NULL DEFAULT 0,
    also_fell       text NOT NULL DEFAULT '',
    unmet           text,
    why             text NOT NULL DEFAULT '',
    own_threshold   double precision,
    country         text,
    evaluated_at    timestamptz NOT NULL DEFAULT now(),
    -- One array a profile: a row a day would cost a hundred times as many rows for the same few charts. NaN rather than
    -- NULL, as the detector sends them: gathering the numbers anew took more time than all else about a verdict.
    band_since      date,
    band_expected   real[],
    band_low        real[]
);

COMMENT ON TABLE drop_verdict IS
    'What the detector says of the newest settled day of each profile, and of which rows it knew';
COMMENT ON COLUMN drop_verdict.state IS 'The profile''s state, which the sentences of its drops may name';
COMMENT ON COLUMN drop_verdict.silence IS 'Why it says nothing; NULL where it judged';
COMMENT ON COLUMN drop_verdict.unmet IS
    'The first condition of a drop that the window nearest to one does not fulfil; NULL where all are';
COMMENT ON COLUMN drop_verdict.why IS 'Why the day was called a drop, or was not';
COMMENT ON COLUMN drop_verdict.own_threshold IS 'The calibrated threshold that it knew, as it knew the country';
COMMENT ON COLUMN drop_verdict.judged_since IS 'First day on which the profile had enough history to be judged';
COMMENT ON COLUMN drop_verdict.band_since IS 'First day of band_expected and band_low, which are of engagement';
COMMENT ON COLUMN drop_verdict.band_expected IS
    'What was expected, a day each, in one row; NaN where nothing could be said';
COMMENT ON COLUMN drop_verdict.band_low IS 'Lower bound of what is normal, a day each, in one row';

CREATE TABLE drop_sensitivity (
    scope       text NOT NULL CHECK (scope IN ('client', 'profile')),
    name        text NOT NULL,
    sensitivity text NOT NULL CHECK (sensitivity IN ('low', 'normal', 'high')),
    threshold   double precision,
    PRIMARY KEY (scope, name)
);

COMMENT ON TABLE drop_sensitivity IS
    'How small a drop is worth an alarm; a profile''s own wins over its client''s, and normal is what is not here';
COMMENT ON COLUMN drop_sensitivity.threshold IS
    'Calibrated on the client''s own history; NULL: that of the sensitivity';
