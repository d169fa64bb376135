"""The steps from an empty database to the schema; adapters.sql_engine takes them. Each file is frozen once released."""
