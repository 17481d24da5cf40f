/** What the quality report is made of, in the tables of a run. */
export const PROFILES_SQL = `
SELECT
  source, table_name, column_name, month, rows_told, missing, distinct_values, minimum, maximum, mean, sd, negative,
  outliers, repeated, first_at, last_at, received_at
FROM quality_profiles
ORDER BY source, table_name, column_name, month`;

export const REFERENCES_SQL =
  "SELECT source, reference, values_named, gaps FROM quality_references ORDER BY source, reference";
