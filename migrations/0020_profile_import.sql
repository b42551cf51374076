-- Which profiles have days of which import, so that listing and undoing one does not read the days of all others.

CREATE TABLE profile_import (
    source     text NOT NULL,
    profile_id bigint NOT NULL REFERENCES profile (id) ON DELETE CASCADE,
    PRIMARY KEY (source, profile_id)
);

-- Finds those of a profile that is removed.
CREATE INDEX profile_import_profile_id_idx ON profile_import (profile_id);

COMMENT ON TABLE profile_import IS 'The profiles that days were imported for, by their source';

INSERT INTO profile_import (source, profile_id)
SELECT DISTINCT source, profile_id
FROM daily_metric
WHERE source IS NOT NULL;
