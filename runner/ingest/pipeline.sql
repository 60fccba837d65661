-- definition --
-- A pipeline with its watermark: the highest end of a window that ever succeeded, undone or not.
select
    pipelines.pipeline_id,
    pipelines.pipeline_name,
    pipelines.source_relation,
    coalesce(
        pipelines.target_relation,
        'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
    ) as target_relation,
    pipelines.cursor_column,
    pipelines.key_columns,
    pipelines.write_mode,
    pipelines.window_size::text as window_size,
    pipelines.start_at::text as start_at,
    pipelines.lookback::text as lookback,
    pipelines.sweep_every::text as sweep_every,
    pipelines.max_hold::text as max_hold,
    pipelines.odd_cursors,
    pipelines.on_delete,
    pipelines.max_rejected_share,
    pipelines.cursor_timezone,
    pipelines.column_types,
    pipelines.clock_relation,
    loaded.high is null as is_new,
    greatest(pipelines.start_at, loaded.high)::text as watermark
from orchestrator.pipeline_definitions as pipelines
cross join lateral (
    select max(runs.high) as high
    from orchestrator.runs as runs
    where
        runs.pipeline_id = pipelines.pipeline_id
        and runs.kind = 'window'
        and runs.status in ('succeeded', 'rolled_back')
) as loaded
where pipelines.pipeline_id = %(pipeline_id)s

-- columns --
-- Columns of a relation, in order.
select
    attributes.attname as name,
    format_type(attributes.atttypid, attributes.atttypmod) as type,
    attributes.attnotnull as is_required,
    col_description(attributes.attrelid, attributes.attnum) as comment
from pg_attribute as attributes
where
    attributes.attrelid = to_regclass(%(relation)s)
    and attributes.attnum > 0
    and not attributes.attisdropped
order by attributes.attnum

-- nature --
-- What a relation is, as far as a guarantee goes: a table (with its partitions), a view, or
-- foreign: rows of another server, or of a materialized view, may be written unseen from here.
-- Whether row security hides rows of it, and whether its key is unique (null where that is not
-- known).
with recursive below (oid, relkind) as (
    select
        relations.oid,
        relations.relkind
    from pg_class as relations
    where relations.oid = to_regclass(%(relation)s)
    union
    select
        relations.oid,
        relations.relkind
    from below
    cross join lateral (
        select children.inhrelid as oid
        from pg_inherits as children
        where children.inhparent = below.oid
        union all
        select dependencies.refobjid as oid
        from pg_rewrite as rules
        inner join pg_depend as dependencies
            on dependencies.classid = 'pg_rewrite'::regclass
            and dependencies.objid = rules.oid
            and dependencies.refclassid = 'pg_class'::regclass
        where rules.ev_class = below.oid
    ) as nested
    inner join pg_class as relations on relations.oid = nested.oid
)

select
    case
        when (select bool_or(below.relkind in ('f', 'm')) from below) then 'foreign'
        when relations.relkind in ('r', 'p') then 'table'
        else 'view'
    end as kind,
    row_security_active(relations.oid) as hides_rows,
    case
        when relations.relkind in ('r', 'p')
            then exists (
                select
                from pg_index as indexes
                where
                    indexes.indrelid = relations.oid
                    and indexes.indisunique
                    and indexes.indisvalid
                    and indexes.indimmediate
                    and indexes.indpred is null
                    and indexes.indexprs is null
                    and (
                        select bool_and(attributes.attname::text = any(%(keys)s::text[]))
                        from pg_attribute as attributes
                        where
                            attributes.attrelid = relations.oid
                            and attributes.attnum
                            = any((indexes.indkey::smallint[])[:indexes.indnkeyatts - 1])
                    )
            )
    end as is_unique
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)

-- files --
-- The tables that rows are read from, with their partitions; and the file that a replica's rows are
-- in, another one after it was truncated or made anew.
with recursive tables as (
    select to_regclass(%(source)s)::oid as oid
    union
    select children.inhrelid as oid
    from tables
    inner join pg_inherits as children on children.inhparent = tables.oid
)

select
    (select string_agg(tables.oid::text, ',' order by tables.oid) from tables) as source,
    coalesce(pg_relation_filenode(to_regclass(%(target)s)), 0) as target

-- clock --
-- The clock of a source. Rows below the watermark are loaded, whatever the clock says.
select
    now_there.clock::text as clock,
    greatest(now_there.settled, %(watermark)s::timestamptz)::text as settled,
    greatest(now_there.clock - interval '1 second', %(watermark)s::timestamptz)::text as unheld,
    now_there.clock < %(watermark)s::timestamptz as is_behind,
    to_char(now_there.held_since, 'YYYY-MM-DD HH24:MI:SS') as held_since,
    now_there.held_by,
    coalesce(now_there.clock - now_there.held_since > %(max_hold)s::interval, false)
    as hold_is_over,
    coalesce(now_there.sees_all, false) as sees_all,
    now_there.horizon,
    now_there.next_xid,
    now_there.identity
from (
{{ clock }}
) as now_there

-- no_clock --
-- A source that nobody tells the time of: it is as late there as here, and what is open there is
-- not known.
select
    clock_timestamp() as clock,
    clock_timestamp() - interval '1 second' as settled,
    null::timestamptz as held_since,
    null as held_by,
    false as sees_all,
    null::numeric as horizon,
    null::numeric as next_xid,
    'unknown' as identity

-- stretches --
-- What of a stretch lies below the watermark; of `only`, where that is all that can be filled.
select
    lower(stretches.stretch)::text as low,
    upper(stretches.stretch)::text as high
from (
    select
        unnest(
            tstzmultirange(
                tstzrange(
                    least(
                        greatest(%(low)s::timestamptz, %(start)s::timestamptz),
                        %(watermark)s::timestamptz
                    ),
                    least(%(high)s::timestamptz, %(watermark)s::timestamptz)
                )
            )
            * %(only)s::tstzmultirange
        ) as stretch
) as stretches
order by stretches.stretch

-- undoable --
-- A run that can be taken back.
select
    runs.low::text as low,
    runs.high::text as high
from orchestrator.runs as runs
where
    runs.run_id = %(run_id)s
    and runs.pipeline_id = %(pipeline_id)s
    and runs.kind in ('window', 'sweep', 'backfill', 'reconcile')
    and runs.status = 'succeeded'

-- undone --
-- Whether a run was taken back.
select undos.run_id
from orchestrator.runs as undos
where
    undos.parent_run_id = %(run_id)s
    and undos.pipeline_id = %(pipeline_id)s
    and undos.kind = 'undo'
    and undos.status = 'succeeded'

-- edges --
-- Moments as the cursor has them: on the wall clock of its zone if it has none of its own. Where
-- that clock is set back in autumn an hour comes twice; an hour more on both sides holds whatever
-- was meant.
select
    jsonb_object_agg(
        edges.name,
        case
            when not %(is_naive)s then edges.moment::text
            else ((edges.moment at time zone %(zone)s::text) + edges.slack)::text
        end
    ) as edges
from (
    values
    ('low', %(low)s::timestamptz, -%(slack)s::interval),
    ('high', %(high)s::timestamptz, %(slack)s::interval),
    ('start', %(start)s::timestamptz, -%(slack)s::interval),
    ('ahead', %(clock)s::timestamptz + interval '1 day', %(slack)s::interval),
    (
        'behind',
        greatest(
            least(%(low)s::timestamptz, %(since)s::timestamptz) - %(lookback)s::interval,
            %(start)s::timestamptz
        ),
        -%(slack)s::interval
    )
) as edges (name, moment, slack)

-- next_window --
-- Where the next window ends: so much after the first row that is not loaded, at most at the
-- settled bound, never before the watermark (a clock went back, or a transaction holds the bound).
select
    next_window.high::text as high,
    next_window.high >= next_window.settled as is_last,
    first.moment::text as moment,
    coalesce(
        extract(epoch from next_window.high - %(origin)s::timestamptz)
        / nullif(extract(epoch from next_window.settled - %(origin)s::timestamptz), 0),
        0
    ) as share
from (
    -- One row whether there is one or not; an index gives it, and a foreign server one row.
    select (
        select {{ moment }}
        from {{ source }} as source
        where {{ scope }}
        order by {{ cursor }}
        limit 1
    ) as moment
) as first
cross join lateral (
    select
        greatest(%(low)s::timestamptz, %(settled)s::timestamptz) as settled,
        case
            when first.moment is null
                then greatest(%(low)s::timestamptz, %(settled)s::timestamptz)
            else least(
                greatest(%(low)s::timestamptz, %(settled)s::timestamptz),
                -- The hour that comes twice in autumn may be taken for the earlier one.
                greatest(%(low)s::timestamptz, first.moment)
                + %(size)s::interval * %(share)s::double precision
            )
        end as high
) as next_window

-- preflight --
-- What decides how well a relation can be read.
select
    has_table_privilege(relations.oid, 'select') as is_readable,
    exists (
        select
        from pg_index as indexes
        inner join pg_attribute as attributes
            on attributes.attrelid = indexes.indrelid and attributes.attnum = indexes.indkey[0]
        inner join pg_class as names on names.oid = indexes.indexrelid
        inner join pg_am as methods on methods.oid = names.relam
        where
            indexes.indrelid = relations.oid
            and indexes.indisvalid
            and indexes.indpred is null
            and attributes.attname = %(cursor)s
            and methods.amname = 'btree'
    ) as has_index,
    (
        select pg_get_expr(defaults.adbin, defaults.adrelid)
        from pg_attrdef as defaults
        inner join pg_attribute as attributes
            on attributes.attrelid = defaults.adrelid and attributes.attnum = defaults.adnum
        where defaults.adrelid = relations.oid and attributes.attname = %(cursor)s
    ) as cursor_default
from pg_class as relations
where relations.oid = to_regclass(%(relation)s)
