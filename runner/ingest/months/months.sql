-- partitions --
-- The partitions of a replica, in order, the default one last: it has no bounds.
select
    schemas.nspname || '.' || partitions.relname as name,
    bounds.found[1] as low,
    bounds.found[2] as high
from pg_inherits as children
inner join pg_class as partitions on partitions.oid = children.inhrelid
inner join pg_namespace as schemas on schemas.oid = partitions.relnamespace
cross join lateral (
    select
        regexp_match(
            pg_get_expr(partitions.relpartbound, partitions.oid),
            'FROM \(''([^'']*)''\) TO \(''([^'']*)''\)'
        ) as found
) as bounds
where children.inhparent = to_regclass(%(target)s)
order by bounds.found[1]::timestamp nulls last

-- due --
-- The first days of the months without a partition that should have one: the current month, the
-- next two, and those of rows in the default partition.
with due as (
    select
        generate_series(
            date_trunc('month', clock_timestamp() at time zone 'UTC'),
            date_trunc('month', clock_timestamp() at time zone 'UTC') + interval '2 months',
            interval '1 month'
        ) as month
    union
    select date_trunc('month', stored.{{ cursor }}::timestamp) as month
    from {{ rest }} as stored
    where {{ is_usual }}
)

select to_char(due.month, 'YYYY-MM-DD') as month
from due
where due.month <> all({{ known }}::timestamp[])
order by due.month

-- fresh --
-- Facts about rows that are about to be written: their months, and their keys if they are few, or
-- else the first and the last key.
with fresh as materialized (
    select
        source.{{ cursor }} as moment,
        source.{{ key }} as key
    from (
        select {{ source_columns }}
        from {{ source }} as source
        where {{ condition }}
    ) as source
)

select
    (
        select
            array_agg(distinct to_char(stored.{{ cursor }}::timestamp, 'YYYY-MM-01'))
        from (select fresh.moment as {{ cursor }} from fresh) as stored
        where {{ is_usual }}
    ) as months,
    case
        when (select count(*) <= 1000 from fresh)
            then (select array_agg(fresh.key::text) from fresh)
    end as keys,
    (select fresh.key::text from fresh order by fresh.key limit 1) as first_key,
    (select fresh.key::text from fresh order by fresh.key desc nulls last limit 1) as last_key

-- create --
-- Create a partition, and move its rows there from the default one.
create table {{ partition }} (
    like {{ target }} including defaults including constraints including storage including comments
);
comment on table {{ partition }} is {{ comment }};
with moved as (
    delete from {{ rest }} as stored
    where stored.{{ cursor }} >= {{ low }} and stored.{{ cursor }} < {{ high }}
    returning stored.*
)
insert into {{ partition }}
select moved.*
from moved;
alter table {{ target }} attach partition {{ partition }}
for values from ({{ low }}) to ({{ high }})

-- is_elsewhere --
-- Whether a row of the source is in the replica already, whatever its cursor there.
select
    exists (
        select
        from (
            select {{ source_columns }}
            from {{ source }} as source
            where {{ condition }}
        ) as fresh
        inner join {{ target }} as stored on {{ is_same_key }} and {{ within }}
    ) as is_elsewhere

-- type --
-- The type of a column; null if it is not built in: its operators are not in the search path.
select
    case
        when attributes.atttypid < 16384
            then format_type(attributes.atttypid, attributes.atttypmod)
    end as type
from pg_attribute as attributes
where
    attributes.attrelid = to_regclass(%(target)s)
    and attributes.attname = %(column)s
