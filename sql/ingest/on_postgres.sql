-- What another PostgreSQL needs to be a source: a view of its clock, and a view of the table with
-- the age of each row, in transactions. `pipelines source-sql postgres` fills in the names. Run it
-- in the database of the table, as the table's owner, and again after the table's columns have
-- changed. The role reads these two views and nothing else. Give it a password with \password in
-- psql.

begin;

do $$
begin
    if to_regrole({{ role_name }}) is null then
        create role {{ role }} login;
    end if;
end;
$$;

create schema if not exists milepost;

-- Its identity changes when tables, columns or partitions that are read do, and with a restart,
-- since transaction numbers may be used again after a crash. Then the next run compares all rows.
-- At its end are facts about the table of each view: its keys, and whether row security hides rows.
create or replace view milepost.clock as
with recursive tables as (
    select
        views.relname as view,
        views.relowner as reader,
        dependencies.refobjid as oid
    from pg_class as views
    inner join pg_namespace as schemas on schemas.oid = views.relnamespace
    inner join pg_rewrite as rules on rules.ev_class = views.oid
    inner join pg_depend as dependencies
        on dependencies.classid = 'pg_rewrite'::regclass
        and dependencies.objid = rules.oid
        and dependencies.refclassid = 'pg_class'::regclass
        and dependencies.refobjid <> views.oid
    where schemas.nspname = 'milepost' and views.relname <> 'clock'
    union
    select
        tables.view,
        null as reader,
        children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
),

facts as (
    select
        tables.view,
        bool_or(
            relations.relrowsecurity
            and not readers.rolsuper
            and not readers.rolbypassrls
            and (
                relations.relforcerowsecurity
                or not pg_has_role(readers.oid, relations.relowner, 'usage')
            )
        ) as hides_rows,
        bool_or(
            relations.relkind = 'r'
            and exists (
                select
                from pg_inherits as children
                where children.inhparent = relations.oid
            )
        ) as has_children,
        jsonb_agg(
            (
                select
                    jsonb_agg(
                        (
                            select jsonb_agg(attributes.attname order by attributes.attnum)
                            from pg_attribute as attributes
                            where
                                attributes.attrelid = relations.oid
                                and attributes.attnum
                                = any((indexes.indkey::smallint[])[:indexes.indnkeyatts - 1])
                        )
                    )
                from pg_index as indexes
                where
                    indexes.indrelid = relations.oid
                    and indexes.indisunique
                    and indexes.indisvalid
                    and indexes.indimmediate
                    and indexes.indpred is null
                    and indexes.indexprs is null
            )
        ) -> 0 as keys
    from tables
    inner join pg_class as relations on relations.oid = tables.oid
    inner join pg_roles as readers on readers.oid = tables.reader
    group by tables.view
)

select
    now_there.clock,
    now_there.settled,
    now_there.held_since,
    now_there.held_by,
    now_there.sees_all,
    now_there.horizon,
    now_there.next_xid,
    format(
        '%s:%s:%s:%s %s',
        now_there.identity,
        extract(epoch from pg_postmaster_start_time()),
        (select md5(string_agg(tables.oid::text, ',' order by tables.oid)) from tables),
        (
{{ identity }}
        ),
        (
            select
                jsonb_object_agg(
                    facts.view,
                    jsonb_build_object(
                        'hides_rows', facts.hides_rows,
                        'has_children', facts.has_children,
                        'keys', facts.keys
                    )
                )
            from facts
        )
    ) as identity
from (
{{ clock }}
) as now_there;

-- A view of this name that reads another table is left alone. Earlier versions gave the views of
-- two tables one name if schema and table, joined, were equal; their view of this table is renewed
-- too.
do $$
declare
    former text := {{ former_view_name }};
    reads regclass;
begin
    select dependencies.refobjid::regclass
    into reads
    from pg_rewrite as rules
    inner join pg_depend as dependencies
        on dependencies.classid = 'pg_rewrite'::regclass
        and dependencies.objid = rules.oid
        and dependencies.refclassid = 'pg_class'::regclass
        and dependencies.refobjid <> rules.ev_class
    where rules.ev_class = to_regclass(format('milepost.%I', {{ view_name }}));
    if reads <> to_regclass({{ source_name }}) then
        raise exception 'milepost.% reads %', quote_ident({{ view_name }}), reads
        using hint = format(
            'rename that view, and in the warehouse let its foreign table follow: alter foreign'
            ' table ... options (set table_name ...); then run this again, and the script of %s',
            reads
        );
    end if;
    if former <> {{ view_name }} and exists (
        select
        from pg_rewrite as rules
        inner join pg_depend as dependencies
            on dependencies.classid = 'pg_rewrite'::regclass
            and dependencies.objid = rules.oid
            and dependencies.refclassid = 'pg_class'::regclass
        where
            rules.ev_class = to_regclass(format('milepost.%I', former))
            and dependencies.refobjid = to_regclass({{ source_name }})
    ) then
        execute format('drop view milepost.%I', former);
        execute format(
            'create view milepost.%I as'
            ' select source.*, age(source.xmin) as _row_age from %s as source',
            former,
            {{ source_name }}
        );
        execute format('grant select on milepost.%I to %I', former, {{ role_name }});
    end if;
end;
$$;

drop view if exists milepost.{{ view }};
create view milepost.{{ view }} as
select
    source.*,
    age(source.xmin) as _row_age
from {{ source }} as source;

grant usage on schema milepost to {{ role }};
grant select on milepost.clock, milepost.{{ view }} to {{ role }};

commit;

-- Without this, the start of other roles' transactions is hidden. If you may not grant it, ask an
-- administrator: until then the guarantee is weaker, and every run says so.
grant pg_read_all_stats to {{ role }};
