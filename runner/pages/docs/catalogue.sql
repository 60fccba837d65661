-- relations --
-- The tables and views of some schemas, and others by name, with their comments. Small tables are
-- counted; of the others the server knows an estimate.
select
    relations.oid,
    schemas.nspname || '.' || relations.relname as name,
    schemas.nspname as schema,
    case relations.relkind
        when 'v' then 'view'
        when 'm' then 'materialized view'
        when 'f' then 'foreign table'
        else 'table'
    end as kind,
    coalesce(obj_description(relations.oid, 'pg_class'), '') as comment,
    case
        when relations.relkind = 'r' and pg_relation_size(relations.oid) < %(small)s
            then format('select count(*) as rows from %%I.%%I', schemas.nspname, relations.relname)
    end as count,
    greatest(relations.reltuples, 0)::bigint as about_rows
from pg_class as relations
inner join pg_namespace as schemas on schemas.oid = relations.relnamespace
where
    relations.relkind in ('r', 'p', 'v', 'm', 'f')
    and not relations.relispartition
    and (
        schemas.nspname = any(%(schemas)s)
        or schemas.nspname || '.' || relations.relname = any(%(names)s)
    )
order by
    schemas.nspname,
    relations.relname

-- columns --
-- Columns of relations, in order.
select
    columns.attrelid as relation,
    columns.attname as name,
    format_type(columns.atttypid, columns.atttypmod) as type,
    not columns.attnotnull as is_nullable,
    coalesce(col_description(columns.attrelid, columns.attnum), '') as comment
from pg_attribute as columns
where
    columns.attrelid = any(%(relations)s)
    and columns.attnum > 0
    and not columns.attisdropped
order by
    columns.attrelid,
    columns.attnum

-- constraints --
-- Constraints of relations, keys first; without `not null`, which is one from PostgreSQL 18 on.
select
    constraints.conrelid as relation,
    constraints.conname as name,
    constraints.contype::text as kind,
    pg_get_constraintdef(constraints.oid) as definition,
    array(
        select columns.attname::text
        from unnest(constraints.conkey) with ordinality as keys (number, position)
        inner join pg_attribute as columns
            on columns.attrelid = constraints.conrelid and columns.attnum = keys.number
        order by keys.position
    ) as columns,
    constraints.confrelid as referenced,
    array(
        select columns.attname::text
        from unnest(constraints.confkey) with ordinality as keys (number, position)
        inner join pg_attribute as columns
            on columns.attrelid = constraints.confrelid and columns.attnum = keys.number
        order by keys.position
    ) as referenced_columns
from pg_constraint as constraints
where
    constraints.conrelid = any(%(relations)s)
    and constraints.contype in ('p', 'u', 'f', 'x', 'c')
order by
    position(constraints.contype::text in 'pufxc'),
    constraints.conname

-- indexes --
-- Indexes of relations, without those of constraints.
select
    indexes.indrelid as relation,
    classes.relname as name,
    pg_get_indexdef(indexes.indexrelid) as definition
from pg_index as indexes
inner join pg_class as classes on classes.oid = indexes.indexrelid
where
    indexes.indrelid = any(%(relations)s)
    and not exists (
        select
        from pg_constraint as constraints
        where constraints.conindid = indexes.indexrelid
    )
order by classes.relname

-- built --
-- The last build of each script into the live tables, and its time.
select
    built.script,
    built.run_id as build,
    to_char(built.built_at, 'YYYY-MM-DD HH24:MI:SS') as built_at
from orchestrator.built_scripts as built
where built.target = 'live'

-- pipelines --
-- The pipelines, with their watermarks.
select
    pipelines.pipeline_name as name,
    pipelines.source_relation as source,
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) as replica,
    pipelines.cursor_column as cursor,
    array_to_string(pipelines.key_columns, ', ') as key,
    pipelines.write_mode as mode,
    pipelines.is_enabled,
    coalesce(pipelines.owner, '') as owner,
    coalesce(pipelines.description, '') as description,
    pipelines.freshness_warn_after::text as late_after,
    pipelines.freshness_fail_after::text as stale_after,
    to_char(newest.high, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as loaded_through,
    newest.guarantee_note as promise
from orchestrator.pipeline_definitions as pipelines
left join lateral (
    select
        runs.high,
        runs.guarantee_note
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
    order by runs.high desc
    limit 1
) as newest on true
order by pipelines.pipeline_name
