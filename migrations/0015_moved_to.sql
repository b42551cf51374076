-- Where the data of this database went: from then on nobody works here, or pins would be published twice.

CREATE TABLE moved_to (
    place    text NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX moved_to_once_idx ON moved_to ((true));

COMMENT ON TABLE moved_to IS 'One row when `collector move` took the data to another database';
