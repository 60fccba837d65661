-- Each user with a recommendation is in exactly one row, and no row has fewer than min_cell users
-- unless there are no more.

with reported as (
    select
        coalesce(sum(users), 0) as users,
        min(users) as smallest_row,
        count(*) as rows
    from {{ reporting }}.category_recommendations
),

recommended as (
    select count(*) as users
    from {{ warehouse }}.agg_user_recommendations
)

select
    reported.users as reported_users,
    recommended.users as recommended_users,
    smallest_row
from reported
cross join recommended
where
    reported.users <> recommended.users
    or (rows > 1 and smallest_row < {{ min_cell }})
