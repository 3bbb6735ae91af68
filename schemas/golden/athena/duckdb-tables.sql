CREATE OR REPLACE VIEW samples AS SELECT * FROM delta_scan('s3://example-bucket/tables/samples');
CREATE OR REPLACE VIEW rollup_1h AS SELECT * FROM delta_scan('s3://example-bucket/tables/rollup_1h');
CREATE OR REPLACE VIEW rollup_1d AS SELECT * FROM delta_scan('s3://example-bucket/tables/rollup_1d');
CREATE OR REPLACE VIEW changes AS SELECT * FROM delta_scan('s3://example-bucket/tables/changes');
CREATE OR REPLACE VIEW regions AS SELECT * FROM delta_scan('s3://example-bucket/tables/regions');
