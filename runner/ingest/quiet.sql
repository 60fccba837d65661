-- lock --
-- Take the locks of pipelines and of their replicas, without waiting. Only of those whose source is
-- a plain table that this role may read.
select
    asked.pipeline_id,
    pg_try_advisory_lock(%(pipeline_lock)s, asked.pipeline_id)
    and pg_try_advisory_lock(%(replica_lock)s, asked.replica) as has_both
from unnest(%(ids)s::integer[], %(replicas)s::integer[], %(sources)s::text[])
    as asked (pipeline_id, replica, source)
inner join pg_namespace as schemas on schemas.nspname = split_part(asked.source, '.', 1)
inner join pg_class as tables
    on tables.relnamespace = schemas.oid and tables.relname = split_part(asked.source, '.', 2)
where
    tables.relkind = 'r'
    and not tables.relhassubclass
    -- Without this privilege, the lookup of a table by its name fails.
    and has_schema_privilege(schemas.oid, 'usage')
    and has_table_privilege(tables.oid, 'select')

-- definitions --
-- The definitions of pipelines, with their watermarks.
select definitions.*
from unnest(%(ids)s::integer[]) as asked (pipeline_id)
cross join lateral ({{ definition }}) as definitions

-- facts --
-- What the catalogue says of the sources and replicas.
select
    asked.pipeline_id,
    to_jsonb(natures) as nature,
    to_jsonb(files) as files,
    identities.identity,
    sizes.seconds::float8 as expected_seconds,
    -- A run of its own would write no rows either, but would fail without these privileges.
    (
        select bool_and(has_table_privilege(to_regclass(asked.target), needed.privilege))
        from unnest(array['select', 'insert', 'update']) as needed (privilege)
    ) as may_write,
    (select jsonb_agg(to_jsonb(columns)) from ({{ source_columns }}) as columns) as columns,
    (select jsonb_agg(to_jsonb(columns)) from ({{ target_columns }}) as columns) as stored
from unnest(%(ids)s::integer[], %(sources)s::text[], %(targets)s::text[])
    as asked (pipeline_id, source, target)
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = asked.pipeline_id
cross join lateral ({{ nature }}) as natures
cross join lateral ({{ files }}) as files
cross join lateral ({{ identity }}) as identities
cross join lateral ({{ expected_seconds }}) as sizes

-- history --
-- Where a search can start from, for pipelines whose last run was of the same chain and that have
-- nothing to report: no gaps, rejected rows or dead runs. `edges` are the moments of the search.
select
    asked.pipeline_id,
    to_jsonb(horizons) as horizons,
    bounds.high,
    edges.edges
from unnest(
    %(ids)s::integer[],
    %(watermarks)s::timestamptz[],
    %(chains)s::text[],
    %(are_naive)s::boolean[]
) as asked (pipeline_id, watermark, chain, is_naive)
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = asked.pipeline_id
cross join lateral (
    select runs.horizon_chain
    from orchestrator.runs as runs
    where
        runs.pipeline_id = asked.pipeline_id
        and runs.status in ('succeeded', 'rolled_back')
    order by runs.run_id desc
    limit 1
) as last_run
cross join lateral ({{ horizons }}) as horizons
cross join lateral ({{ edges }}) as edges
cross join lateral (
    select greatest(asked.watermark, %(settled)s::timestamptz)::text as high
) as bounds
where
    last_run.horizon_chain is not distinct from asked.chain
    and not exists ({{ gaps }})
    and not exists (
        select
        from orchestrator.rejected_rows as rejected
        where
            rejected.pipeline_id = asked.pipeline_id
            and rejected.resolved_run_id is null
    )
    and not exists (
        select
        from orchestrator.runs as dead
        where
            dead.pipeline_id = asked.pipeline_id
            and dead.status = 'running'
    )
    and asked.watermark <= %(clock)s::timestamptz

-- record --
-- Record that pipelines have nothing new, each from its watermark to the settled bound. How long
-- the search of one took is not known, so search_elapsed stays null.
insert into orchestrator.runs (
    kind, status, pipeline_id, low, high, guarantee, guarantee_note, horizon, horizon_scope,
    horizon_chain, host, backend_pid, started_at, finished_at
)
select
    'window' as kind,
    'succeeded' as status,
    quiet.pipeline_id,
    quiet.low,
    quiet.high,
    quiet.guarantee,
    quiet.guarantee_note,
    %(horizon)s::text::xid8 as horizon,
    quiet.reach,
    quiet.chain,
    %(host)s as host,
    pg_backend_pid() as backend_pid,
    %(started_at)s::timestamptz as started_at,
    clock_timestamp() as finished_at
from unnest(
    %(ids)s::integer[],
    %(lows)s::timestamptz[],
    %(highs)s::timestamptz[],
    %(words)s::text[],
    %(sentences)s::text[],
    %(reaches)s::text[],
    %(chains)s::text[]
) as quiet (pipeline_id, low, high, guarantee, guarantee_note, reach, chain)
order by quiet.pipeline_id
returning
    run_id,
    pipeline_id
