-- Insert rows of the source that are not in the replica: the fast way, for sources whose rows are
-- never changed. A key that is there already is an error, not a second row: then merge.sql runs.

insert into {{ target }} ({{ columns }}, _run_id)
select
    {{ source_columns }},
    {{ run_id }} as _run_id
from {{ source }} as source
where {{ condition }};
