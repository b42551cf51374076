-- The profiles of a client. A page about one asks for them a dozen times, and would read all profiles each time.

-- A poll changes next_poll_at, which is indexed, so it writes to this index as well: 75 bytes of some 680.
CREATE INDEX profile_client_idx ON profile (client);
