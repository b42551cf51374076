-- requires: timescaledb
--
-- The results of pins over time as a hypertable. A profile's pins lie together, as they are read.

SELECT create_hypertable(
    'pin_metric', by_range('observed_at', INTERVAL '30 days'),
    create_default_indexes => false, migrate_data => true
);
ALTER TABLE pin_metric SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'profile_id',
    timescaledb.orderby = 'pin_id, observed_at DESC'
);
CALL add_columnstore_policy('pin_metric', after => INTERVAL '30 days');
