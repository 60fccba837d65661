-- One window of a source whose rows are only ever added.
-- A key that is here already is an error, never a second row and never a silent change.

insert into {{ target }} ({{ columns }}, _run_id)
select
    {{ source_columns }},
    {{ run_id }} as _run_id
from {{ source }} as source
where
    source.{{ cursor }} >= {{ low }}::timestamptz
    and source.{{ cursor }} < {{ high }}::timestamptz;
