CREATE DATABASE IF NOT EXISTS `cloudping`;

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping`.`samples`
LOCATION 's3://example-bucket/tables/samples/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping`.`rollup_1h`
LOCATION 's3://example-bucket/tables/rollup_1h/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping`.`rollup_1d`
LOCATION 's3://example-bucket/tables/rollup_1d/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping`.`changes`
LOCATION 's3://example-bucket/tables/changes/'
TBLPROPERTIES ('table_type' = 'DELTA');

CREATE EXTERNAL TABLE IF NOT EXISTS `cloudping`.`regions`
LOCATION 's3://example-bucket/tables/regions/'
TBLPROPERTIES ('table_type' = 'DELTA');
