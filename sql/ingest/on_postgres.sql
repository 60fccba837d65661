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

-- Its identity changes with the tables that are read, with partitions that come, and with a
-- restart: after a crash transactions may be numbered again. The next run compares everything then.
create or replace view milepost.clock as
select
    now_there.clock,
    now_there.settled,
    now_there.held_since,
    now_there.held_by,
    now_there.sees_all,
    now_there.horizon,
    now_there.next_xid,
    format(
        '%s:%s:%s',
        now_there.identity,
        extract(epoch from pg_postmaster_start_time()),
        (
            with recursive tables as (
                select dependencies.refobjid as oid
                from pg_class as views
                inner join pg_namespace as schemas on schemas.oid = views.relnamespace
                inner join pg_rewrite as rules on rules.ev_class = views.oid
                inner join pg_depend as dependencies
                    on dependencies.classid = 'pg_rewrite'::regclass
                    and dependencies.objid = rules.oid
                    and dependencies.refclassid = 'pg_class'::regclass
                where schemas.nspname = 'milepost'
                union
                select children.inhrelid as oid
                from tables
                inner join pg_inherits as children on children.inhparent = tables.oid
            )

            select md5(string_agg(tables.oid::text, ',' order by tables.oid))
            from tables
        )
    ) as identity
from (
{{ clock }}
) as now_there;

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
