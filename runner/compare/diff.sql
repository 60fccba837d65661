-- view --
-- The definition of a view; null if the name is that of something else.
select case when classes.relkind = 'v' then pg_get_viewdef(classes.oid) end as text
from pg_class as classes
where classes.oid = to_regclass(%(view)s)

-- stage --
-- The rows that one of two tables has more often, with how much more often: a positive number for
-- the left table, a negative one for the right table.
create temporary table difference on commit drop as
select
    {{ columns }},
    sum(sides._milepost_side)::bigint as _milepost_side
from (
    select
        {{ values }},
        1 as _milepost_side
    from {{ left }}
    union all
    select
        {{ values }},
        -1 as _milepost_side
    from {{ right }}
) as sides
group by {{ columns }}
having sum(sides._milepost_side) <> 0

-- rows --
-- The number of rows in each table.
select
    (select count(*) from {{ left }}) as left_rows,
    (select count(*) from {{ right }}) as right_rows

-- differences --
-- Counts of the staged rows, by side, and of those that differ under one key, by column; and a few
-- of them all, as text. Values are compared by the equality of their types.
with pairs as (
    select
        row_number() over (order by {{ keys }}) as place,
        jsonb_object(array[{{ key_names }}], array[{{ key_texts }}]) as key,
        case
            when one._milepost_side is not null
                then jsonb_object(array[{{ names }}], array[{{ left_texts }}])
        end as left_row,
        case
            when other._milepost_side is not null
                then jsonb_object(array[{{ names }}], array[{{ right_texts }}])
        end as right_row,
        one._milepost_side as left_count,
        -other._milepost_side as right_count,
        case
            when one._milepost_side > 0 and other._milepost_side < 0
                then array_remove(array[{{ changed }}], null)
        end as changed
    from (
        select *
        from pg_temp.difference
        where _milepost_side > 0
    ) as one
    full join (
        select *
        from pg_temp.difference
        where _milepost_side < 0
    ) as other
        on {{ is_same_key }}
),

differing as (
    select
        columns.name,
        count(*) as rows
    from pairs
    cross join lateral unnest(pairs.changed) as columns (name)
    group by columns.name
)

select
    coalesce(sum(pairs.left_count) filter (where pairs.right_count is null), 0) as only_left,
    coalesce(sum(pairs.right_count) filter (where pairs.left_count is null), 0) as only_right,
    count(*) filter (where pairs.changed is not null) as changed,
    (
        select coalesce(jsonb_object_agg(differing.name, differing.rows), '{}')
        from differing
    ) as columns,
    coalesce(
        jsonb_agg(
            jsonb_build_object(
                'key', pairs.key,
                'left', pairs.left_row,
                'right', pairs.right_row,
                'changed', pairs.changed
            )
            order by pairs.place
        ) filter (where pairs.place <= 5),
        '[]'
    ) as sample
from pairs
