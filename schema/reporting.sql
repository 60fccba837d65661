create schema if not exists {{ reporting }};
comment on schema {{ reporting }} is 'What people read: aggregates without user ids.';

-- Can today's numbers be trusted? Views, because they must be right also after a failed build.

create or replace view {{ reporting }}.pipeline_runs as
select
    runs.run_id,
    runs.kind,
    pipelines.pipeline_name,
    runs.script,
    runs.status,
    runs.low,
    runs.high,
    runs.rows_read,
    runs.rows_inserted,
    runs.rows_updated,
    runs.rows_unchanged,
    runs.rows_deleted,
    runs.rows_rejected,
    runs.guarantee,
    runs.sqlstate,
    case
        when has_table_privilege('orchestrator.runs'::regclass, 'select') then runs.error
    end as error,
    runs.parent_run_id,
    runs.started_at,
    runs.finished_at,
    round(extract(epoch from runs.elapsed), 3) as elapsed_seconds
from orchestrator.runs as runs
left join orchestrator.pipeline_definitions as pipelines on pipelines.pipeline_id = runs.pipeline_id
where runs.target = {{ target }} or runs.target is null;

comment on view {{ reporting }}.pipeline_runs is
'Every attempt to ingest or build. One row per run.';
comment on column {{ reporting }}.pipeline_runs.run_id is 'Key.';
comment on column {{ reporting }}.pipeline_runs.kind is 'window, build, script and so on.';
comment on column {{ reporting }}.pipeline_runs.pipeline_name is 'The pipeline, for windows.';
comment on column {{ reporting }}.pipeline_runs.script is 'layer.script, for scripts.';
comment on column {{ reporting }}.pipeline_runs.status is
'running, succeeded, failed, skipped, abandoned (its process died) or rolled_back.';
comment on column {{ reporting }}.pipeline_runs.low is 'Start of the window, included.';
comment on column {{ reporting }}.pipeline_runs.high is 'End of the window, excluded.';
comment on column {{ reporting }}.pipeline_runs.rows_read is 'Rows of the source in the window.';
comment on column {{ reporting }}.pipeline_runs.rows_inserted is 'Rows added.';
comment on column {{ reporting }}.pipeline_runs.rows_updated is 'Rows replaced by a different one.';
comment on column {{ reporting }}.pipeline_runs.rows_unchanged is
'Rows that were read again and had not changed.';
comment on column {{ reporting }}.pipeline_runs.rows_deleted is 'Rows deleted.';
comment on column {{ reporting }}.pipeline_runs.rows_rejected is 'Rows set aside.';
comment on column {{ reporting }}.pipeline_runs.guarantee is 'What is promised of the window.';
comment on column {{ reporting }}.pipeline_runs.sqlstate is 'Error class, where it failed.';
comment on column {{ reporting }}.pipeline_runs.error is
'Why it failed, which may show a row; null for roles that may not read orchestrator.runs.';
comment on column {{ reporting }}.pipeline_runs.parent_run_id is 'The build that a script ran in.';
comment on column {{ reporting }}.pipeline_runs.started_at is 'When it began.';
comment on column {{ reporting }}.pipeline_runs.finished_at is 'When it ended.';
comment on column {{ reporting }}.pipeline_runs.elapsed_seconds is 'How long it took.';

create or replace view {{ reporting }}.freshness as
select
    pipelines.pipeline_name,
    pipelines.loaded_through,
    pipelines.ingested_at,
    (
        select max(runs.finished_at)
        from orchestrator.runs as runs
        where
            runs.kind in ('build', 'rebuild', 'verify')
            and runs.status = 'succeeded'
            and runs.target = {{ target }}
    ) as built_at,
    pipelines.status,
    pipelines.newest_event,
    pipelines.newest_arrival,
    pipelines.usual_gap,
    pipelines.replica
from orchestrator.pipeline_freshness as pipelines
where pipelines.is_enabled;

comment on view {{ reporting }}.freshness is
'How fresh the data are. One row per enabled pipeline.';
comment on column {{ reporting }}.freshness.pipeline_name is 'The pipeline.';
comment on column {{ reporting }}.freshness.loaded_through is
'Its watermark: how far the source was read. orchestrator.runs.guarantee says what that promises.';
comment on column {{ reporting }}.freshness.ingested_at is 'When it last succeeded.';
comment on column {{ reporting }}.freshness.built_at is 'When the tables were last built.';
comment on column {{ reporting }}.freshness.status is
'fresh, late or stale by the limits of the pipeline on its watermark and on its newest row; late '
'also after several times the usual gap without a new row; never before the first success.';
comment on column {{ reporting }}.freshness.newest_event is
'When the newest row that was read happened; null where no column says so.';
comment on column {{ reporting }}.freshness.newest_arrival is
'When the newest row that was read was written, by its cursor.';
comment on column {{ reporting }}.freshness.usual_gap is
'The longest time between arrivals in the month before that; null where too little is known.';
comment on column {{ reporting }}.freshness.replica is 'The table that it fills.';

create or replace view {{ reporting }}.data_checks as
select distinct on (results.script, results.check_name)
    results.script,
    results.check_name,
    results.status,
    results.bad_rows,
    case
        when has_table_privilege('orchestrator.check_results'::regclass, 'select')
            then results.sample
    end as sample,
    results.run_id,
    results.checked_at
from orchestrator.check_results as results
inner join orchestrator.runs as runs on runs.run_id = results.run_id
where runs.target = {{ target }}
order by results.script, results.check_name, results.check_result_id desc;

comment on view {{ reporting }}.data_checks is 'What each check found last. One row per check.';
comment on column {{ reporting }}.data_checks.script is 'layer.script whose rows were checked.';
comment on column {{ reporting }}.data_checks.check_name is 'The check.';
comment on column {{ reporting }}.data_checks.status is
'passed, warned or failed; a failed check stops its build.';
comment on column {{ reporting }}.data_checks.bad_rows is 'Rows that the check returned.';
comment on column {{ reporting }}.data_checks.sample is
'The first of them; null for roles that may not read orchestrator.check_results.';
comment on column {{ reporting }}.data_checks.run_id is 'The build.';
comment on column {{ reporting }}.data_checks.checked_at is 'When it was checked.';

-- Filled by people, with what no event says. No script writes these two tables, and no build
-- changes them.

create table if not exists {{ reporting }}.annotations (
    day date not null,
    slice text not null default 'all',
    slice_value text not null default 'all',
    text text not null,
    constraint annotations_key primary key (day, slice, slice_value, text),
    constraint annotations_slice check (slice in ('all', 'country', 'platform', 'utm_source')),
    constraint annotations_all check (slice <> 'all' or slice_value = 'all'),
    constraint annotations_text check (text <> '')
);

comment on table {{ reporting }}.annotations is
'What happened on a day: a release, a campaign, an outage. Filled by people. One row per day, '
'slice value and text.';
comment on column {{ reporting }}.annotations.day is 'Calendar day in reporting_timezone.';
comment on column {{ reporting }}.annotations.slice is
'Whom it concerns: all, country, platform or utm_source.';
comment on column {{ reporting }}.annotations.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.annotations.text is 'What happened.';

create table if not exists {{ reporting }}.goals (
    figure text not null,
    from_day date not null,
    value numeric not null,
    constraint goals_key primary key (figure, from_day),
    constraint goals_value check (value > '-infinity' and value < 'infinity')
);

comment on table {{ reporting }}.goals is
'Goals of figures, each from a day until the next goal of the figure. Filled by people. One row '
'per figure and first day.';
comment on column {{ reporting }}.goals.figure is
'Table and column of the figure, such as kpi_daily.dau.';
comment on column {{ reporting }}.goals.from_day is 'First day for which the goal holds.';
comment on column {{ reporting }}.goals.value is 'The goal.';
