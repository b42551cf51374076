-- What people say of drops. A drop has a number, by which it is named; what is said of it is kept by where the drop
-- begins, and so outlives the row: drops that restated days no longer give are deleted, and may be found again.

ALTER TABLE drop_episode ADD COLUMN id bigint GENERATED ALWAYS AS IDENTITY;
CREATE UNIQUE INDEX drop_episode_id_idx ON drop_episode (id);

CREATE TABLE drop_dismissal (
    profile_id     bigint NOT NULL,
    metric         text NOT NULL,
    first_day      date NOT NULL,
    dismissed_note text NOT NULL CHECK (dismissed_note <> ''),
    dismissed_by   text NOT NULL,
    dismissed_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (profile_id, metric, first_day)
);

COMMENT ON TABLE drop_dismissal IS 'Drops of which somebody said that they are not a problem';
COMMENT ON COLUMN drop_dismissal.dismissed_note IS 'Why not';
COMMENT ON COLUMN drop_dismissal.dismissed_by IS 'The name of the token, or where it was said without one';
