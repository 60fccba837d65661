-- Add rows of the source that are not in the replica: the fast way, for sources whose rows are only
-- ever added. A key that is here already is an error, never a second row; then merge.sql does it.

insert into {{ target }} ({{ columns }}, _run_id)
select
    {{ source_columns }},
    {{ run_id }} as _run_id
from {{ source }} as source
where {{ condition }};
