-- view --
-- The text of a view; null if its name belongs to something else.
select case when classes.relkind = 'v' then pg_get_viewdef(classes.oid) end as text
from pg_class as classes
where classes.oid = to_regclass(%(view)s)

-- stage --
-- The rows that one of two tables has more often, with how much more often: the left one's are
-- positive.
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
-- How many rows each table has.
select
    (select count(*) from {{ left }}) as left_rows,
    (select count(*) from {{ right }}) as right_rows

-- differences --
-- What was staged: the rows of one side only, the rows of one key that differ and in which columns,
-- and a few of all these.
with sides as (
    select
        to_jsonb(keys.*) as key,
        to_jsonb(staged.*) - '_milepost_side' as content,
        staged._milepost_side as side
    from pg_temp.difference as staged
    cross join lateral (select {{ keys }}) as keys
),

paired as (
    select
        coalesce(only_left.key, only_right.key) as key,
        only_left.content as left_row,
        only_right.content as right_row,
        only_left.side as left_count,
        -only_right.side as right_count
    from (
        select *
        from sides
        where sides.side > 0
    ) as only_left
    full join (
        select *
        from sides
        where sides.side < 0
    ) as only_right
        on only_right.key = only_left.key
),

differing as (
    select
        columns.name,
        count(*) as rows
    from paired
    cross join lateral jsonb_object_keys(paired.left_row) as columns (name)
    where (paired.left_row -> columns.name) <> (paired.right_row -> columns.name)
    group by columns.name
),

few as (
    select
        paired.key,
        paired.left_row,
        paired.right_row
    from paired
    order by paired.key
    limit 5
)

select
    coalesce(sum(paired.left_count) filter (where paired.right_row is null), 0) as only_left,
    coalesce(sum(paired.right_count) filter (where paired.left_row is null), 0) as only_right,
    count(*) filter (where paired.left_row is not null and paired.right_row is not null) as changed,
    (
        select coalesce(jsonb_object_agg(differing.name, differing.rows), '{}')
        from differing
    ) as columns,
    (
        select
            coalesce(
                jsonb_agg(
                    jsonb_build_object(
                        'key', few.key, 'left', few.left_row, 'right', few.right_row
                    )
                    order by few.key
                ),
                '[]'
            )
        from few
    ) as sample
from paired
