-- What another PostgreSQL needs to be a source: its clock, and a view of the table that tells the
-- age of each row, in transactions. `pipelines source-sql postgres` fills in the names. Run it in
-- the database of the table, as the table's owner; and again after the table's columns changed. The
-- role reads these two views and nothing else. Give it a password: \password, in psql.

begin;

do $$
begin
    if to_regrole({{ role_name }}) is null then
        create role {{ role }} login;
    end if;
end;
$$;

create schema if not exists milepost;

create or replace view milepost.clock as
{{ clock }};

drop view if exists milepost.{{ view }};
create view milepost.{{ view }} as
select
    source.*,
    age(source.xmin) as _row_age
from {{ source }} as source;

grant usage on schema milepost to {{ role }};
grant select on milepost.clock, milepost.{{ view }} to {{ role }};

commit;

-- The start of other people's transactions is hidden without this. Who may not grant it asks an
-- administrator; until then the source is read with less of a guarantee, and every run says so.
grant pg_read_all_stats to {{ role }};
