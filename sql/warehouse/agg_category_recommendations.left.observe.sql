-- How many users there is something left to recommend to, and why not to the others.

with used as (
    select
        categories.user_id,
        count(*) filter (where categories.transaction_category <> 'unknown') as categories
    from {{ warehouse }}.agg_user_categories as categories
    group by categories.user_id
),

named as (
    select count(distinct categories.transaction_category) as categories
    from {{ warehouse }}.agg_user_categories as categories
    where categories.transaction_category <> 'unknown'
),

recommended as (
    select distinct recommendations.user_id
    from {{ warehouse }}.agg_category_recommendations as recommendations
),

counted as (
    select
        case
            when recommended.user_id is not null then 1
            when coalesce(used.categories, 0) = 0 then 2
            when used.categories = named.categories then 3
            else 4
        end as position,
        count(*) as users
    from {{ warehouse }}.dim_users as users
    cross join named
    left join used on used.user_id = users.user_id
    left join recommended on recommended.user_id = users.user_id
    group by position
)

select
    labels.label,
    coalesce(counted.users, 0) as value
from (
    values
    (1, 'users with something left'),
    (2, 'have used no category yet'),
    (3, 'have used every category'),
    (4, 'nothing similar is left')
) as labels (position, label)
left join counted on counted.position = labels.position
order by labels.position;
