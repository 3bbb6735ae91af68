CREATE OR REPLACE VIEW samples AS SELECT * FROM read_parquet('s3://example-bucket/export/samples/*/*.parquet', hive_partitioning = true, hive_types = {'date': DATE});
CREATE OR REPLACE VIEW rollup_1h AS SELECT * FROM read_parquet('s3://example-bucket/export/rollup_1h/*/*.parquet', hive_partitioning = true, hive_types = {'date': DATE});
CREATE OR REPLACE VIEW rollup_1d AS SELECT * FROM read_parquet('s3://example-bucket/export/rollup_1d/*/*.parquet', hive_partitioning = true, hive_types = {'month': DATE});
CREATE OR REPLACE VIEW changes AS SELECT * FROM read_parquet('s3://example-bucket/export/changes/*/*.parquet', hive_partitioning = true, hive_types = {'month': DATE});
CREATE OR REPLACE VIEW regions AS SELECT * FROM read_parquet('s3://example-bucket/export/regions/*.parquet');
