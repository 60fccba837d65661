-- publish --
-- Publish what differs: readers of {{ live }} see it when the build commits.
delete from {{ live }} as stored
using {{ removed }} as removed
where {{ is_same_key }};

insert into {{ live }} ({{ columns }})
select {{ columns }}
from {{ added }} as added
order by {{ keys }}
on conflict ({{ keys }}) do {{ action }};

-- restate --
-- Restate: record the published rows that {{ fresh }} changes or lacks, before it is published.
insert into orchestrator.restatements (run_id, table_name, key, day, is_last_day, before, after)
select
    {{ run_id }} as run_id,
    {{ table_name }} as table_name,
    texts.key,
    {{ stored_day }} as day,
    coalesce({{ stored_day }} = published.last_day, false) as is_last_day,
    coalesce(changes.before, '{}') as before,
    changes.after
from (
    select {{ columns }} from {{ live }}
    except
    select {{ columns }} from {{ fresh }}
) as stored
cross join (select max({{ day }}) as last_day from {{ live }}) as published
left join {{ fresh }} as fresh on {{ is_same_key }}
cross join lateral (
    select
        to_jsonb(names.*) as key,
        to_jsonb(stored.*) as old,
        to_jsonb(fresh.*) as new
    from (select {{ stored_keys }}) as names
    offset 0  -- computed once, not for each column
) as texts
cross join lateral (
    select
        jsonb_object_agg(columns.name, columns.old) as before,
        -- A deleted row has no values, not even nulls.
        jsonb_object_agg(columns.name, texts.new -> columns.name)
            filter (where texts.new is not null) as after
    from jsonb_each(texts.old) as columns (name, old)
    where
        not texts.key ? columns.name
        and columns.old is distinct from texts.new -> columns.name
) as changes
-- Equal values may be written in two ways, as 1.0 and 1.00 are.
where
    changes.before is not null
    or texts.new is null;
