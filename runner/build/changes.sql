-- column_lists --
-- The columns of a table, in the lists that statements are composed from. Those in `texts` are cast
-- to text in `compared`, and back to their type in `restored`, which is null if there are none. The
-- key is the primary key or, without one, a unique constraint; `optional_keys` are its columns that
-- may be null, such as the cohort of an average.
with keys as (
    select constraints.conkey
    from pg_constraint as constraints
    where
        constraints.conrelid = %(table)s::regclass
        and constraints.contype in ('p', 'u')
    order by constraints.contype
    limit 1
),

columns as (
    select
        attributes.attnum as place,
        attributes.attname::text as plain_name,
        quote_ident(attributes.attname) as name,
        attributes.attnum = any(keys.conkey) as is_key,
        attributes.attnum = any(keys.conkey) and attributes.atttypid = 'date'::regtype as is_day,
        attributes.attnotnull as is_required,
        %(texts)s::jsonb ->> attributes.attname as text_of
    from pg_attribute as attributes
    cross join keys
    where
        attributes.attrelid = %(table)s::regclass
        and attributes.attnum > 0
        and not attributes.attisdropped
        and attributes.attgenerated = ''
)

select
    string_agg(columns.name, ', ' order by columns.place) as columns,
    string_agg(columns.name, ', ' order by columns.place) filter (where columns.is_key) as keys,
    string_agg('stored.' || columns.name, ', ' order by columns.place)
        filter (where columns.is_key) as stored_keys,
    string_agg(
        columns.name || case when columns.text_of is null then '' else '::text' end,
        ', ' order by columns.place
    ) as compared,
    case
        when count(columns.text_of) > 0
            then string_agg(
                concat_ws('::', columns.name, columns.text_of), ', ' order by columns.place
            )
    end as restored,
    array_agg(columns.plain_name order by columns.place) filter (where columns.is_key)
        as key_columns,
    coalesce(
        array_agg(columns.plain_name) filter (where columns.is_key and not columns.is_required),
        '{}'
    ) as optional_keys,
    coalesce(
        'update set '
        || string_agg(format('%%1$s = excluded.%%1$s', columns.name), ', ' order by columns.place)
            filter (where not columns.is_key),
        'nothing'
    ) as action,
    coalesce(
        (array_agg(columns.name order by columns.place) filter (where columns.is_day))[1],
        'null::date'
    ) as day,
    coalesce(
        'stored.'
        || (array_agg(columns.name order by columns.place) filter (where columns.is_day))[1],
        'null::date'
    ) as stored_day
from columns

-- publish --
-- Publish the difference: readers of {{ live }} see it when the build commits.
delete from {{ live }} as stored
using {{ removed }} as removed
where {{ is_same_key }};

insert into {{ live }} ({{ columns }})
select {{ columns }}
from {{ added }} as added
order by {{ keys }}
on conflict ({{ keys }}) do {{ action }};

-- restate --
-- Restate: before {{ fresh }} is published, record the published rows that it changes or lacks.
insert into orchestrator.restatements (run_id, table_name, key, day, is_last_day, before, after)
select
    {{ run_id }} as run_id,
    {{ table_name }} as table_name,
    texts.key,
    {{ stored_day }} as day,
    coalesce({{ stored_day }} = published.last_day, false) as is_last_day,
    coalesce(changes.before, '{}') as before,
    changes.after
from {{ replaced }} as stored
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
-- Equal values may be written in two ways, such as 1.0 and 1.00. That a day has become complete is
-- not a restatement.
where
    (changes.before is not null and changes.before <> '{"is_complete": false}')
    or texts.new is null;
