-- Undo what a run did to a replica: delete the rows that it added, and restore those that it
-- changed or deleted. A row that a later run changed stays as it is, unless that run was undone
-- before. Every row that is written gets the number of the undo, and its version before is kept, so
-- the next build follows. Keys are compared as their types compare them. A row of the replica is
-- identified by its ctid, as nobody else writes there meanwhile.

-- The earlier versions of rows that this run and later ones replaced.
create temporary table images on commit drop as
select
    replaced.replaced_row_id,
    replaced.run_id,
    {{ image }} as image
from orchestrator.replaced_rows as replaced
cross join lateral jsonb_populate_record(null::{{ target }}, {{ image_object }}) as fresh
where
    replaced.pipeline_id = {{ pipeline_id }}
    and replaced.run_id >= {{ undone_run_id }};

analyze pg_temp.images;

-- The rows of this run: a version that an undo restored belongs to the run that wrote it.
create temporary table owned on commit drop as
with recursive candidates (run_id) as (
    values ({{ undone_run_id }}::bigint)
    union all
    select undos.run_id
    from orchestrator.runs as undos
    where
        undos.pipeline_id = {{ pipeline_id }}
        and undos.kind = 'undo'
        and undos.status = 'succeeded'
        and undos.run_id > {{ undone_run_id }}
),

owners (place_table, place, run_id) as (
    select
        stored.tableoid as place_table,
        stored.ctid as place,
        stored._run_id as run_id
    from {{ target }} as stored
    where stored._run_id in (select candidates.run_id from candidates) and {{ within }}
    union
    select
        owners.place_table,
        owners.place,
        (images.image)._run_id as run_id
    from owners
    inner join orchestrator.runs as undos
        on undos.run_id = owners.run_id and undos.kind = 'undo'
    inner join {{ target }} as stored
        on stored.ctid = owners.place and stored.tableoid = owners.place_table and {{ within }}
    inner join pg_temp.images as images
        on images.run_id = undos.parent_run_id and {{ is_key_of_image }}
)

select
    owners.place_table,
    owners.place
from owners
where owners.run_id = {{ undone_run_id }};

analyze pg_temp.owned;

-- The versions before this run.
create temporary table former on commit drop as
select distinct on ({{ image_keys }})
    images.image,
    stored.tableoid as place_table,
    stored.ctid as place,
    owned.place is not null as is_owned,
    -- In a partitioned replica, a row with another cursor is deleted and inserted again.
    not {{ image_has_moved }} as is_same_place
from pg_temp.images as images
left join {{ target }} as stored on {{ is_key_of_image }} and {{ within }}
left join pg_temp.owned as owned
    on owned.place = stored.ctid and owned.place_table = stored.tableoid
where images.run_id = {{ undone_run_id }}
order by
    {{ image_keys }},
    images.replaced_row_id;

analyze pg_temp.former;

with kept as (
    insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row, old_texts)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        jsonb_build_object({{ key_object }}) as key,
        {{ old_row }} as old_row,
        {{ old_texts }} as old_texts
    from {{ target }} as stored
    inner join pg_temp.owned as owned
        on owned.place = stored.ctid and owned.place_table = stored.tableoid
    where {{ within }}
),

deleted as (
    delete from {{ target }} as stored
    using pg_temp.owned as owned
    where
        owned.place = stored.ctid
        and owned.place_table = stored.tableoid
        and {{ within }}
        and not exists (
            select
            from pg_temp.former as former
            where
                former.place = owned.place
                and former.place_table = owned.place_table
                and former.is_same_place
        )
    returning 1 as one
),

restored as (
    insert into {{ target }} ({{ stored_columns }}, _run_id)
    select
        {{ restored_columns }},
        {{ run_id }} as _run_id
    from pg_temp.former as former
    where
        former.is_owned
        -- The run had deleted it, and no run has written it since.
        or (
            former.place is null
            and not exists (
                select
                from pg_temp.images as images
                inner join orchestrator.runs as runs on runs.run_id = images.run_id
                where
                    images.run_id > {{ undone_run_id }}
                    and {{ is_same_image }}
                    and runs.kind <> 'undo'
                    and runs.status = 'succeeded'
            )
        )
    on conflict ({{ keys }}) do update set {{ restorations }}, _run_id = excluded._run_id
    returning 1 as one
),

replaced as (
    select count(*) as rows
    from pg_temp.former as former
    where former.is_owned and former.is_same_place
)

select
    (select count(*) from pg_temp.former) - count(*) as left_alone,
    (select count(*) from deleted) as deleted,
    count(*) - (select replaced.rows from replaced) as inserted,
    (select replaced.rows from replaced) as updated
from restored;
