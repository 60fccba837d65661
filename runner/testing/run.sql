-- begin --
-- Begin the build of a test under a negative number: one from the sequence would leave a gap there.
insert into orchestrator.runs (run_id, kind, status, target)
overriding system value
select
    least(min(runs.run_id), -1000000::bigint * pg_backend_pid()) - 1,
    %(kind)s,
    'running',
    %(target)s
from orchestrator.runs as runs
returning runs.run_id

-- columns --
-- The columns of a table, in order: whether they are in the key, and whether they need a value,
-- because they are not null and have no default.
select
    attributes.attname as name,
    attributes.attnotnull
    and not attributes.atthasdef
    and attributes.attidentity = '' as is_required,
    coalesce(attributes.attnum = any(keys.conkey), false) as is_key
from pg_attribute as attributes
left join lateral (
    select constraints.conkey
    from pg_constraint as constraints
    where
        constraints.conrelid = attributes.attrelid
        and constraints.contype in ('p', 'u')
    order by constraints.contype
    limit 1
) as keys on true
where
    attributes.attrelid = %(table)s::regclass
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum
