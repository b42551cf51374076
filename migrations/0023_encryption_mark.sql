-- Which encryption key a daemon encrypts with, so that `collector profiles rotate-encryption` finds those that were
-- started without the new one. The mark does not reveal the key.

ALTER TABLE daemon ADD COLUMN encrypts_with bytea;

COMMENT ON COLUMN daemon.encrypts_with IS 'A mark of the key that it encrypts profile keys with; NULL without one';
