-- pipelines --
-- The pipelines that read the table.
select
    pipelines.pipeline_id,
    pipelines.pipeline_name
from orchestrator.pipeline_definitions as pipelines
where pipelines.source_relation = %(source)s

-- earlier --
-- The last load of the same content that loaded rows.
select
    loads.file_name,
    loads.rows_loaded,
    to_char(loads.loaded_at, 'YYYY-MM-DD HH24:MI:SS TZ') as loaded_at
from orchestrator.loaded_files as loads
where
    loads.sha256 = %(sha256)s
    and loads.rows_loaded > 0
order by loads.load_id desc
limit 1

-- begin --
-- Records the load; the counts are filled in at the end.
insert into orchestrator.loaded_files (sha256, file_name, as_history, is_again)
values (%(sha256)s, %(file_name)s, %(as_history)s, %(is_again)s)
returning load_id

-- end --
update orchestrator.loaded_files
set
    rows_loaded = %(loaded)s,
    rows_rejected = %(rejected)s
where load_id = %(load_id)s

-- stage --
-- staged: the rows so far, with the types and constraints of the source. lines: the records, as
-- text, of blocks that do not fit as a whole; never emptied, as deleting would cost more than all
-- the rest. The function sift copies lines that fit to staged, and returns the others.
create temporary table staged (
    like {table} including constraints
) on commit drop;

create temporary table lines (line_number bigint primary key, {text_columns}) on commit drop;

-- Returns which field of a record does not fit its type, or null.
create function pg_temp.misfit(wrong_line bigint) returns text
language plpgsql as $$
declare
    field record;
begin
    for field in
        select
            attributes.attname as name,
            types.typcategory as category,
            format_type(attributes.atttypid, -1) as type,
            to_jsonb(lines) ->> attributes.attname as content
        from pg_temp.lines as lines
        inner join pg_catalog.pg_attribute as attributes
            on attributes.attrelid = 'pg_temp.staged'::regclass
        inner join pg_catalog.pg_type as types on types.oid = attributes.atttypid
        where
            lines.line_number = wrong_line
            and attributes.attnum > 0
            and types.typcategory <> 'S'
        order by attributes.attnum
    loop
        begin
            execute format('select %L::%s', field.content, field.type);
        exception
            when invalid_text_representation or invalid_datetime_format then
                return format(
                    '%s is not a %s: "%s"',
                    field.name,
                    case field.category when 'D' then 'time' when 'N' then 'number'
                    else field.type end,
                    left(field.content, 100)
                );
            when data_exception then
                return format('%s: %s', field.name, left(sqlerrm, 200));
        end;
    end loop;
    return null;
end
$$;

-- Inserts a few lines at once; if one of them does not fit, each by itself.
create function pg_temp.sift(first_line bigint, last_line bigint)
returns table (line_number bigint, reason text)
language plpgsql as $$
declare
    state text;
    message text;
    rule text;
    empty_column text;
begin
    insert into pg_temp.staged ({columns})
    select {values}
    from pg_temp.lines as lines
    where lines.line_number between first_line and last_line
    order by lines.line_number;
exception
    when data_exception or integrity_constraint_violation then
        if first_line < last_line then
            for single in first_line .. last_line loop
                return query
                select
                    sifted.line_number,
                    sifted.reason
                from pg_temp.sift(single, single) as sifted;
            end loop;
        else
            get stacked diagnostics
                state = returned_sqlstate, message = message_text,
                rule = constraint_name, empty_column = column_name;
            line_number := first_line;
            reason := case state
                when '23502' then empty_column || ' is empty'
                when '23514' then 'breaks the rule ' || rule
                else coalesce(pg_temp.misfit(first_line), message)
            end;
            return next;
        end if;
end
$$;

-- not_given --
-- Columns that the file lacks are filled in by the final insert, so they may be null here.
select format('alter table pg_temp.staged alter %%I drop not null', attributes.attname) as statement
from pg_catalog.pg_attribute as attributes
where
    attributes.attrelid = 'pg_temp.staged'::regclass
    and attributes.attnum > 0
    and attributes.attnotnull
    and attributes.attname <> all(%(names)s)

-- copy_block --
-- Empty fields are null, quoted or not: some exports quote everything.
copy pg_temp.staged ({columns}) from stdin
(format csv, encoding 'utf8', force_null ({columns}))

-- copy_lines --
copy pg_temp.lines (line_number, {columns}) from stdin
(format csv, encoding 'utf8', force_null ({columns}))

-- copy_rejects --
copy orchestrator.load_rejects (load_id, file_name, line_number, reason, raw_line) from stdin

-- sift --
-- The lines of a block that do not fit, with the reasons.
select
    sifted.line_number,
    sifted.reason
from generate_series(%(first)s::bigint, %(last)s::bigint, 16) as starts (line_number)
cross join lateral
    pg_temp.sift(starts.line_number, least(starts.line_number + 15, %(last)s)) as sifted

-- behind --
-- Whether the oldest staged row is behind the watermark, so that only a sweep would read it, and
-- whether the pipelines have the key that a sweep needs.
select
    (select min(staged.{happened})::text from pg_temp.staged as staged) as oldest,
    max(runs.high)::text as watermark,
    coalesce(
        (select min(staged.{happened}) from pg_temp.staged as staged) <= max(runs.high), false
    ) as is_behind,
    coalesce(bool_and(cardinality(pipelines.key_columns) > 0), true) as has_key
from orchestrator.runs as runs
inner join orchestrator.pipeline_definitions as pipelines
    on pipelines.pipeline_id = runs.pipeline_id
where
    pipelines.source_relation = %(source)s
    and runs.kind = 'window'
    and runs.status in ('succeeded', 'rolled_back')

-- insert --
-- In the order in which rows arrived.
insert into {table} ({targets})
select {values}
from pg_temp.staged as staged
order by {arrival}

-- first_reject --
select
    rejects.line_number,
    rejects.reason
from orchestrator.load_rejects as rejects
where rejects.load_id = %(load_id)s
order by rejects.line_number
limit 1
