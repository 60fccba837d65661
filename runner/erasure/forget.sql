-- not_filled --
-- The targets whose tables still have what their last builds have read of a pipeline.
select newest.target
from (
    select distinct on (builds.target)
        builds.target,
        inputs.replica_file
    from orchestrator.build_inputs as inputs
    inner join orchestrator.runs as builds on builds.run_id = inputs.run_id
    where
        inputs.pipeline_id = %(pipeline_id)s
        and builds.status = 'succeeded'
    order by
        builds.target,
        inputs.run_id desc
) as newest
where
    newest.replica_file = 0
    and exists (
        select
        from orchestrator.built_scripts as built
        where built.target = newest.target
    )
order by newest.target

-- stale_statistics --
-- Statements that clear the statistics of tables that have become empty, which analyze does not do.
-- None before PostgreSQL 18, which has no way to clear them.
select
    format(
        'select pg_clear_attribute_stats(%%L, %%L, %%L, false)',
        statistics.schemaname,
        statistics.tablename,
        statistics.attname
    ) as statement
from pg_stats as statistics
inner join pg_namespace as schemas on schemas.nspname = statistics.schemaname
inner join pg_class as relations
    on relations.relnamespace = schemas.oid and relations.relname = statistics.tablename
where
    statistics.schemaname = any(%(schemas)s)
    and relations.reltuples = 0
    and to_regprocedure('pg_clear_attribute_stats(text, text, text, boolean)') is not null
