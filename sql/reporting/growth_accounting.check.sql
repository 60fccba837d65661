-- Both identities of growth accounting: who is active came, stayed or came back; who was active
-- stayed or left.

with accounts as (
    select
        growth.grain,
        growth.period_start,
        growth.slice,
        growth.slice_value,
        growth.active_users,
        growth.new_users + growth.retained_users + growth.resurrected_users as explained_users,
        growth.retained_users + growth.churned_users as users_before_explained,
        lag(growth.active_users) over (
            partition by growth.grain, growth.slice, growth.slice_value
            order by growth.period_start
        ) as users_before
    from {{ reporting }}.growth_accounting as growth
)

select
    accounts.grain,
    accounts.period_start,
    accounts.slice,
    accounts.slice_value,
    accounts.active_users,
    accounts.explained_users,
    accounts.users_before,
    accounts.users_before_explained
from accounts
where
    accounts.active_users <> accounts.explained_users
    or accounts.users_before <> accounts.users_before_explained
