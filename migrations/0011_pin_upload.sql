-- Tables of pins that were uploaded in the console, until somebody confirms what is to be queued of them. Here, so that
-- any process can show and queue exactly what was uploaded. Twenty are kept at most, and none for longer than a day.

CREATE TABLE pin_upload (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    client      text,
    file_name   text NOT NULL,
    data        bytea NOT NULL CHECK (octet_length(data) <= 5000000),
    time_zone   text NOT NULL,
    date_format text NOT NULL,
    replaces    boolean NOT NULL,
    past        boolean NOT NULL,
    media       jsonb NOT NULL,
    done_at     timestamptz,
    queued      integer,
    changed     integer,
    known       integer
);

CREATE INDEX pin_upload_created_at_idx ON pin_upload (created_at);

COMMENT ON TABLE pin_upload IS 'Uploaded tables of pins that wait for somebody to confirm them';
COMMENT ON COLUMN pin_upload.client IS 'Whose visitor uploaded it, and may see it; NULL: one who may see all clients';
COMMENT ON COLUMN pin_upload.data IS 'The file; emptied when its pins are queued';
COMMENT ON COLUMN pin_upload.time_zone IS 'The zone of times that name none; empty: there may be none';
COMMENT ON COLUMN pin_upload.media IS 'What was found of the images of carousels when it was uploaded';
