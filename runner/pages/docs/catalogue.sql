-- relations --
-- The tables and views of some schemas, and others by name, with their comments, columns,
-- constraints and indexes. Small tables are counted; of the others the server knows an estimate.
with relations as (
    select
        classes.oid,
        classes.relkind,
        classes.reltuples,
        namespaces.nspname || '.' || classes.relname as name,
        namespaces.nspname as schema,
        format('%%I.%%I', namespaces.nspname, classes.relname) as quoted
    from pg_class as classes
    inner join pg_namespace as namespaces on namespaces.oid = classes.relnamespace
    where
        classes.relkind in ('r', 'p', 'v', 'm', 'f')
        and not classes.relispartition
        and (
            namespaces.nspname = any(%(schemas)s)
            or namespaces.nspname || '.' || classes.relname = any(%(names)s)
        )
)

select
    relations.name,
    relations.schema,
    case relations.relkind
        when 'v' then 'view'
        when 'm' then 'materialized view'
        when 'f' then 'foreign table'
        else 'table'
    end as kind,
    coalesce(obj_description(relations.oid, 'pg_class'), '') as comment,
    coalesce(
        (
            select
                jsonb_agg(
                    jsonb_build_object(
                        'name', columns.attname,
                        'type', format_type(columns.atttypid, columns.atttypmod),
                        'is_nullable', not columns.attnotnull,
                        'comment', coalesce(col_description(relations.oid, columns.attnum), '')
                    )
                    order by columns.attnum
                )
            from pg_attribute as columns
            where
                columns.attrelid = relations.oid
                and columns.attnum > 0
                and not columns.attisdropped
        ),
        '[]'
    ) as columns,
    -- Keys first; without `not null`, which is a constraint from PostgreSQL 18 on.
    coalesce(
        (
            select
                jsonb_agg(
                    jsonb_build_object(
                        'name', constraints.conname,
                        'kind', constraints.contype,
                        'definition', pg_get_constraintdef(constraints.oid),
                        'columns', array(
                            select columns.attname::text
                            from unnest(constraints.conkey) with ordinality as keys (number, place)
                            inner join pg_attribute as columns
                                on columns.attrelid = constraints.conrelid
                                and columns.attnum = keys.number
                            order by keys.place
                        ),
                        'referenced', coalesce(referenced.name, ''),
                        'referenced_columns', array(
                            select columns.attname::text
                            from unnest(constraints.confkey) with ordinality as keys (number, place)
                            inner join pg_attribute as columns
                                on columns.attrelid = constraints.confrelid
                                and columns.attnum = keys.number
                            order by keys.place
                        )
                    )
                    order by position(constraints.contype::text in 'pufxc'), constraints.conname
                )
            from pg_constraint as constraints
            left join relations as referenced on referenced.oid = constraints.confrelid
            where
                constraints.conrelid = relations.oid
                and constraints.contype in ('p', 'u', 'f', 'x', 'c')
        ),
        '[]'
    ) as constraints,
    -- Without those of constraints.
    array(
        select array[classes.relname::text, pg_get_indexdef(indexes.indexrelid)]
        from pg_index as indexes
        inner join pg_class as classes on classes.oid = indexes.indexrelid
        where
            indexes.indrelid = relations.oid
            and not exists (
                select
                from pg_constraint as constraints
                where constraints.conindid = indexes.indexrelid
            )
        order by classes.relname
    ) as indexes,
    case
        when relations.relkind = 'r' and pg_relation_size(relations.oid) < %(small)s
            then format('select count(*) as rows from %%s', relations.quoted)
    end as count,
    greatest(relations.reltuples, 0)::bigint as about_rows
from relations
order by
    relations.schema,
    relations.name

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
