-- Both identities of growth accounting: active users are new, retained or resurrected; those of the
-- period before are retained or churned.

with accounts as (
    select
        grain, period_start, slice, slice_value, active_users,
        new_users + retained_users + resurrected_users as explained_users,
        retained_users + churned_users as users_before_explained,
        lag(active_users) over (
            partition by grain, slice, slice_value
            order by period_start
        ) as users_before
    from {{ reporting }}.growth_accounting
)

select
    grain, period_start, slice, slice_value, active_users, explained_users, users_before,
    users_before_explained
from accounts
where
    active_users <> explained_users
    or users_before <> users_before_explained
