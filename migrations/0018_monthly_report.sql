-- The reports that the role `reporter` writes, a row for each client and month. The clients of a month are listed once,
-- so one that is renamed afterwards is not told twice. Files are written first and recorded after; written_at is what
-- the notifier finds.

CREATE TABLE monthly_report (
    month       date NOT NULL,
    client      text NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    owner       text,
    lease_until timestamptz,
    file        text,
    written_at  timestamptz,
    PRIMARY KEY (month, client)
);

CREATE INDEX monthly_report_written_at_idx ON monthly_report (written_at);

COMMENT ON TABLE monthly_report IS 'Reports of clients that are written without being asked for';
COMMENT ON COLUMN monthly_report.month IS 'Its first day';
COMMENT ON COLUMN monthly_report.lease_until IS 'Until then its owner is writing it';
COMMENT ON COLUMN monthly_report.file IS 'Within COLLECTOR_REPORT_DIR: the PDF where there is one, else the HTML';
