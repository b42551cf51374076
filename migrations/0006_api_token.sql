-- Tokens for the pages and the API, besides those of the settings. Only what finds a token again is kept.

CREATE TABLE api_token (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (name <> ''),
    sha256     bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    client     text CHECK (client <> ''),
    may_change boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE api_token IS 'Tokens of `collector tokens`; a revoked one is deleted';
COMMENT ON COLUMN api_token.client IS 'The only client whose rows it may see and change; NULL: all';
COMMENT ON COLUMN api_token.may_change IS 'Whether it may change anything, or only look';
