-- The state of a project: pipelines, runs and what they found, in tables beside the data. There is
-- no state file. This file creates the schema in a new database; schema/migrations brings an older
-- one to the same form.

create schema if not exists orchestrator;
comment on schema orchestrator is
'Pipeline definitions, runs, logs, check results and observations.';

create table if not exists orchestrator.schema_version (
    version integer not null,
    name text not null,
    applied_at timestamptz not null default clock_timestamp(),
    applied_by text not null,
    constraint schema_version_key primary key (version)
);

comment on table orchestrator.schema_version is
'The migrations that brought this schema to its version. One row per migration; a new database '
'begins with all of them.';
comment on column orchestrator.schema_version.version is
'Key: the number of the migration. The highest is the version of the schema.';
comment on column orchestrator.schema_version.name is 'Its name: schema/migrations/NNNN_name.sql.';
comment on column orchestrator.schema_version.applied_at is 'When it was applied.';
comment on column orchestrator.schema_version.applied_by is
'The version of Milepost that applied it.';

create table if not exists orchestrator.pipeline_definitions (
    pipeline_id integer generated always as identity,
    pipeline_name text not null,
    source_relation text not null,
    target_relation text,
    cursor_column text not null,
    key_columns text[] not null default '{}',
    write_mode text not null default 'append',
    window_size interval not null default '1 year',
    start_at timestamptz not null default '-infinity',
    is_enabled boolean not null default true,
    owner text,
    description text,
    freshness_warn_after interval,
    freshness_fail_after interval,
    created_at timestamptz not null default now(),
    lookback interval not null default '1 day',
    sweep_every interval default '1 day',
    max_hold interval not null default '10 minutes',
    odd_cursors text not null default 'include',
    on_delete text not null default 'report',
    max_rejected_share numeric not null default 0.01,
    cursor_timezone text not null default 'UTC',
    column_types jsonb not null default '{}',
    clock_relation text,
    event_column text,
    data_warn_after interval,
    data_fail_after interval,
    quiet_gaps numeric default 3,
    on_column_drop text not null default 'fail',
    constraint pipeline_definitions_key primary key (pipeline_id),
    constraint pipeline_names_are_unique unique (pipeline_name),
    constraint source_relation_names_its_schema check (source_relation ~ '^[^.]+[.][^.]+$'),
    constraint target_relation_names_its_schema check (target_relation ~ '^[^.]+[.][^.]+$'),
    constraint write_mode_is_append_or_upsert check (write_mode in ('append', 'upsert')),
    constraint upsert_has_key_columns check (write_mode = 'append' or cardinality(key_columns) > 0),
    constraint window_size_is_positive check (window_size > interval '0'),
    constraint lookback_is_not_negative check (lookback >= interval '0'),
    constraint odd_cursors_is_known check (odd_cursors in ('include', 'quarantine', 'fail')),
    constraint on_delete_is_known check (on_delete in ('report', 'mark', 'apply')),
    constraint max_rejected_share_is_a_share check (max_rejected_share between 0 and 1),
    constraint column_types_is_an_object check (jsonb_typeof(column_types) = 'object'),
    constraint clock_relation_names_its_schema check (clock_relation ~ '^[^.]+[.][^.]+$'),
    constraint quiet_gaps_is_positive check (quiet_gaps > 0),
    constraint on_column_drop_is_known check (on_column_drop in ('fail', 'warn', 'follow')),
    constraint replica_is_one_that_scripts_can_name
    check (target_relation ~ '^warehouse[.]raw_.'),
    constraint replica_name_is_not_cut check (
        octet_length(
            split_part(
                coalesce(target_relation, 'warehouse.raw_' || split_part(source_relation, '.', 2)),
                '.',
                2
            )
        ) <= 63
    )
);

comment on table orchestrator.pipeline_definitions is
'One row per pipeline: a new source is a new row and nothing else.';
comment on column orchestrator.pipeline_definitions.pipeline_id is 'Key, given by the database.';
comment on column orchestrator.pipeline_definitions.pipeline_name is
'What people call it.';
comment on column orchestrator.pipeline_definitions.source_relation is
'Schema and table that rows are read from.';
comment on column orchestrator.pipeline_definitions.target_relation is
'Schema and table of the replica; null means warehouse.raw_<table>. A manifest calls it '
'raw.<table>.';
comment on column orchestrator.pipeline_definitions.cursor_column is
'Column of the source that says when a row was written; a timestamp, never before its transaction '
'began.';
comment on column orchestrator.pipeline_definitions.key_columns is
'Columns that identify a row of the source.';
comment on column orchestrator.pipeline_definitions.write_mode is
'append: rows are only ever added. upsert: a row that is read again replaces its earlier version.';
comment on column orchestrator.pipeline_definitions.window_size is
'How much of the cursor the first transaction takes at most while catching up, and less if more '
'than two million rows are expected of it; the next ones adapt to time and rows.';
comment on column orchestrator.pipeline_definitions.start_at is
'Rows with an older cursor are never read.';
comment on column orchestrator.pipeline_definitions.is_enabled is
'Whether a plain `ingest` takes this pipeline.';
comment on column orchestrator.pipeline_definitions.owner is 'Owner of the pipeline.';
comment on column orchestrator.pipeline_definitions.description is
'What the pipeline loads, in a sentence.';
comment on column orchestrator.pipeline_definitions.freshness_warn_after is
'Age of the watermark at which reporting.freshness says late; null: never.';
comment on column orchestrator.pipeline_definitions.freshness_fail_after is
'Age of the watermark at which reporting.freshness says stale; null: never.';
comment on column orchestrator.pipeline_definitions.created_at is 'When the row was added.';
comment on column orchestrator.pipeline_definitions.lookback is
'How far behind the watermark every run looks for rows that were late or have changed.';
comment on column orchestrator.pipeline_definitions.sweep_every is
'How often an ingest looks through the whole source for them; null: only when asked to.';
comment on column orchestrator.pipeline_definitions.max_hold is
'How long an open transaction may hold the watermark back, where the horizon finds its rows '
'anyway.';
comment on column orchestrator.pipeline_definitions.odd_cursors is
'What becomes of rows whose cursor is null, infinite or over a day ahead of the clock: include '
'them, except for those ahead, which wait for their time; set them aside (quarantine); or fail '
'the run.';
comment on column orchestrator.pipeline_definitions.on_delete is
'What reconcile does with rows that the source no longer has: report them, mark them '
'(_deleted_at), or apply the delete.';
comment on column orchestrator.pipeline_definitions.max_rejected_share is
'Share of the rows read that may be set aside because they cannot be stored; above it the run '
'fails.';
comment on column orchestrator.pipeline_definitions.cursor_timezone is
'What a cursor without a time zone means.';
comment on column orchestrator.pipeline_definitions.column_types is
'Types of the replica that differ from those of the source, as {"column": "type"}: values are '
'cast, and rows whose values do not fit are set aside.';
comment on column orchestrator.pipeline_definitions.clock_relation is
'For a source in another database: the foreign table with its settled bound and its horizon '
'(docs/sources.md).';
comment on column orchestrator.pipeline_definitions.event_column is
'Column of the source that says when something happened, a date or timestamp; null: only the '
'cursor is known.';
comment on column orchestrator.pipeline_definitions.data_warn_after is
'Age of the newest row, by event_column or else by the cursor, at which reporting.freshness says '
'late; null: never.';
comment on column orchestrator.pipeline_definitions.data_fail_after is
'Age of the newest row at which reporting.freshness says stale; null: never.';
comment on column orchestrator.pipeline_definitions.quiet_gaps is
'How many times the usual gap may pass without a new row before reporting.freshness says late; '
'null: any number. The usual gap is the longest between two runs that brought rows, over a month; '
'at first, between days with rows of the first load.';

comment on column orchestrator.pipeline_definitions.on_column_drop is
'What a run does when the source has dropped a column that scripts read: fail before anything '
'changes, warn, or follow. With the last two the column stays in the replica, null in new rows.';

-- Of two pipelines with one replica, each would take all rows for its own.
create unique index if not exists replicas_have_one_pipeline on orchestrator.pipeline_definitions (
    coalesce(target_relation, 'warehouse.raw_' || split_part(source_relation, '.', 2))
);

create table if not exists orchestrator.runs (
    run_id bigint generated always as identity,
    kind text not null,
    status text not null,
    pipeline_id integer,
    target text,
    script text,
    parent_run_id bigint,
    low timestamptz,
    high timestamptz,
    rows_read bigint not null default 0,
    rows_inserted bigint not null default 0,
    rows_updated bigint not null default 0,
    rows_unchanged bigint not null default 0,
    rows_deleted bigint not null default 0,
    rows_rejected bigint not null default 0,
    guarantee text,
    guarantee_note text,
    horizon xid8,
    horizon_scope text,
    horizon_chain text,
    search_elapsed interval,
    newest_event timestamptz,
    newest_arrival timestamptz,
    day_gap interval,
    rows_left bigint,
    sqlstate text,
    error text,
    database_user text not null default session_user,
    host text,
    backend_pid integer,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    elapsed interval generated always as (finished_at - started_at) stored,
    build_mode text,
    constraint runs_key primary key (run_id),
    constraint runs_pipeline foreign key (pipeline_id)
    references orchestrator.pipeline_definitions (pipeline_id),
    constraint kind_is_known check (
        kind in (
            'window',
            'sweep',
            'backfill',
            'reconcile',
            'undo',
            'forget',
            'build',
            'script',
            'rebuild',
            'verify'
        )
    ),
    constraint status_is_known check (
        status in ('running', 'succeeded', 'failed', 'skipped', 'abandoned', 'rolled_back')
    ),
    constraint guarantee_is_known check (
        guarantee in ('exact', 'settled', 'lookback', 'best_effort')
    ),
    constraint horizon_scope_is_known check (horizon_scope in ('window', 'lookback', 'table')),
    constraint build_mode_is_known check (build_mode in ('full', 'incremental')),
    constraint running_has_no_end check ((status = 'running') = (finished_at is null)),
    constraint succeeded_window_has_bounds check (
        kind <> 'window' or status <> 'succeeded' or (pipeline_id is not null and low <= high)
    ),
    -- A range of one id stands in for `pipeline_id with =`, which would need the extension
    -- btree_gist.
    constraint succeeded_windows_do_not_overlap exclude using gist (
        int4range(pipeline_id, pipeline_id, '[]') with &&,
        tstzrange(low, high) with &&
    ) where (kind = 'window' and status = 'succeeded')
);

comment on table orchestrator.runs is
'Everything that was attempted: a window of a pipeline, a build, a script. One row per attempt.';
comment on column orchestrator.runs.run_id is
'Key. Runs of one pipeline commit in its order, because they hold its lock.';
comment on column orchestrator.runs.kind is 'What was attempted; windows alone move a watermark.';
comment on column orchestrator.runs.status is
'running -> succeeded, failed, skipped, abandoned (its process died) or rolled_back (a script of '
'a failed build; a run that was undone).';
comment on column orchestrator.runs.pipeline_id is 'The pipeline, for the kinds that ingest.';
comment on column orchestrator.runs.target is 'The target built into; live is what readers see.';
comment on column orchestrator.runs.script is 'layer.script, for kind script.';
comment on column orchestrator.runs.build_mode is
'Whether a script filled its table in full or incrementally; null for other kinds.';
comment on column orchestrator.runs.parent_run_id is
'The build that a script ran in, or the run that an undo took back.';
comment on column orchestrator.runs.low is 'Start of the window, included: the watermark found.';
comment on column orchestrator.runs.high is
'End of the window, excluded: the watermark left, once succeeded.';
comment on column orchestrator.runs.rows_read is 'Rows of the source in the window.';
comment on column orchestrator.runs.rows_inserted is 'Rows added.';
comment on column orchestrator.runs.rows_updated is 'Rows replaced by a different one.';
comment on column orchestrator.runs.rows_unchanged is
'Rows that were read again and had not changed.';
comment on column orchestrator.runs.rows_deleted is
'Rows deleted. A script that replaces the rows of changed keys deletes and inserts them all, also '
'those that stay the same.';
comment on column orchestrator.runs.rows_rejected is
'Rows set aside because they could not be stored.';
comment on column orchestrator.runs.guarantee is
'What is promised: exact, settled, lookback or best_effort; docs/sources.md explains each.';
comment on column orchestrator.runs.guarantee_note is
'What that means for this run, in a sentence.';
comment on column orchestrator.runs.horizon is
'Oldest transaction of the source that was still open in the snapshot that read the rows: what a '
'later run has to read again was written by it or by a later one.';
comment on column orchestrator.runs.horizon_scope is
'Which rows were compared with the horizon of the run before: those of the window, those of the '
'lookback too, or the whole table.';
comment on column orchestrator.runs.horizon_chain is
'Server, database, replica and columns: horizons of one chain can be compared.';
comment on column orchestrator.runs.search_elapsed is
'How long it took to search the whole table for what was written since that horizon; null where it '
'was not searched, or compared in full.';
comment on column orchestrator.runs.newest_event is
'The newest event_column among the rows read, those over a day ahead left out; null where no row '
'was read.';
comment on column orchestrator.runs.newest_arrival is
'The newest cursor among them, likewise.';
comment on column orchestrator.runs.day_gap is
'The longest time between days with rows, in the 30 days before the newest of them; only of '
'windows of a first load that span a week.';
comment on column orchestrator.runs.rows_left is
'Rows of the replica that a reconcile no longer found in the source, and left in place.';
comment on column orchestrator.runs.sqlstate is 'The error class of PostgreSQL, for a failed run.';
comment on column orchestrator.runs.error is
'Why it failed, with file and line where there is one; or who held the lock, if it was skipped.';
comment on column orchestrator.runs.database_user is 'Who ran it.';
comment on column orchestrator.runs.host is 'Machine and process of the runner.';
comment on column orchestrator.runs.backend_pid is 'Server process that did the work.';
comment on column orchestrator.runs.started_at is 'When it began.';
comment on column orchestrator.runs.finished_at is 'When it ended; null while running.';
comment on column orchestrator.runs.elapsed is 'How long it took.';

-- The watermark of a pipeline is the highest of these.
create index if not exists runs_windows on orchestrator.runs (pipeline_id, high)
where kind = 'window' and status in ('succeeded', 'rolled_back');
-- The last sweep of a pipeline.
create index if not exists runs_sweeps on orchestrator.runs (pipeline_id, run_id)
where horizon_scope = 'table';
-- The newest rows of a pipeline, and the gaps between those that brought some.
create index if not exists runs_arrivals on orchestrator.runs (pipeline_id, newest_arrival)
include (newest_event) where status = 'succeeded' and newest_arrival is not null;
-- What a build has to consume: the runs of a pipeline after a position.
create index if not exists runs_by_pipeline on orchestrator.runs (pipeline_id, run_id);
-- The scripts of a build.
create index if not exists runs_by_parent on orchestrator.runs (parent_run_id)
where parent_run_id is not null;
-- Recent durations of a script.
create index if not exists runs_by_script on orchestrator.runs (
    target, script, build_mode, run_id
)
where kind = 'script' and status = 'succeeded';
-- The last build of a target.
create index if not exists runs_by_target on orchestrator.runs (target, run_id)
where kind in ('build', 'rebuild', 'verify');
-- Runs that were undone, to know which horizons still count.
create index if not exists runs_undone on orchestrator.runs (pipeline_id, run_id)
where kind = 'undo';
-- Running runs, among which are those whose process has died.
create index if not exists runs_running on orchestrator.runs (run_id) where status = 'running';

create table if not exists orchestrator.build_inputs (
    run_id bigint not null,
    pipeline_id integer not null,
    after_run_id bigint not null,
    through_run_id bigint not null,
    replica_file bigint,
    constraint build_inputs_key primary key (run_id, pipeline_id),
    constraint build_inputs_run foreign key (run_id) references orchestrator.runs (run_id),
    constraint positions_go_forward check (after_run_id <= through_run_id)
);

comment on table orchestrator.build_inputs is
'Which ingest runs a succeeded build consumed. One row per build and pipeline; committed with the '
'build.';
comment on column orchestrator.build_inputs.run_id is 'The build.';
comment on column orchestrator.build_inputs.pipeline_id is 'The pipeline.';
comment on column orchestrator.build_inputs.after_run_id is
'The last run of the pipeline that an earlier build had consumed.';
comment on column orchestrator.build_inputs.through_run_id is
'The last run of the pipeline that this build consumed.';
comment on column orchestrator.build_inputs.replica_file is
'The file that held the rows of the replica: another one after it was truncated or created again. '
'0 once rows were forgotten that the build had read: the next build fills all tables in full.';

create table if not exists orchestrator.built_scripts (
    target text not null,
    script text not null,
    run_id bigint not null,
    fingerprint text not null,
    table_oids oid[] not null,
    built_at timestamptz not null default clock_timestamp(),
    constraint built_scripts_key primary key (target, script),
    constraint built_scripts_run foreign key (run_id) references orchestrator.runs (run_id)
);

comment on table orchestrator.built_scripts is
'What the tables of a target were built from. One row per target and script; committed with the '
'build.';
comment on column orchestrator.built_scripts.target is 'The target.';
comment on column orchestrator.built_scripts.script is 'layer.script.';
comment on column orchestrator.built_scripts.run_id is 'The build that ran it last.';
comment on column orchestrator.built_scripts.fingerprint is
'Hash of its SQL, its DDL, its checks, its needs and their variables.';
comment on column orchestrator.built_scripts.table_oids is
'The tables it filled, by name: another one in their place has never been built.';
comment on column orchestrator.built_scripts.built_at is 'When that was.';

create table if not exists orchestrator.left_tables (
    target text not null,
    script text not null,
    table_name text not null,
    table_oid oid not null,
    left_at timestamptz not null default clock_timestamp(),
    constraint left_tables_key primary key (table_oid)
);

comment on table orchestrator.left_tables is
'Tables whose script has left the manifest. One row per table that a build found without one; '
'`prune` drops those that still exist.';
comment on column orchestrator.left_tables.target is 'The target.';
comment on column orchestrator.left_tables.script is 'layer.script, which filled it.';
comment on column orchestrator.left_tables.table_name is 'Its schema and name at that time.';
comment on column orchestrator.left_tables.table_oid is
'Key: the table itself; a later table of the same name is not ours.';
comment on column orchestrator.left_tables.left_at is
'When a build first found it without a script.';

create table if not exists orchestrator.replaced_rows (
    replaced_row_id bigint generated always as identity,
    run_id bigint not null,
    pipeline_id integer not null,
    key jsonb not null,
    old_row jsonb not null,
    old_texts jsonb,
    constraint replaced_rows_key primary key (replaced_row_id),
    constraint replaced_rows_run foreign key (run_id) references orchestrator.runs (run_id)
);

comment on table orchestrator.replaced_rows is
'Every row of a replica as it was before an update or delete. Written in the transaction that '
'replaced it.';
comment on column orchestrator.replaced_rows.replaced_row_id is 'Key, given by the database.';
comment on column orchestrator.replaced_rows.run_id is 'The run that replaced the row.';
comment on column orchestrator.replaced_rows.pipeline_id is 'Its pipeline.';
comment on column orchestrator.replaced_rows.key is 'Key columns and their values.';
comment on column orchestrator.replaced_rows.old_row is
'The whole row, with the run that had loaded it, for scripts to read.';
comment on column orchestrator.replaced_rows.old_texts is
'Values that JSON cannot hold exactly, as PostgreSQL writes them; an undo restores these. Null in '
'rows that an earlier version of Milepost wrote.';

create table if not exists orchestrator.pruned_runs (
    pipeline_id integer not null,
    through_run_id bigint not null,
    covered tstzmultirange not null default '{}',
    pruned_at timestamptz not null default clock_timestamp(),
    constraint pruned_runs_key primary key (pipeline_id)
);

comment on table orchestrator.pruned_runs is
'What is kept of runs that `prune` has deleted. One row per pipeline.';
comment on column orchestrator.pruned_runs.pipeline_id is 'Key: the pipeline.';
comment on column orchestrator.pruned_runs.through_run_id is
'This run and earlier ones cannot be undone: the rows that they replaced, or an undo of them, are '
'no longer known.';
comment on column orchestrator.pruned_runs.covered is
'The part of the source that they had read, by its cursor.';
comment on column orchestrator.pruned_runs.pruned_at is 'When runs were last deleted.';

create table if not exists orchestrator.archived_months (
    pipeline_id integer not null,
    low timestamptz not null,
    high timestamptz not null,
    rows bigint not null,
    run_ids int8multirange not null,
    file_name text not null,
    sha256 text not null,
    archived_at timestamptz not null default clock_timestamp(),
    constraint archived_months_key primary key (pipeline_id, low),
    constraint archived_months_pipeline foreign key (pipeline_id)
    references orchestrator.pipeline_definitions (pipeline_id),
    constraint month_has_an_end check (low < high)
);

comment on table orchestrator.archived_months is
'Months of replicas that were archived in a file. One row per month; committed with the drop of '
'its rows. Source rows from before the end of the newest are no longer read.';
comment on column orchestrator.archived_months.pipeline_id is 'Key, first part: the pipeline.';
comment on column orchestrator.archived_months.low is
'Key, second part: start of the month, by the cursor, included.';
comment on column orchestrator.archived_months.high is 'Its end, excluded.';
comment on column orchestrator.archived_months.rows is 'Rows of the file, and of the month.';
comment on column orchestrator.archived_months.run_ids is
'The runs that had loaded them: these cannot be undone.';
comment on column orchestrator.archived_months.file_name is
'The file, as its folder was named on the command line.';
comment on column orchestrator.archived_months.sha256 is 'Hash of the content of the file.';
comment on column orchestrator.archived_months.archived_at is 'When that was.';

-- For a partitioned table, that of its default partition: all partitions are truncated and created
-- together.
create or replace function orchestrator.storage_file(replica regclass) returns bigint
language sql stable parallel safe
return coalesce(
    pg_relation_filenode(replica),
    (
        select pg_relation_filenode(tables.partdefid)
        from pg_partitioned_table as tables
        where tables.partrelid = replica
    )
);

comment on function orchestrator.storage_file(regclass) is
'The file that holds the rows of a replica: another one after it was emptied or created again.';

-- JSON cannot hold some values, such as a null byte or an infinite number.
create or replace function orchestrator.readable(value anyelement)
returns jsonb
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return to_jsonb(value);
exception
    when data_exception or program_limit_exceeded then
        return to_jsonb(concat(value));
end;
$$;
comment on function orchestrator.readable is
'A value as JSON, or as a JSON string where JSON cannot hold it.';

-- A row may have been set aside because of its key.
create or replace function orchestrator.row_of_key(key jsonb, table_row anyelement)
returns anyelement
language plpgsql
stable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return jsonb_populate_record(table_row, key);
exception
    when data_exception or integrity_constraint_violation or syntax_error then
        return null;
end;
$$;
comment on function orchestrator.row_of_key is
'A row of a table with nothing in it but a key; null where the key does not fit the table.';

-- Times that a source has as text, such as a file, are cast to column_types through this, in arrays
-- and ranges too. PostgreSQL itself would accept `today` and 26-01-05, and would drop an offset
-- where the type has none.
create or replace function orchestrator.year_first(value text, takes_offset boolean)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    clock text := '([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d([.]\d+)?)?'
        || case when takes_offset then '( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?' else '' end;
begin
    if
        value !~ format(
            '^([][(){}," ]|(empty|NULL|\d{4}-\d\d-\d\d([ T]%1$s)?|%1$s)(?!\w))*$', clock
        )
    then
        raise exception 'not a time written year first%, as 2026-01-31 10:00:00: %',
            case when not takes_offset then ' and without an offset' else '' end,
            left(value, 100)
            using errcode = 'invalid_datetime_format';
    end if;
    return value;
end;
$$;
comment on function orchestrator.year_first is
'A time in text as it is, if it is written year first: the order of any other would be a guess.';

create or replace function orchestrator.moment(value text, moment anyelement)
returns anyelement
language plpgsql
stable
parallel safe
as $$
begin
    moment := orchestrator.year_first(
        value, pg_typeof(moment) = 'timestamp with time zone'::regtype
    );
    return moment;
exception
    when data_exception then
        return null;
end;
$$;
comment on function orchestrator.moment is
'A time in text as a moment of the given type; null where it is none, or not written year first.';

-- Builds look up what the runs of a pipeline replaced, prune what refers to a run.
create index if not exists replaced_rows_by_run on orchestrator.replaced_rows (run_id, pipeline_id);

create table if not exists orchestrator.rejected_rows (
    rejected_row_id bigint generated always as identity,
    run_id bigint not null,
    pipeline_id integer not null,
    key jsonb,
    source_row jsonb not null,
    reason text not null,
    sqlstate text,
    resolved_run_id bigint,
    rejected_at timestamptz not null default clock_timestamp(),
    constraint rejected_rows_key primary key (rejected_row_id),
    constraint rejected_rows_run foreign key (run_id) references orchestrator.runs (run_id),
    constraint rejected_rows_resolved foreign key (resolved_run_id)
    references orchestrator.runs (run_id)
);

comment on table orchestrator.rejected_rows is
'The quarantine: rows of a source that could not be stored. One row per row and run that met it; '
'written in the transaction of the run.';
comment on column orchestrator.rejected_rows.rejected_row_id is 'Key, given by the database.';
comment on column orchestrator.rejected_rows.run_id is 'The run that set the row aside.';
comment on column orchestrator.rejected_rows.pipeline_id is 'Its pipeline.';
comment on column orchestrator.rejected_rows.key is
'Key columns and their values; null where the pipeline has no key.';
comment on column orchestrator.rejected_rows.source_row is 'The whole row, as the source had it.';
comment on column orchestrator.rejected_rows.reason is 'Why it could not be stored.';
comment on column orchestrator.rejected_rows.sqlstate is 'The error class of PostgreSQL.';
comment on column orchestrator.rejected_rows.resolved_run_id is
'The run that read the row again and stored it, or set it aside once more; null while it waits.';
comment on column orchestrator.rejected_rows.rejected_at is 'When that was.';

-- For prune: what refers to a run.
create index if not exists rejected_rows_by_run on orchestrator.rejected_rows (run_id);
-- The same for resolved_run_id.
create index if not exists rejected_rows_by_resolved on orchestrator.rejected_rows (resolved_run_id)
where resolved_run_id is not null;
-- Rows of a pipeline that still wait.
create index if not exists rejected_rows_waiting on orchestrator.rejected_rows (pipeline_id)
where resolved_run_id is null;

create table if not exists orchestrator.logs (
    log_id bigint generated always as identity,
    run_id bigint,
    pipeline_id integer,
    level text not null,
    message text not null,
    context jsonb not null default '{}',
    logged_at timestamptz not null default clock_timestamp(),
    constraint logs_key primary key (log_id),
    constraint level_is_known check (level in ('debug', 'info', 'warning', 'error'))
);

comment on table orchestrator.logs is 'Messages of runs. One row per message.';
comment on column orchestrator.logs.log_id is 'Key, given by the database.';
comment on column orchestrator.logs.run_id is 'The run; null if none had started.';
comment on column orchestrator.logs.pipeline_id is 'The pipeline, where there is one.';
comment on column orchestrator.logs.level is 'debug, info, warning or error.';
comment on column orchestrator.logs.message is 'The sentence.';
comment on column orchestrator.logs.context is 'Figures that belong to it.';
comment on column orchestrator.logs.logged_at is 'When it was logged.';

-- The messages of one run.
create index if not exists logs_by_run on orchestrator.logs (run_id);

create table if not exists orchestrator.check_results (
    check_result_id bigint generated always as identity,
    run_id bigint not null,
    script text not null,
    check_name text not null,
    status text not null,
    bad_rows bigint not null,
    sample jsonb not null default '[]',
    checked_at timestamptz not null default clock_timestamp(),
    constraint check_results_key primary key (check_result_id),
    constraint check_status_is_known check (status in ('passed', 'warned', 'failed')),
    constraint passed_means_no_bad_rows check ((status = 'passed') = (bad_rows = 0))
);

comment on table orchestrator.check_results is
'What each check of each build found. One row per build and check.';
comment on column orchestrator.check_results.check_result_id is 'Key, given by the database.';
comment on column orchestrator.check_results.run_id is 'The build.';
comment on column orchestrator.check_results.script is 'layer.script whose rows were checked.';
comment on column orchestrator.check_results.check_name is
'Name of the check: its file without .check.sql.';
comment on column orchestrator.check_results.status is 'failed stops a build; warned does not.';
comment on column orchestrator.check_results.bad_rows is 'Rows that the check returned.';
comment on column orchestrator.check_results.sample is 'The first of them.';
comment on column orchestrator.check_results.checked_at is 'When it was checked.';

-- The checks of one build.
create index if not exists check_results_by_run on orchestrator.check_results (run_id);

create table if not exists orchestrator.observations (
    run_id bigint not null,
    script text not null,
    observation_name text not null,
    position integer not null,
    label text not null,
    value numeric,
    observed_at timestamptz not null default clock_timestamp(),
    constraint observations_key primary key (run_id, script, observation_name, position)
);

comment on table orchestrator.observations is
'What builds measured besides their checks, such as how late rows arrived. One row per build, '
'observation and label; kept even if the build fails.';
comment on column orchestrator.observations.run_id is 'The build.';
comment on column orchestrator.observations.script is 'layer.script after which it was observed.';
comment on column orchestrator.observations.observation_name is
'Name of the observation: its file without .observe.sql.';
comment on column orchestrator.observations.position is 'Position among its rows, from 1.';
comment on column orchestrator.observations.label is 'What was counted.';
comment on column orchestrator.observations.value is 'How much of it.';
comment on column orchestrator.observations.observed_at is 'When it was observed.';

create table if not exists orchestrator.restatements (
    restatement_id bigint generated always as identity,
    run_id bigint not null,
    table_name text not null,
    key jsonb not null,
    day date,
    is_last_day boolean not null,
    before jsonb not null,
    after jsonb,
    constraint restatements_key primary key (restatement_id)
);

comment on table orchestrator.restatements is
'Rows that readers had seen and that a build changed or deleted, in tables whose script is '
'restated. One row per such row; committed with the build.';
comment on column orchestrator.restatements.restatement_id is 'Key, given by the database.';
comment on column orchestrator.restatements.run_id is 'The build.';
comment on column orchestrator.restatements.table_name is
'layer.table; the run says in which target.';
comment on column orchestrator.restatements.key is 'Key columns and their values.';
comment on column orchestrator.restatements.day is
'The first date in the key; null where it has none.';
comment on column orchestrator.restatements.is_last_day is
'Whether it was the last day published so far, which was still incomplete.';
comment on column orchestrator.restatements.before is
'What readers had seen, in the columns that changed.';
comment on column orchestrator.restatements.after is
'The same columns now; null where the row was deleted.';

-- What one build restated.
create index if not exists restatements_by_run on orchestrator.restatements (run_id);

create table if not exists orchestrator.targets (
    target text not null,
    owner text,
    recorded_at timestamptz not null default clock_timestamp(),
    constraint targets_key primary key (target)
);

comment on table orchestrator.targets is
'Which project a target belongs to. One row per target that has been built; committed with the '
'build.';
comment on column orchestrator.targets.target is 'The target.';
comment on column orchestrator.targets.owner is
'The name in the manifest of the project that builds it; null where the manifest has no name.';
comment on column orchestrator.targets.recorded_at is 'When that was recorded.';

create table if not exists orchestrator.alerts (
    alert_id bigint generated always as identity,
    target text not null,
    subject text not null,
    kind text not null,
    what text not null,
    problem text not null,
    remedy text,
    found_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    over_at timestamptz,
    told text[] not null default '{}',
    told_of_end text[] not null default '{}',
    failed_attempts integer not null default 0,
    last_failure text,
    constraint alerts_key primary key (alert_id)
);

comment on table orchestrator.alerts is
'Problems that `status` found, from their beginning to their end. One row per incident; kept by '
'`status --alert`, and by each round while there is a receiver.';
comment on column orchestrator.alerts.alert_id is 'Key, given by the database.';
comment on column orchestrator.alerts.target is 'The target that has the problem.';
comment on column orchestrator.alerts.subject is
'What has the problem: a pipeline, a check, the build; without the number of a run.';
comment on column orchestrator.alerts.kind is
'Which kind of problem: late, failed, silent, promise, check ...';
comment on column orchestrator.alerts.what is 'The subject as `status` names it.';
comment on column orchestrator.alerts.problem is 'The problem in words, as it was last seen.';
comment on column orchestrator.alerts.remedy is 'What to do about it.';
comment on column orchestrator.alerts.found_at is 'When it was first seen.';
comment on column orchestrator.alerts.seen_at is 'When it was last seen.';
comment on column orchestrator.alerts.over_at is
'When it was first no longer seen; null while it lasts.';
comment on column orchestrator.alerts.told is
'The receivers that were told: command, webhook, email.';
comment on column orchestrator.alerts.told_of_end is
'The receivers that were told that it is over.';
comment on column orchestrator.alerts.failed_attempts is
'How often a receiver could not be reached.';
comment on column orchestrator.alerts.last_failure is
'Why the last attempt failed; never names an address.';

-- A problem has one open incident. Each round looks up the open ones.
create unique index if not exists alerts_begin_once on orchestrator.alerts (target, subject, kind)
where over_at is null;

create table if not exists orchestrator.loaded_files (
    load_id bigint generated always as identity,
    sha256 text not null,
    file_name text not null,
    rows_loaded bigint not null default 0,
    rows_rejected bigint not null default 0,
    as_history boolean not null,
    is_again boolean not null default false,
    loaded_at timestamptz not null default now(),
    constraint loaded_files_key primary key (load_id),
    constraint sha256_is_64_hex_digits check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint rows_loaded_is_not_negative check (rows_loaded >= 0),
    constraint rows_rejected_is_not_negative check (rows_rejected >= 0)
);

comment on table orchestrator.loaded_files is
'The files that `load` has loaded into a table. One row per load; committed with its rows.';
comment on column orchestrator.loaded_files.load_id is 'Key, given by the database.';
comment on column orchestrator.loaded_files.sha256 is
'Hash of the content, whatever the file is called: the same content is loaded once.';
comment on column orchestrator.loaded_files.file_name is
'The file as it was named on the command line.';
comment on column orchestrator.loaded_files.rows_loaded is
'Rows that went into the table; 0 if every line was rejected.';
comment on column orchestrator.loaded_files.rows_rejected is
'Records that went into load_rejects instead.';
comment on column orchestrator.loaded_files.as_history is
'Whether the rows count as written when they happened; otherwise as written at loaded_at.';
comment on column orchestrator.loaded_files.is_again is
'Whether the content had been loaded before, and the load was forced.';
comment on column orchestrator.loaded_files.loaded_at is
'When the load began; its transaction has this time.';

-- Every load looks up its hash. Unique, so that content is loaded twice only if forced.
create unique index if not exists loaded_files_come_once on orchestrator.loaded_files (sha256)
where rows_loaded > 0 and not is_again;

create table if not exists orchestrator.load_rejects (
    load_id bigint,
    line_number bigint,
    file_name text not null,
    reason text not null,
    raw_line text not null,
    loaded_at timestamptz not null default now(),
    constraint load_rejects_key primary key (load_id, line_number),
    constraint load_rejects_load foreign key (load_id)
    references orchestrator.loaded_files (load_id) on delete cascade,
    constraint line_number_is_below_the_header check (line_number > 1)
);

comment on table orchestrator.load_rejects is
'Rejected lines: they did not parse or broke a rule. One row per such record of a file; '
'correct them in a file of their own, load that, and delete them here.';
comment on column orchestrator.load_rejects.load_id is 'Key, first part: the load that met it.';
comment on column orchestrator.load_rejects.line_number is
'Key, second part: the line of the file where the record begins; the header is line 1.';
comment on column orchestrator.load_rejects.file_name is
'The file as it was named on the command line.';
comment on column orchestrator.load_rejects.reason is 'What is wrong with it, in words.';
comment on column orchestrator.load_rejects.raw_line is
'The record as the file has it, without its line end. If it holds bytes that no text can hold, '
'those are written as \x and two digits, and backslashes are doubled.';
comment on column orchestrator.load_rejects.loaded_at is 'When the load began.';

-- Freshness of the ingest, and of the source.
create or replace view orchestrator.pipeline_freshness as
with ingested as (
    select
        pipelines.pipeline_id,
        pipelines.pipeline_name,
        pipelines.is_enabled,
        pipelines.freshness_warn_after,
        pipelines.freshness_fail_after,
        pipelines.data_warn_after,
        pipelines.data_fail_after,
        pipelines.quiet_gaps,
        coalesce(
            pipelines.target_relation,
            'warehouse.raw_' || split_part(pipelines.source_relation, '.', 2)
        ) as replica,
        loaded.loaded_through,
        loaded.ingested_at,
        read.newest_event,
        read.newest_arrival,
        coalesce(read.newest_event, read.newest_arrival) as newest_row,
        coalesce(
            (
                select max(arrivals.gap)
                from (
                    select
                        runs.newest_arrival,
                        runs.newest_arrival
                        - lag(runs.newest_arrival) over (order by runs.newest_arrival) as gap
                    from orchestrator.runs as runs
                    where
                        runs.pipeline_id = pipelines.pipeline_id
                        and runs.status = 'succeeded'
                        and runs.newest_arrival > read.newest_arrival - interval '30 days'
                ) as arrivals
                having
                    count(*) filter (where arrivals.gap > interval '0') >= 5
                    and max(arrivals.newest_arrival) - min(arrivals.newest_arrival)
                    >= interval '7 days'
            ),
            (
                select runs.day_gap
                from orchestrator.runs as runs
                where
                    runs.pipeline_id = pipelines.pipeline_id
                    and runs.status = 'succeeded'
                    and runs.day_gap is not null
                order by runs.run_id desc
                limit 1
            )
        ) as usual_gap
    from orchestrator.pipeline_definitions as pipelines
    cross join lateral (
        select
            max(runs.high) as loaded_through,
            max(runs.finished_at) as ingested_at
        from orchestrator.runs as runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and runs.kind = 'window'
            and runs.status in ('succeeded', 'rolled_back')
    ) as loaded
    cross join lateral (
        select
            max(runs.newest_event) as newest_event,
            max(runs.newest_arrival) as newest_arrival
        from orchestrator.runs as runs
        where
            runs.pipeline_id = pipelines.pipeline_id
            and runs.status = 'succeeded'
            and runs.newest_arrival is not null
    ) as read
),

judged as (
    select
        ingested.*,
        case
            when ingested.loaded_through is null then 'never'
            when now() - ingested.loaded_through > ingested.freshness_fail_after then 'stale'
            when now() - ingested.loaded_through > ingested.freshness_warn_after then 'late'
            else 'fresh'
        end as runner_status,
        case
            when now() - ingested.newest_row > ingested.data_fail_after then 'stale'
            when
                now() - ingested.newest_row > ingested.data_warn_after
                or now() - ingested.newest_arrival > ingested.quiet_gaps * ingested.usual_gap
                then 'late'
            else 'fresh'
        end as data_status
    from ingested
)

select
    judged.pipeline_id,
    judged.pipeline_name,
    judged.replica,
    judged.is_enabled,
    judged.loaded_through,
    judged.ingested_at,
    judged.newest_event,
    judged.newest_arrival,
    judged.usual_gap,
    case
        when 'never' in (judged.runner_status, judged.data_status) then 'never'
        when 'stale' in (judged.runner_status, judged.data_status) then 'stale'
        when 'late' in (judged.runner_status, judged.data_status) then 'late'
        else 'fresh'
    end as status,
    judged.runner_status,
    judged.data_status
from judged;

comment on view orchestrator.pipeline_freshness is
'How far each pipeline has been ingested, and how old its newest row is. One row per pipeline.';
comment on column orchestrator.pipeline_freshness.pipeline_id is 'Key.';
comment on column orchestrator.pipeline_freshness.pipeline_name is 'Its name.';
comment on column orchestrator.pipeline_freshness.replica is 'Schema and table of its replica.';
comment on column orchestrator.pipeline_freshness.is_enabled is
'Whether a plain `ingest` takes it.';
comment on column orchestrator.pipeline_freshness.loaded_through is 'Its watermark.';
comment on column orchestrator.pipeline_freshness.ingested_at is 'When a window last succeeded.';
comment on column orchestrator.pipeline_freshness.newest_event is
'When the newest row that a run has read happened, by event_column.';
comment on column orchestrator.pipeline_freshness.newest_arrival is
'When the newest such row was written, by its cursor.';
comment on column orchestrator.pipeline_freshness.usual_gap is
'The longest time between the newest rows of two runs in the 30 days before the newest row of all; '
'where fewer than five gaps in seven days are known, that between days with rows of the first '
'load; null where that is not known either.';
comment on column orchestrator.pipeline_freshness.status is
'The worse of the next two.';
comment on column orchestrator.pipeline_freshness.runner_status is
'fresh, late or stale by the age of the watermark; never before the first success.';
comment on column orchestrator.pipeline_freshness.data_status is
'fresh, late or stale by the age of the newest row: its limits, or quiet_gaps times the usual gap.';

-- Whole rows and texts: no query looks them up by value, and statistics would copy some of them.
alter table orchestrator.replaced_rows
alter column key set statistics 0,
alter column old_row set statistics 0,
alter column old_texts set statistics 0;
alter table orchestrator.rejected_rows
alter column key set statistics 0,
alter column source_row set statistics 0,
alter column reason set statistics 0;
alter table orchestrator.load_rejects
alter column raw_line set statistics 0,
alter column reason set statistics 0;
alter table orchestrator.restatements
alter column key set statistics 0,
alter column before set statistics 0,
alter column after set statistics 0;
alter table orchestrator.check_results alter column sample set statistics 0;
alter table orchestrator.runs alter column error set statistics 0;
alter table orchestrator.logs
alter column message set statistics 0,
alter column context set statistics 0;
