-- How many users have a recommendation, and why the others have none.

with named as (
    select count(*) as categories
    from {{ warehouse }}.dim_transaction_categories
    where transaction_category <> 'unknown'
),

others as (
    select users.user_id
    from {{ warehouse }}.dim_users as users
    left join {{ warehouse }}.agg_user_recommendations as recommendations
        on recommendations.user_id = users.user_id
    where recommendations.user_id is null
),

reasons as (
    select
        case
            when count(transaction_category) = 0 then 2
            when count(transaction_category) = categories then 3
            else 4
        end as position
    from others
    cross join named
    left join {{ warehouse }}.agg_user_categories as used
        on used.user_id = others.user_id and transaction_category <> 'unknown'
    group by others.user_id, categories
),

counted as (
    select position, count(*) as users
    from reasons
    group by position
    union all
    select 1 as position, count(*) as users
    from {{ warehouse }}.agg_user_recommendations
)

select
    labels.label,
    coalesce(users, 0) as value
from (
    values
    (1, 'users with something left'),
    (2, 'have used no category yet'),
    (3, 'have used every category'),
    (4, 'nothing similar is left')
) as labels (position, label)
left join counted using (position)
order by position;
