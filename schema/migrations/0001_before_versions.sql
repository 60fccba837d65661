-- From any database without versions, of commit 677721c or later, to 0.2.0. Some have part of this
-- already, so each step looks; a later migration knows what it finds.

alter table orchestrator.pipeline_definitions
add column if not exists lookback interval not null default '1 day'
constraint lookback_is_not_negative check (lookback >= interval '0'),
add column if not exists sweep_every interval default '1 day',
add column if not exists max_hold interval not null default '10 minutes',
add column if not exists odd_cursors text not null default 'include'
constraint odd_cursors_is_known check (odd_cursors in ('include', 'quarantine', 'fail')),
add column if not exists on_delete text not null default 'report'
constraint on_delete_is_known check (on_delete in ('report', 'mark', 'apply')),
add column if not exists max_rejected_share numeric not null default 0.01
constraint max_rejected_share_is_a_share check (max_rejected_share between 0 and 1),
add column if not exists cursor_timezone text not null default 'UTC',
add column if not exists column_types jsonb not null default '{}'
constraint column_types_is_an_object check (jsonb_typeof(column_types) = 'object'),
add column if not exists clock_relation text
constraint clock_relation_names_its_schema check (clock_relation ~ '^[^.]+[.][^.]+$'),
add column if not exists event_column text,
add column if not exists data_warn_after interval,
add column if not exists data_fail_after interval,
add column if not exists quiet_gaps numeric default 3
constraint quiet_gaps_is_positive check (quiet_gaps > 0),
add column if not exists on_column_drop text not null default 'fail'
constraint on_column_drop_is_known check (on_column_drop in ('fail', 'warn', 'follow')),
alter column window_size set default '1 year';

alter table orchestrator.runs
add column if not exists guarantee_note text,
add column if not exists horizon_scope text
constraint horizon_scope_is_known check (horizon_scope in ('window', 'lookback', 'table')),
add column if not exists horizon_chain text,
add column if not exists search_elapsed interval,
add column if not exists newest_event timestamptz,
add column if not exists newest_arrival timestamptz,
add column if not exists day_gap interval,
add column if not exists rows_left bigint,
add column if not exists build_mode text
constraint build_mode_is_known check (build_mode in ('full', 'incremental'));

alter table orchestrator.build_inputs add column if not exists replica_file bigint;

alter table orchestrator.replaced_rows add column if not exists old_texts jsonb;

-- Indexes of other runs or columns than now; schema/orchestrator.sql creates what is to be.
drop index if exists orchestrator.runs_watermark;
drop index if exists orchestrator.runs_by_target;
drop index if exists orchestrator.replaced_rows_by_run;

drop function if exists orchestrator.year_first(text);

-- PostgreSQL cuts longer names. Where the replica of an earlier version was made under a name that
-- was cut, it is called by that; unless another pipeline has it already.
with replicas as (
    select
        named.pipeline_id,
        named.name,
        split_part(named.name, '.', 1) || '.' || split_part(named.name, '.', 2)::name::text
            as cut_name
    from (
        select
            definitions.pipeline_id,
            coalesce(
                definitions.target_relation,
                'warehouse.raw_' || split_part(definitions.source_relation, '.', 2)
            ) as name
        from orchestrator.pipeline_definitions as definitions
    ) as named
),

cut as (
    select
        replicas.pipeline_id,
        replicas.cut_name
    from replicas
    left join replicas as others
        on others.cut_name = replicas.cut_name
        and (others.name = others.cut_name or others.pipeline_id < replicas.pipeline_id)
    where
        replicas.name <> replicas.cut_name
        and others.pipeline_id is null
)

update orchestrator.pipeline_definitions as pipelines
set target_relation = cut.cut_name
from cut
where pipelines.pipeline_id = cut.pipeline_id;

-- For rows from now on: those of an earlier version may have been allowed more.
alter table orchestrator.pipeline_definitions
drop constraint if exists replica_is_one_that_scripts_can_name,
drop constraint if exists replica_name_is_not_cut,
add constraint replica_is_one_that_scripts_can_name
check (target_relation ~ '^warehouse[.]raw_.') not valid,
add constraint replica_name_is_not_cut
check (
    octet_length(
        split_part(
            coalesce(target_relation, 'warehouse.raw_' || split_part(source_relation, '.', 2)),
            '.',
            2
        )
    ) <= 63
) not valid;

-- Earlier versions kept the files that were loaded, and the lines that did not fit, in public.
do $$
begin
    if
        to_regclass('orchestrator.loaded_files') is null
        and (
            select count(*) = 3
            from pg_attribute as attributes
            inner join pg_class as relations on relations.oid = attributes.attrelid
            where
                pg_has_role(relations.relowner, 'usage')
                and (attributes.attrelid, attributes.attname) in (
                    (to_regclass('public.loaded_files'), 'sha256'),
                    (to_regclass('public.loaded_files'), 'is_again'),
                    (to_regclass('public.load_rejects'), 'raw_line')
                )
        )
    then
        alter table public.loaded_files set schema orchestrator;
        alter table public.load_rejects set schema orchestrator;
    end if;
end;
$$;
