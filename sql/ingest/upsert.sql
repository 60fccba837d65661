-- One window of a source whose rows change: a row that comes again replaces its former self.
-- What is replaced is kept, in the same transaction: a build has to take its old numbers back.

with fresh as materialized (
    select {{ source_columns }}
    from {{ source }} as source
    where
        source.{{ cursor }} >= {{ low }}::timestamptz
        and source.{{ cursor }} < {{ high }}::timestamptz
),

replaced as (
    insert into orchestrator.replaced_rows (run_id, pipeline_id, key, old_row)
    select
        {{ run_id }} as run_id,
        {{ pipeline_id }} as pipeline_id,
        jsonb_build_object({{ key_object }}) as key,
        to_jsonb(stored) as old_row
    from {{ target }} as stored
    inner join fresh on {{ is_same_key }}
    where ({{ stored_values }}) is distinct from ({{ fresh_values }})
),

written as (
    insert into {{ target }} as stored ({{ columns }}, _run_id)
    select
        {{ fresh_columns }},
        {{ run_id }} as _run_id
    from fresh
    on conflict ({{ keys }}) do update set {{ assignments }}, _run_id = excluded._run_id
    where ({{ stored_values }}) is distinct from ({{ excluded_values }})
    returning (xmax = 0) as is_new
)

select
    (select count(*) from fresh) as read,
    count(*) filter (where written.is_new) as inserted,
    count(*) filter (where not written.is_new) as updated
from written;
