-- data_directory --
-- Where the data lie, as far as this role may know.
select current_setting('data_directory', true) as folder, inet_server_addr() is null as is_local
