-- Who does the work that one process does for all: the lease of each, which its leader renews every two seconds.

CREATE TABLE leader (
    work        text PRIMARY KEY,
    owner       text NOT NULL,
    since       timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL
);

COMMENT ON TABLE leader IS 'Work that one process does for all replicas, and which one that is';
COMMENT ON COLUMN leader.since IS 'Since when this process leads without a break';
