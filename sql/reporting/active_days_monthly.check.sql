-- The users of a month are its active users, and their active days are the sum of its daily active
-- users.

with months as (
    select
        month, slice, slice_value,
        sum(users) as users,
        sum(users * active_days) as user_days
    from {{ reporting }}.active_days_monthly
    group by month, slice, slice_value
),

days as (
    select
        {{ warehouse }}.month_start(event_date) as month,
        slice, slice_value,
        sum(users) as user_days
    from {{ warehouse }}.agg_engagement_daily
    group by {{ warehouse }}.month_start(event_date), slice, slice_value
),

growth as (
    select
        period_start as month,
        slice, slice_value, active_users
    from {{ reporting }}.growth_accounting
    where
        grain = 'month'
        and active_users > 0
)

select
    month, slice, slice_value, months.users, growth.active_users, months.user_days,
    days.user_days as user_days_of_days
from months
full join days using (month, slice, slice_value)
full join growth using (month, slice, slice_value)
where
    months.users is distinct from growth.active_users
    or months.user_days is distinct from days.user_days
