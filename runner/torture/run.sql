-- create --
-- Creates a source, naive copies of it, and three pipelines whose settings exercise every guard:
-- with windows of two seconds, and without waiting long for open transactions. Rows of the source
-- do change, also for the pipeline whose mode is append.
create schema shop;
create schema warehouse;

create table shop.orders (
    order_id bigint generated always as identity primary key,
    story text not null,
    amount numeric(12, 2) not null,
    note jsonb,
    changed_at timestamptz default now(),
    state integer default 0
);

-- Windows and the naive copies read by it.
create index on shop.orders (changed_at);

create table warehouse.after_max (like shop.orders);
-- Finds the highest time.
create index on warehouse.after_max (changed_at);

create table warehouse.from_max (like shop.orders including indexes);

insert into orchestrator.pipeline_definitions (
    pipeline_name,
    source_relation,
    target_relation,
    cursor_column,
    key_columns,
    write_mode,
    window_size,
    lookback,
    max_hold,
    sweep_every,
    on_delete
)
select
    modes.name as pipeline_name,
    'shop.orders' as source_relation,
    'warehouse.raw_' || modes.name as target_relation,
    'changed_at' as cursor_column,
    '{order_id}' as key_columns,
    modes.write_mode,
    interval '2 seconds' as window_size,
    interval '12 hours' as lookback,
    interval '500 milliseconds' as max_hold,
    null as sweep_every,
    'apply' as on_delete
from (
    values ('upsert', 'upsert'), ('append', 'append'), ('hidden', 'upsert')
) as modes (name, write_mode);

-- left_over --
-- The database and the role of an earlier torture test, if they have the name that this one uses.
select 'database' as kind
from pg_database as databases
where databases.datname = %(name)s
union all
select 'role' as kind
from pg_roles as roles
where roles.rolname = %(name)s

-- role --
-- The role that has the name of the database, if there is one.
select roles.rolname as name
from pg_roles as roles
where roles.rolname = current_database()

-- hide --
-- Lets the third pipeline read as a role from which row security, while it is enabled, hides half
-- of the rows; hidings records when it was enabled.
create table shop.hidings (
    is_hidden boolean not null,
    since timestamptz not null default clock_timestamp()
);

create policy half on shop.orders to {{ role }} using (order_id % 2 = 0);
grant {{ role }} to current_user;
grant usage on schema shop, orchestrator to {{ role }};
grant usage, create on schema warehouse to {{ role }};
grant select on shop.orders to {{ role }};
grant select, insert, update, delete on all tables in schema orchestrator to {{ role }};

-- untrue --
-- The number of runs of the third pipeline while rows were hidden from it, and of those among them
-- that promised something. A run locks its source, so row security does not change before it ends.
select
    count(*) as hidden_runs,
    count(*) filter (where runs.guarantee <> 'best_effort') as untrue
from orchestrator.runs as runs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = runs.pipeline_id
cross join lateral (
    select hidings.is_hidden
    from shop.hidings as hidings
    where hidings.since <= runs.finished_at
    order by hidings.since desc
    limit 1
) as latest
where
    pipelines.pipeline_name = 'hidden'
    and runs.guarantee is not null
    and latest.is_hidden

-- insert --
-- Adds some rows in one of the ways.
insert into shop.orders (story, amount, note, changed_at)
select
    %(story)s as story,
    (random() * 1000)::numeric(12, 2) as amount,
    jsonb_build_object('line', lines.number) as note,
    case %(story)s
        when 'in time' then now()
        when 'clock of the statement' then clock_timestamp()
        when 'a moment ahead' then now() + random() * interval '1500 milliseconds'
        when 'years ahead' then now() + interval '2 years'
        when 'hours back' then now() - random() * interval '5 hours'
        when 'weeks back' then now() - interval '2 days' - random() * interval '30 days'
        when 'without a time' then null
        when 'infinite' then 'infinity'
        when 'minus infinite' then '-infinity'
    end as changed_at
from generate_series(1, %(rows)s) as lines (number)

-- update --
-- Changes some rows, and sets their cursor, leaves it, or moves it back. Skips rows that another
-- transaction has locked.
update shop.orders as orders
set
    amount = orders.amount + 1,
    story = %(story)s,
    changed_at = case %(story)s
        when 'changed' then now()
        when 'changed, dated back' then now() - random() * interval '5 hours'
        else orders.changed_at
    end
where
    orders.order_id in (
        select chosen.order_id
        from shop.orders as chosen
        where
            chosen.order_id >= (
                select
                    case
                        when %(recent)s then ids.last_value - 200
                        else (%(place)s * ids.last_value)::bigint
                    end
                from shop.orders_order_id_seq as ids
            )
        order by chosen.order_id
        limit %(rows)s
        for update skip locked
    )

-- alter --
-- Recreates a column with another default: all rows have another value then, but no row was
-- written.
alter table shop.orders
drop column state,
add column state integer default {{ number }}

-- delete --
-- Deletes a tenth of the rows.
delete from shop.orders
where order_id %% 10 = %(digit)s

-- after_max --
-- The first naive protocol: reads cursors above the highest one. It leaves out cursors in the
-- future, after which it would read nothing.
insert into warehouse.after_max (order_id, story, amount, note, changed_at)
select
    orders.order_id,
    orders.story,
    orders.amount,
    orders.note,
    orders.changed_at
from shop.orders as orders
where
    orders.changed_at > (
        select coalesce(max(stored.changed_at), '-infinity')
        from warehouse.after_max as stored
    )
    and orders.changed_at <= clock_timestamp()

-- from_max --
-- The second naive protocol: reads equal cursors again, and replaces rows by their key.
insert into warehouse.from_max (order_id, story, amount, note, changed_at)
select
    orders.order_id,
    orders.story,
    orders.amount,
    orders.note,
    orders.changed_at
from shop.orders as orders
where
    orders.changed_at >= (
        select coalesce(max(stored.changed_at), '-infinity')
        from warehouse.from_max as stored
    )
    and orders.changed_at <= clock_timestamp()
on conflict (order_id) do update set
    story = excluded.story,
    amount = excluded.amount,
    note = excluded.note,
    changed_at = excluded.changed_at

-- kill --
-- Ends a server process of an ingest: one that copies rows, or one that writes evidence.
select pg_terminate_backend(victims.pid) as is_ended
from (
    select activity.pid
    from pg_stat_activity as activity
    where
        activity.datname = current_database()
        and activity.application_name like 'milepost ingest, evidence%%'
        and %(evidence)s
    union all
    select locks.pid
    from pg_locks as locks
    inner join pg_stat_activity as activity on activity.pid = locks.pid
    where
        activity.datname = current_database()
        and locks.locktype = 'advisory'
        and locks.classid = %(pipeline_lock)s
        and locks.objsubid = 2
        and locks.granted
        and not %(evidence)s
) as victims
order by random()
limit 1

-- progress --
-- Counts rows and runs.
select
    (select ids.last_value from shop.orders_order_id_seq as ids) as rows,
    count(*) filter (where runs.status = 'succeeded') as succeeded
from orchestrator.runs as runs

-- has_replica --
-- Whether the replica exists yet: the first run creates it.
select to_regclass('{{ replica }}') is not null as found

-- audit --
-- During the test: rows that the last run with the guarantee "exact" should have copied and did
-- not. These are the rows that no transaction has written since the oldest one that was open at
-- that run, and whose cursor is in its window or lookback, null or -infinity. {{ replica }} is that
-- of the pipeline.
with promised as (
    select
        runs.run_id,
        runs.low - pipelines.lookback as low,
        runs.high,
        runs.horizon
    from orchestrator.runs as runs
    inner join orchestrator.pipeline_definitions as pipelines
        on pipelines.pipeline_id = runs.pipeline_id
    where
        pipelines.pipeline_name = %(pipeline)s
        and runs.status = 'succeeded'
        and runs.guarantee = 'exact'
        and runs.horizon_scope in ('lookback', 'table')
    order by runs.run_id desc
    limit 1
)

select
    %(pipeline)s as pipeline,
    promised.run_id,
    orders.order_id,
    orders.story,
    orders.changed_at::text as changed_at
from promised
inner join shop.orders as orders
    on age(orders.xmin) > age(promised.horizon::xid)
    and (
        (orders.changed_at >= promised.low and orders.changed_at < promised.high)
        or orders.changed_at is null
        or orders.changed_at = '-infinity'
    )
left join {{ replica }} as stored
    on stored.order_id = orders.order_id
    and (stored.story, stored.amount, stored.note, stored.changed_at) is not distinct from
    (orders.story, orders.amount, orders.note, orders.changed_at)
where stored.order_id is null
order by orders.order_id
limit 10

-- compare --
-- Compares {{ replica }} with the source, in both directions; with `whole` false, without the rows
-- that only a sweep finds. Only replicas have the column that is recreated during the test.
with wanted as (
    select
        orders.order_id,
        orders.story,
        orders.amount,
        orders.note,
        orders.changed_at,
        {{ state }} as state
    from shop.orders as orders
    -- Rows dated in the future are read later.
    where orders.changed_at is null or orders.changed_at < now()
),

found as (
    select
        stored.order_id,
        stored.story,
        stored.amount,
        stored.note,
        stored.changed_at,
        {{ state }} as state
    from {{ replica }} as stored
),

lacking as (
    table wanted
    except all
    table found
),

copies as (
    select
        found.order_id,
        count(*) as count
    from found
    group by found.order_id
)

select
    (select count(*) from found) as rows,
    count(lacking.order_id) filter (where copies.order_id is null) as missing,
    count(lacking.order_id) filter (where copies.order_id is not null) as stale,
    (select coalesce(sum(copies.count - 1), 0)::bigint from copies) as doubled,
    (
        select count(*)
        from copies
        where not exists (select from wanted where wanted.order_id = copies.order_id)
    ) as surplus
from lacking
left join copies on copies.order_id = lacking.order_id
where
    %(whole)s
    or lacking.changed_at is null
    or not isfinite(lacking.changed_at)
    or lacking.changed_at > now() - interval '1 day'

-- stories --
-- For each way of writing: how many rows were written, and how many of them a replica lacks or has
-- with other values.
select
    orders.story,
    count(*) as written,
    count(*) filter (
        where stored.order_id is null and (orders.changed_at is null or orders.changed_at < now())
    ) as lost
from shop.orders as orders
left join (
    -- A replica without a key may have a row twice.
    select distinct
        replica.order_id,
        replica.story,
        replica.amount,
        replica.note,
        replica.changed_at
    from {{ replica }} as replica
) as stored
    on stored.order_id = orders.order_id
    and (stored.story, stored.amount, stored.note, stored.changed_at) is not distinct from
    (orders.story, orders.amount, orders.note, orders.changed_at)
group by orders.story
order by written desc, orders.story

-- sample --
-- Some rows that a replica lacks or has with other values, and the runs whose window contains them;
-- with `whole` false, without the rows that only a sweep finds.
select
    %(pipeline)s as pipeline,
    orders.order_id,
    orders.story,
    orders.changed_at::text as changed_at,
    exists (
        select
        from {{ replica }} as stored
        where stored.order_id = orders.order_id
    ) as is_stale,
    array(
        select runs.run_id
        from orchestrator.runs as runs
        inner join orchestrator.pipeline_definitions as pipelines
            on pipelines.pipeline_id = runs.pipeline_id
        where
            pipelines.pipeline_name = %(pipeline)s
            and runs.kind = 'window'
            and runs.status = 'succeeded'
            and orders.changed_at >= runs.low
            and orders.changed_at < runs.high
    ) as runs
from shop.orders as orders
where
    (orders.changed_at is null or orders.changed_at < now())
    and not exists (
        select
        from {{ replica }} as stored
        where
            stored.order_id = orders.order_id
            and (stored.story, stored.amount, stored.note, stored.changed_at) is not distinct from
            (orders.story, orders.amount, orders.note, orders.changed_at)
    )
    and (
        %(whole)s
        or orders.changed_at is null
        or not isfinite(orders.changed_at)
        or orders.changed_at > now() - interval '1 day'
    )
order by orders.order_id
limit 10

-- ledger --
-- Counts from the ledger of a pipeline: windows, those that begin inside an earlier one, those that
-- do not begin where the one before ended, and runs that were abandoned or failed.
with runs_here as (
    select
        runs.run_id,
        runs.kind,
        runs.status,
        runs.low,
        runs.high
    from orchestrator.runs as runs
    inner join orchestrator.pipeline_definitions as pipelines
        on pipelines.pipeline_id = runs.pipeline_id
    where pipelines.pipeline_name = %(pipeline)s
),

windows as (
    select
        runs_here.low,
        runs_here.high,
        lag(runs_here.high) over (order by runs_here.run_id) as previous_high,
        max(runs_here.high) over (
            order by runs_here.low, runs_here.high
            rows between unbounded preceding and 1 preceding
        ) as highest
    from runs_here
    where
        runs_here.kind = 'window'
        and runs_here.status = 'succeeded'
)

select
    count(*) as windows,
    count(*) filter (where windows.low < windows.highest and windows.low < windows.high)
        as overlaps,
    count(*) filter (where windows.low <> windows.previous_high) as gaps,
    (
        select count(*)
        from runs_here
        where runs_here.status = 'abandoned'
    ) as abandoned,
    (
        select count(*)
        from runs_here
        where runs_here.status = 'failed'
    ) as failed
from windows
