-- Make rows of the replica equal to those of the source, whichever run brought them. Rows that
-- differ are written, the others are left alone. The earlier version of a row is kept in the same
-- transaction: builds subtract its old values, and an undo restores it.

with compared as materialized (
    select
        {{ fresh_columns }},
        stored._run_id as _stored_run_id,
        stored._run_id is null or {{ is_different }} as _differs
    from (
        select {{ source_columns }}
        from {{ source }} as source
        where {{ condition }}
    ) as fresh
    left join {{ target }} as stored on {{ is_same_key }} and {{ within }}
),

replaced as (
    insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row, old_texts)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        jsonb_build_object({{ key_object }}) as key,
        {{ old_row }} as old_row,
        {{ old_texts }} as old_texts
    from compared as fresh
    inner join {{ target }} as stored on {{ is_same_key }} and {{ within }}
    where fresh._differs and fresh._stored_run_id is not null
),

-- In a replica partitioned by month, a row with another cursor is deleted and inserted again.
moved as (
    delete from {{ target }} as stored
    using compared as fresh
    where
        fresh._differs
        and fresh._stored_run_id is not null
        and {{ has_moved }}
        and {{ is_same_key }}
        and {{ within }}
),

written as (
    insert into {{ target }} ({{ columns }}, _run_id)
    select
        {{ fresh_columns }},
        {{ run_id }} as _run_id
    from compared as fresh
    where fresh._differs
    on conflict ({{ keys }}) do update set {{ assignments }}, _run_id = excluded._run_id
    returning 1 as one
),

replacing as (
    select count(*) as rows
    from compared as fresh
    where fresh._differs and fresh._stored_run_id is not null
)

select
    (select count(*) from compared as fresh where not fresh._differs) as unchanged,
    count(*) - (select replacing.rows from replacing) as inserted,
    (select replacing.rows from replacing) as updated
from written;
