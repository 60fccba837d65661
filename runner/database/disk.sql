-- data_directory --
-- The data directory, and whether the server runs on this machine. An error for a role without
-- pg_read_all_settings.
select current_setting('data_directory', true) as folder, inet_server_addr() is null as is_local
